"""Optimizers with the names and arguments of `torch.optim`, in the order in which a lecture would tell them."""

from ajuste_fino.scratch.optim.sgd import SGD  # isort: skip
from ajuste_fino.scratch.optim.adagrad import Adagrad  # isort: skip
from ajuste_fino.scratch.optim.rmsprop import RMSprop  # isort: skip
from ajuste_fino.scratch.optim.adam import Adam, AdamW  # isort: skip
from ajuste_fino.scratch.optim.nadam import NAdam  # isort: skip
from ajuste_fino.scratch.optim.adadelta import Adadelta  # isort: skip
from ajuste_fino.scratch.optim.adamax import Adamax  # isort: skip

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RMSprop"]
