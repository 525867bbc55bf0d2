"""What Lightning is asked to do around the steps."""

from ajuste_fino.callbacks.average import WeightAverage
from ajuste_fino.callbacks.csv_logger import EpochCSVLogger
from ajuste_fino.callbacks.guard import NonFinite
from ajuste_fino.callbacks.progress import ProgressBar

__all__ = ["EpochCSVLogger", "NonFinite", "ProgressBar", "WeightAverage"]
