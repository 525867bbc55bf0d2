"""Ours beside torch's: the same weights, the same numbers, the same seed; output and every gradient must agree."""

import copy
from functools import partial

import pytest
import torch
from torch import nn as theirs

from ajuste_fino.scratch import nn as ours

TOLERANCE = {torch.float32: (1e-4, 1e-5), torch.float64: (1e-9, 1e-11)}  # relative, absolute

# layer, arguments, keywords, shape of the input
LAYERS = [
    ("ReLU", (), {}, (3, 5)),
    ("ReLU", (True,), {}, (2, 3, 4)),
    ("LeakyReLU", (), {}, (3, 5)),
    ("LeakyReLU", (0.3, True), {}, (7,)),
    ("LeakyReLU", (-0.5,), {}, (7,)),
    ("LeakyReLU", (0.0,), {}, (7,)),
    ("Sigmoid", (), {}, (3, 5)),
    ("Tanh", (), {}, (3, 5)),
    ("Softmax", (), {"dim": 1}, (3, 5)),
    ("Softmax", (0,), {}, (4,)),
    ("Softmax", (-2,), {}, (2, 3, 4)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (0, 1), {}, (2, 3, 4)),
    ("Linear", (5, 3), {}, (4, 5)),
    ("Linear", (5, 3), {"bias": False}, (5,)),
    ("Linear", (5, 3), {}, (2, 4, 5)),
    ("Dropout", (), {}, (30, 5)),
    ("Dropout", (0.2, True), {}, (30, 5)),
    ("Dropout", (1.0,), {}, (3, 5)),
    ("Dropout", (0.0,), {}, (3, 5)),
    ("Dropout2d", (), {}, (4, 6, 2, 3)),
    ("Dropout2d", (0.2,), {}, (4, 6, 3, 2)),
    ("Conv1d", (3, 4, 3), {}, (2, 3, 9)),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}, (2, 4, 11)),
    ("Conv1d", (3, 4, 4), {"padding": "same"}, (3, 9)),
    ("Conv1d", (3, 4, 3), {"padding": 2, "padding_mode": "reflect"}, (2, 3, 9)),
    ("Conv1d", (3, 4, 4), {"padding": "same", "padding_mode": "circular"}, (2, 3, 9)),
    ("Conv2d", (3, 4, 3), {}, (2, 3, 7, 6)),
    ("Conv2d", (3, 4, 1), {"bias": False}, (2, 3, 5, 5)),
    ("Conv2d", (3, 4, (3, 2), (2, 1), (1, 0)), {}, (3, 7, 6)),
    ("Conv2d", (4, 6, 3), {"padding": "same", "groups": 2, "dilation": 2}, (2, 4, 7, 6)),
    ("Conv2d", (4, 4, (2, 4)), {"padding": "same"}, (2, 4, 7, 6)),
    ("Conv2d", (4, 8, 3), {"groups": 4, "stride": 2, "padding": "valid"}, (2, 4, 7, 7)),
    ("Conv2d", (3, 4, 3), {"padding": 2, "padding_mode": "reflect", "stride": 2}, (2, 3, 7, 6)),
    ("Conv2d", (3, 4, 3), {"padding": (2, 1), "padding_mode": "replicate"}, (2, 3, 7, 6)),
    ("Conv2d", (3, 4, (2, 3)), {"padding": "same", "padding_mode": "circular"}, (2, 3, 7, 6)),
    ("Conv2d", (3, 2, 3), {"padding": 1}, (0, 3, 5, 5)),
    ("MaxPool2d", (2,), {}, (2, 3, 6, 6)),
    ("MaxPool2d", (3, 2, 1), {}, (2, 3, 7, 6)),
    ("MaxPool2d", ((3, 2),), {"stride": (1, 2), "dilation": (2, 1), "padding": (1, 0)}, (3, 9, 7)),
    ("MaxPool2d", (3, 2), {"ceil_mode": True}, (2, 3, 8, 6)),
    ("MaxPool2d", (2, 3, 1), {"ceil_mode": True}, (2, 3, 8, 6)),
    ("AvgPool2d", (2,), {}, (2, 3, 6, 6)),
    ("AvgPool2d", (3, 2, 1), {}, (2, 3, 7, 6)),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False, "ceil_mode": True}, (2, 3, 8, 6)),
    ("AvgPool2d", (3, 2, 1), {"ceil_mode": True}, (3, 8, 6)),
    ("AvgPool2d", ((2, 3),), {"divisor_override": 4}, (2, 3, 6, 6)),
    ("LPPool2d", (2, 2), {}, (2, 3, 6, 6)),
    ("LPPool2d", (4, 3, 2), {"ceil_mode": True}, (2, 3, 8, 6)),
    ("LPPool2d", (float("inf"), 2), {}, (2, 3, 6, 6)),
    ("AdaptiveAvgPool2d", (1,), {}, (2, 3, 6, 7)),
    ("AdaptiveAvgPool2d", ((3, None),), {}, (3, 7, 5)),
    ("AdaptiveAvgPool2d", (9,), {}, (2, 3, 6, 7)),
    ("AdaptiveMaxPool2d", (1,), {}, (2, 3, 6, 7)),
    ("AdaptiveMaxPool2d", ((3, 4),), {}, (2, 3, 7, 5)),
    ("AdaptiveMaxPool2d", (3,), {}, (2, 3, 6, 9)),
    ("AdaptiveMaxPool2d", ((None, 2),), {}, (3, 7, 5)),
]

# keywords, shape of the logits, shape of the target, whether the target is a distribution
LOSSES = [
    ({}, (4, 5), (4,), False),
    ({}, (5,), (), False),
    ({"reduction": "sum"}, (4, 5), (4,), False),
    ({"reduction": "none"}, (4, 5, 2, 3), (4, 2, 3), False),
    ({"ignore_index": 2}, (9, 4), (9,), False),
    ({"ignore_index": -1, "weighted": True}, (9, 4), (9,), False),
    ({"weighted": True}, (9, 4, 3), (9, 3), False),
    ({"weighted": True, "label_smoothing": 0.2}, (9, 4), (9,), False),
    ({"label_smoothing": 0.1, "ignore_index": 0, "reduction": "none"}, (9, 4), (9,), False),
    ({"label_smoothing": 0.1, "ignore_index": 1, "weighted": True}, (9, 4), (9,), False),
    ({}, (4, 5), (4, 5), True),
    ({}, (5,), (5,), True),
    ({"weighted": True, "label_smoothing": 0.2}, (4, 5, 3), (4, 5, 3), True),
    ({"weighted": True, "reduction": "sum"}, (4, 5), (4, 5), True),
    ({"reduction": "none"}, (4, 5), (4, 5), True),
]


def name_of(row):
    return " ".join(str(part) for part in row)


layers = partial(pytest.mark.parametrize, "row", LAYERS, ids=name_of)
losses = partial(pytest.mark.parametrize, "row", LOSSES, ids=name_of)


def build(home, row, dtype=torch.float32):
    torch.manual_seed(0)  # initial weights are drawn from the same distribution in the same order
    name, arguments, keywords, _ = row
    return getattr(home, name)(*arguments, **keywords).to(dtype)


def values(shape, dtype=torch.float32, seed=1):
    """Away from ties and kinks, where a derivative does not exist."""
    count = torch.Size(shape).numel()
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return ((order + 0.4) / max(count, 1) * 4 - 2).reshape(shape)


def loss_case(row, dtype=torch.float32):
    """Keywords, logits and target of a row."""
    keywords, shape, target, soft = copy.deepcopy(row)
    dim = 0 if len(shape) == 1 else 1
    if keywords.pop("weighted", False):
        keywords["weight"] = torch.linspace(0.5, 2, shape[dim], dtype=dtype)
    if soft:
        return keywords, values(shape, dtype), values(target, dtype, seed=2).softmax(dim)
    return keywords, values(shape, dtype), torch.randint(0, shape[dim], target, generator=torch.Generator().manual_seed(3))


def same(a, b, dtype):
    relative, absolute = TOLERANCE[dtype]
    torch.testing.assert_close(a, b, rtol=relative, atol=absolute)


def assert_same(mine, other, x, dtype, *more):
    """Output, gradient by the input, gradients by the parameters."""
    results = []
    for layer in (mine, other):
        leaf = x.clone().requires_grad_()
        torch.manual_seed(5)
        y = layer(leaf * 1, *more)  # times one: a leaf may not change in place
        if not results:
            g = torch.randn(y.shape, dtype=dtype, generator=torch.Generator().manual_seed(6))
        y.backward(g)
        results.append([y.detach(), leaf.grad, *(parameter.grad for parameter in layer.parameters())])
    for ours_result, theirs_result in zip(*results, strict=True):
        same(ours_result, theirs_result, dtype)
        assert ours_result.is_contiguous() == theirs_result.is_contiguous()


__all__ = ["assert_same", "build", "layers", "loss_case", "losses", "ours", "same", "theirs", "values"]
