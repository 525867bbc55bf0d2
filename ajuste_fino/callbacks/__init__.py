"""What Lightning is asked to do around the steps."""

from ajuste_fino.callbacks.average import StepAverage, WeightAverage
from ajuste_fino.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from ajuste_fino.callbacks.csv_logger import EpochCSVLogger
from ajuste_fino.callbacks.guard import NonFinite
from ajuste_fino.callbacks.progress import ProgressBar
from ajuste_fino.callbacks.stopping import EarlyStopping

__all__ = [
    "BestCheckpoint",
    "EarlyStopping",
    "EpochCSVLogger",
    "LastCheckpoint",
    "NonFinite",
    "ProgressBar",
    "StepAverage",
    "WeightAverage",
]
