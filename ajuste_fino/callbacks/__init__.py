"""What Lightning is asked to do around the steps."""

from ajuste_fino.callbacks.average import StepAverage, WeightAverage
from ajuste_fino.callbacks.checkpoints import LastCheckpoint
from ajuste_fino.callbacks.csv_logger import EpochCSVLogger
from ajuste_fino.callbacks.guard import NonFinite
from ajuste_fino.callbacks.progress import ProgressBar
from ajuste_fino.callbacks.stopping import EarlyStopping

__all__ = ["EarlyStopping", "EpochCSVLogger", "LastCheckpoint", "NonFinite", "ProgressBar", "StepAverage", "WeightAverage"]
