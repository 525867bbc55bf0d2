"""Every layer is torch's, for whoever uses it: values, gradients, and all that a program may ask of a module."""

import copy
import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._python_dispatch import TorchDispatchMode

from ajuste_fino.scratch import functional as F
from tests.scratch.reference import LAYERS, assert_same, build, layers, loss_case, losses, ours, same, theirs, values

NAMES = sorted({row[0] for row in LAYERS} | {"CrossEntropyLoss"})


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@layers()
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_values_and_gradients(row, dtype, training):
    mine, other = (build(home, row, dtype).train(training) for home in (ours, theirs))
    assert_same(mine, other, values(row[3], dtype), dtype)


@losses()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_losses(row, dtype):
    keywords, x, target = loss_case(row, dtype)
    assert_same(ours.CrossEntropyLoss(**keywords), theirs.CrossEntropyLoss(**keywords), x, dtype, target)


@layers()
def test_gradients_against_differences(row):
    """The second judge, which knows nothing of torch's layers; and of the gradient's gradient, where there is one."""
    layer = build(ours, row, torch.float64)
    names, parameters = zip(*layer.named_parameters(), strict=True) if list(layer.parameters()) else ((), ())

    def run(x, *parameters):
        torch.manual_seed(0)
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x * 1,))

    inputs = (values(row[3], torch.float64).requires_grad_(), *(p.detach().requires_grad_() for p in parameters))
    assert gradcheck(run, inputs)
    assert gradgradcheck(run, inputs, fast_mode=True)


@losses()
def test_gradients_of_losses_against_differences(row):
    keywords, x, target = loss_case(row, torch.float64)
    loss, soft = ours.CrossEntropyLoss(**keywords), target.is_floating_point()
    inputs = (x.requires_grad_(), target.requires_grad_(soft))
    assert gradcheck(loss, inputs)
    assert gradgradcheck(loss, inputs, fast_mode=True)


FORBIDDEN = (
    "conv",
    "pool",
    "dropout",
    "relu",
    "threshold",
    "softmax",
    "nll",
    "im2col",
    "col2im",
    "linear",
    "cross_entropy",
    "sigmoid",
    "tanh",
)


class Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.name())
        return func(*args, **(kwargs or {}))


def recorded(layer, x, *more):
    with Recorder() as recorder:
        y = layer((x.requires_grad_() * 1), *more)
        y.backward(torch.ones_like(y))
    return {name for name in recorder.names if any(word in name for word in FORBIDDEN)}


@layers()
def test_nothing_of_torchs_layers_is_reached(row):
    assert recorded(build(ours, row), values(row[3])) == set()


@losses()
def test_nothing_of_torchs_losses_is_reached(row):
    keywords, x, target = loss_case(row)
    assert recorded(ours.CrossEntropyLoss(**keywords), x, target) == set()


def test_the_recorder_sees_torchs_own_layers():
    rows = [row for row in LAYERS if row[0] in ("Conv2d", "ReLU", "MaxPool2d", "AvgPool2d", "Softmax", "AdaptiveAvgPool2d")]
    rows = [row for row in rows if 0 not in row[3] and row[1] != (1,)]  # torch's global mean is a sum
    assert len(rows) > 15
    assert all(recorded(build(theirs, row), values(row[3])) for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_constructors_are_torchs(name):
    mine, other = getattr(ours, name), getattr(theirs, name)
    assert inspect.signature(mine) == inspect.signature(other)
    assert list(inspect.signature(mine.forward).parameters) == list(inspect.signature(other.forward).parameters)
    assert issubclass(mine, other)


@layers()
def test_state_and_print_are_torchs(row):
    mine, other = (build(home, row) for home in (ours, theirs))
    assert repr(mine) == repr(other)
    assert list(mine.state_dict()) == list(other.state_dict())
    for name, tensor in mine.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])
    copy.deepcopy(mine).load_state_dict(other.state_dict())


@layers()
def test_under_functional_transforms(row):
    """Per-example gradients by vmap over grad, as torch.func users take them."""
    if row[0].startswith("Dropout") or 0 in row[3] or (row[1][:1] == (True,) or row[1][1:] == (True,)):
        pytest.skip("random, empty or in place")
    mine, other = (build(home, row) for home in (ours, theirs))
    x = torch.stack([values(row[3], seed=n) for n in range(3)])

    def each(layer):
        def loss(parameters, one):
            return torch.func.functional_call(layer, parameters, (one,)).square().sum()

        parameters = {name: p.detach() for name, p in layer.named_parameters()}
        return torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)), in_dims=(None, 0))(parameters, x)

    (mine_by_weights, mine_by_x), (other_by_weights, other_by_x) = each(mine), each(other)
    same(mine_by_x, other_by_x, torch.float32)
    for name, gradient in mine_by_weights.items():
        torch.testing.assert_close(gradient, other_by_weights[name], rtol=1e-3, atol=1e-4)


@layers()
def test_under_autocast(row):
    """bfloat16 products, as torch's, forward and backward."""
    mine, other = (build(home, row) for home in (ours, theirs))
    outputs = []
    for layer in (mine, other):
        x = values(row[3]).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            torch.manual_seed(0)
            y = layer(x * 1)
        y.float().sum().backward()
        outputs.append((y.float(), x.grad))
        assert all(p.grad.dtype == torch.float32 for p in layer.parameters())
    for a, b in zip(*outputs, strict=True):
        torch.testing.assert_close(a, b, rtol=5e-2, atol=5e-2)


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.complex64], ids=str)
@layers()
def test_other_types(row, dtype):
    """What torch computes in a type, ours computes in it; what torch refuses may be refused."""
    x = values(row[3]).to(dtype)
    try:
        torch.manual_seed(0)
        expected = build(theirs, row, dtype)(x.clone())
    except (RuntimeError, NotImplementedError):
        return
    if dtype == torch.complex64 and row[0] == "Tanh":
        pytest.skip("refused, with a message")
    torch.manual_seed(0)
    y = build(ours, row, dtype)(x.clone())
    assert y.dtype == expected.dtype
    wide = torch.complex64 if dtype.is_complex else torch.float32
    torch.testing.assert_close(y.to(wide), expected.to(wide), rtol=2e-2, atol=2e-2)


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
def test_complex_gradients():
    for row in [("Linear", (5, 3), {}, (4, 5)), ("Conv2d", (3, 4, 3), {}, (2, 3, 7, 6)), ("Sigmoid", (), {}, (3, 4))]:
        mine, other = (build(home, row, torch.complex128) for home in (ours, theirs))
        x, grads = torch.randn(row[3], dtype=torch.complex128), []
        for layer in (mine, other):
            leaf = x.clone().requires_grad_()
            layer(leaf).abs().square().sum().backward()
            grads.append([leaf.grad, *(p.grad for p in layer.parameters())])
        for a, b in zip(*grads, strict=True):
            torch.testing.assert_close(a, b)


# windows of every size, step and place that fit
windows = st.fixed_dictionaries(
    {
        "kernel": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "stride": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilation": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "padding": st.tuples(st.integers(0, 2), st.integers(0, 2)),
        "size": st.tuples(st.integers(7, 11), st.integers(7, 11)),
        "batch": st.integers(1, 3),
        "groups": st.integers(1, 3),
        "ceil": st.booleans(),
    }
)


def compare(mine, other, *inputs):
    """Outputs and gradients of two functions."""
    results = []
    for function in (mine, other):
        leaves = [x.clone().requires_grad_() for x in inputs]
        y = function(*leaves)
        y = y if isinstance(y, tuple) else (y,)
        torch.manual_seed(0)
        y[0].backward(torch.randn_like(y[0]))
        results.append([*y, *(leaf.grad for leaf in leaves)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(windows)
def test_convolutions_of_any_geometry(w):
    x = torch.randn(w["batch"], 2 * w["groups"], *w["size"], dtype=torch.float64)
    weight = torch.randn(3 * w["groups"], 2, *w["kernel"], dtype=torch.float64)
    how = {"stride": w["stride"], "padding": w["padding"], "dilation": w["dilation"], "groups": w["groups"]}
    bias = torch.randn(len(weight), dtype=torch.float64)
    compare(lambda *given: F.conv2d(*given, **how), lambda *given: torch.nn.functional.conv2d(*given, **how), x, weight, bias)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(windows)
def test_pools_of_any_geometry(w):
    x = torch.randn(w["batch"], 2, *w["size"], dtype=torch.float64)
    padding = tuple(min(p, k // 2) for p, k in zip(w["padding"], w["kernel"], strict=True))
    how = {"kernel_size": w["kernel"], "stride": w["stride"], "padding": padding, "ceil_mode": w["ceil"]}
    both = (F, torch.nn.functional)
    compare(*(lambda x, f=f: f.max_pool2d(x, dilation=w["dilation"], return_indices=True, **how) for f in both), x)
    compare(*(lambda x, f=f: f.avg_pool2d(x, count_include_pad=w["groups"] > 1, **how) for f in both), x)
    compare(*(lambda x, f=f: f.adaptive_max_pool2d(x, w["kernel"], return_indices=True) for f in both), x)
    compare(*(lambda x, f=f: f.adaptive_avg_pool2d(x, w["kernel"]) for f in both), x)


def test_ties_go_to_the_first():
    x = torch.ones(2, 3, 6, 6)
    for name, argument in (("max_pool2d", 2), ("max_pool2d", 3), ("adaptive_max_pool2d", 3), ("adaptive_max_pool2d", 4)):
        mine, other = (getattr(f, name)(x, argument, return_indices=True)[1] for f in (F, torch.nn.functional))
        assert torch.equal(mine, other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")], ids=str)
@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("CrossEntropyLoss", "Flatten", "Conv1d", "Conv2d", "Linear")])
def test_values_that_are_not_finite(name, value):
    row = next(row for row in LAYERS if row[0] == name and len(row[3]) in (2, 4))
    x = values(row[3])
    x.view(-1)[::3] = value
    torch.manual_seed(0)
    mine = build(ours, row)(x.clone())
    torch.manual_seed(0)
    torch.testing.assert_close(mine, build(theirs, row)(x.clone()), equal_nan=True)


def test_a_closed_gate_stops_an_infinite_gradient():
    """√max(0, a) has an infinite slope at 0, and yet no gradient for a < 0."""
    grads = []
    for layer in (ours.ReLU(), theirs.ReLU()):
        a = torch.tensor([-1.0, 4.0], requires_grad=True)
        layer(a).sqrt().sum().backward()
        grads.append(a.grad)
    assert torch.equal(*grads)


def test_logits_of_minus_infinity():
    x, target = torch.tensor([[0.0, float("-inf"), 1.0]]), torch.tensor([2])
    assert_same(ours.CrossEntropyLoss(), theirs.CrossEntropyLoss(), x, torch.float32, target)


def test_images_that_lie_otherwise_in_memory():
    """Channels last, expanded, a slice of a larger tensor, transposed."""
    base = torch.randn(2, 3, 8, 9, dtype=torch.float64)
    cases = [base.contiguous(memory_format=torch.channels_last), base[:1].expand(4, -1, -1, -1), base[:, :, 1:-1, ::2], base.mT]
    for x in cases:
        for row in [row for row in LAYERS if len(row[3]) == 4 and row[3][1] == 3 and 0 not in row[3]][:20]:
            mine, other = (build(home, row, torch.float64).eval() for home in (ours, theirs))
            torch.testing.assert_close(mine(x), other(x))


def test_softmax_without_a_dimension_warns_as_torch_does():
    for home in (ours, theirs):
        with pytest.warns(UserWarning, match="Implicit dimension"):
            home.Softmax()(torch.zeros(2, 3))


@pytest.mark.parametrize("shape", [(4, 6, 3), (4, 6), (1, 2, 3, 2, 2)], ids=str)
def test_channels_that_are_unclear_warn_as_torchs_do(shape):
    results = []
    for home in (ours, theirs):
        torch.manual_seed(0)
        with pytest.warns(UserWarning, match="dropout2d"):
            results.append(home.Dropout2d()(torch.ones(shape)))
    assert torch.equal(*results)


def test_older_reductions_warn_as_torchs_do():
    for f in (F, torch.nn.functional):
        with pytest.warns(UserWarning, match="please use reduction='sum'"):
            f.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1]), size_average=False)


def test_layers_train_inside_a_compiled_model():
    torch.manual_seed(0)
    model = torch.nn.Sequential(ours.Conv2d(1, 4, 3), ours.ReLU(), ours.MaxPool2d(2), ours.Flatten(), ours.Linear(36, 3))
    x, y = torch.randn(5, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1])
    expected = ours.CrossEntropyLoss()(model(x), y)
    compiled = torch.compile(model, backend="eager")
    loss = ours.CrossEntropyLoss()(compiled(x), y)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    assert all(p.grad is not None for p in model.parameters())
