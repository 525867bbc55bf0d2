"""Layers as functions, with the names and arguments of `torch.nn.functional`; each file has forward beside backward."""

from ajuste_fino.scratch.functional.activation import leaky_relu, log_softmax, relu, sigmoid, softmax, tanh
from ajuste_fino.scratch.functional.adaptive import adaptive_avg_pool2d, adaptive_max_pool2d
from ajuste_fino.scratch.functional.convolution import conv1d, conv2d
from ajuste_fino.scratch.functional.dropout import dropout, dropout2d, weight_scaled_dropout
from ajuste_fino.scratch.functional.linear import linear
from ajuste_fino.scratch.functional.loss import cross_entropy
from ajuste_fino.scratch.functional.maximum import channel_max_pool, max_pool2d
from ajuste_fino.scratch.functional.mean import avg_pool2d, lp_pool2d, weighted_avg_pool2d
from ajuste_fino.scratch.functional.padding import pad

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "channel_max_pool",
    "conv1d",
    "conv2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "leaky_relu",
    "linear",
    "log_softmax",
    "lp_pool2d",
    "max_pool2d",
    "pad",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
    "weight_scaled_dropout",
    "weighted_avg_pool2d",
]
