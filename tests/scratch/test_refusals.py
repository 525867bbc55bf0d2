"""What torch refuses, ours refuses: the same kind of error, and a message that says what was given."""

import pytest
import torch

from tests.scratch.reference import ours, theirs

INT = torch.int64


def x(*shape, dtype=torch.float32):
    return torch.zeros(shape, dtype=dtype)


# layer, arguments, keywords, inputs, what the message must name
ROWS = [
    ("Linear", (5, 3), {}, [x(2, 4)], "2x4 and 5x3"),
    ("Linear", (5, 3), {}, [x(2, 5, dtype=torch.float64)], "dtype"),
    ("ReLU", (), {}, [x(2, dtype=torch.bool)], "Boolean"),
    ("Softmax", (3,), {}, [x(2, 2)], "Dimension out of range"),
    ("Softmax", (1,), {}, [x(2, 2, dtype=INT)], "int64"),
    ("Dropout", (1.5,), {}, [x(2)], "1.5"),
    ("Dropout", (-0.1,), {}, [x(2)], "-0.1"),
    ("Dropout2d", (2,), {}, [x(2, 2, 2, 2)], "2"),
    ("Conv2d", (3, 4, 3), {}, [x(3, 3)], r"\[3, 3\]"),
    ("Conv2d", (3, 4, 3), {}, [x(1, 1, 3, 6, 6)], r"\[1, 1, 3, 6, 6\]"),
    ("Conv2d", (3, 4, 3), {}, [x(1, 2, 6, 6)], "to have 3 channels, but got 2"),
    ("Conv2d", (3, 4, 3), {}, [x(1, 3, 2, 6)], "2 x 6"),
    ("Conv2d", (3, 4, 3), {"dilation": 3}, [x(1, 3, 6, 6)], "7 x 7"),
    ("Conv2d", (3, 4, 3), {}, [x(1, 3, 6, 6, dtype=torch.float64)], "float64"),
    ("Conv2d", (3, 4, 3), {}, [x(1, 3, 6, 6, dtype=INT)], "int64"),
    ("Conv2d", (3, 4, 3), {"groups": 2}, [x(1, 3, 6, 6)], "divisible"),
    ("Conv2d", (4, 3, 3), {"groups": 2}, [x(1, 4, 6, 6)], "divisible"),
    ("Conv2d", (3, 4, 3), {"groups": 0}, [x(1, 3, 6, 6)], "positive"),
    ("Conv2d", (3, 4, 3), {"stride": 0}, [x(1, 3, 6, 6)], "stride"),
    ("Conv2d", (3, 4, 3), {"dilation": 0}, [x(1, 3, 6, 6)], "dilation"),
    ("Conv2d", (3, 4, 3), {"padding": -1}, [x(1, 3, 6, 6)], "padding"),
    ("Conv2d", (3, 4, 3), {"padding": "some"}, [x(1, 3, 6, 6)], "some"),
    ("Conv2d", (3, 4, 3), {"padding": "same", "stride": 2}, [x(1, 3, 6, 6)], "same"),
    ("Conv2d", (3, 4, 3), {"padding_mode": "mirror"}, [x(1, 3, 6, 6)], "mirror"),
    ("Conv2d", (3, 4, 3), {"padding": 6, "padding_mode": "reflect"}, [x(1, 3, 6, 6)], "6"),
    ("Conv2d", (3, 4, 3), {"padding": 7, "padding_mode": "circular"}, [x(1, 3, 6, 6)], "7"),
    ("Conv1d", (3, 4, 3), {}, [x(3)], r"\[3\]"),
    ("Conv1d", (3, 4, 3), {}, [x(1, 2, 6)], "to have 3 channels, but got 2"),
    ("Conv1d", (3, 4, 3), {}, [x(1, 3, 2)], "2"),
    ("MaxPool2d", (2,), {}, [x(4, 4)], "4"),
    ("MaxPool2d", (2,), {}, [x(1, 3, 0, 4)], "0"),
    ("MaxPool2d", (2,), {"padding": 2}, [x(1, 3, 6, 6)], "half"),
    ("MaxPool2d", (2,), {"padding": -1}, [x(1, 3, 6, 6)], "-1"),
    ("MaxPool2d", (0,), {}, [x(1, 3, 6, 6)], "0"),
    ("MaxPool2d", (2, 0), {}, [x(1, 3, 6, 6)], "0"),
    ("MaxPool2d", (2,), {"dilation": 0}, [x(1, 3, 6, 6)], "0"),
    ("MaxPool2d", (7,), {}, [x(1, 3, 6, 6)], "too small"),
    ("AvgPool2d", (7,), {}, [x(1, 3, 6, 6)], "too small"),
    ("AvgPool2d", (2,), {"padding": 2}, [x(1, 3, 6, 6)], "half"),
    ("AvgPool2d", (2,), {"divisor_override": 0}, [x(1, 3, 6, 6)], "zero"),
    ("LPPool2d", (0, 2), {}, [x(1, 3, 6, 6)], "0"),
    ("LPPool2d", (2, 7), {}, [x(1, 3, 6, 6)], "too small"),
    ("AdaptiveAvgPool2d", (2,), {}, [x(6, 6)], "6"),
    ("AdaptiveAvgPool2d", ((2, -1),), {}, [x(1, 3, 6, 6)], "-1"),
    ("AdaptiveMaxPool2d", (2,), {}, [x(6, 6)], "6"),
    ("CrossEntropyLoss", (), {}, [x(3, 4), x(2, dtype=INT)], "3.*2"),
    ("CrossEntropyLoss", (), {}, [x(3, 4), x(3, dtype=INT) + 4], "Target 4 is out of bounds"),
    ("CrossEntropyLoss", (), {}, [x(3, 4), x(3, dtype=INT) - 1], "Target -1 is out of bounds"),
    ("CrossEntropyLoss", (), {}, [x(3, 4), x(3, dtype=torch.int32)], "Long"),
    ("CrossEntropyLoss", (), {}, [x(3, 4), x(3)], "Long"),
    ("CrossEntropyLoss", (), {}, [x(3, 4), x(3, 4, dtype=INT)], "int64"),
    ("CrossEntropyLoss", (), {}, [x(3, 4, 2), x(3, 3, dtype=INT)], "3, 3"),
    ("CrossEntropyLoss", (), {"weight": torch.ones(3)}, [x(3, 4), x(3, dtype=INT)], "4 classes"),
    ("CrossEntropyLoss", (), {"ignore_index": 1}, [x(3, 4), x(3, 4)], "ignore_index"),
    ("CrossEntropyLoss", (), {"label_smoothing": 1.5}, [x(3, 4), x(3, dtype=INT)], "1.5"),
    ("CrossEntropyLoss", (), {"reduction": "some"}, [x(3, 4), x(3, dtype=INT)], "some"),
]


def error_of(home, name, arguments, keywords, inputs):
    with pytest.raises(Exception) as caught:
        getattr(home, name)(*arguments, **keywords)(*inputs)
    return caught


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]} {row[2]} {[list(i.shape) for i in row[3]]}")
def test_refused_as_by_torch(row):
    *what, words = row
    mine, other = error_of(ours, *what), error_of(theirs, *what)
    assert issubclass(mine.type, other.type), f"{mine.type} {mine.value}, torch: {other.type} {other.value}"
    mine.match(words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ours.WeightedAvgPool2d(2, weight=torch.ones(3, 3)), r"\(2, 2\), got \[3, 3\]"),
        (lambda: ours.WeightedAvgPool2d(2, weight=torch.zeros(2, 2)), "above 0"),
        (lambda: ours.WeightScaledDropout(1.2), "1.2"),
        (lambda: ours.ChannelMaxPool(4)(x(1, 3, 2, 2)), "too small"),
    ],
)
def test_what_only_we_have_refuses_too(make, words):
    with pytest.raises((ValueError, RuntimeError), match=words):
        make()


def test_parameters_in_place_are_refused_as_by_torch():
    for home in (ours, theirs):
        leaf = torch.zeros(3, requires_grad=True)
        with pytest.raises(RuntimeError, match="leaf"):
            home.ReLU(inplace=True)(leaf)
        with pytest.raises(RuntimeError, match="negative slope"):
            home.LeakyReLU(-1.0, inplace=True)(leaf * 1).sum().backward()
