"""The lecture's equations against autograd in float64, and as the engine of a head."""

import itertools

import pytest
import torch
from torch import nn

from ajuste_fino.scratch import backprop as bp
from ajuste_fino.scratch.engine import Backpropagation

KINDS = {"identity": bp.IDENTITY, "relu": bp.RELU, "sigmoid": bp.SIGMOID, "tanh": bp.TANH}
TORCHS = {"identity": lambda a: a, "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
NETWORKS = [((3, 4, 2), ("sigmoid", "identity")), ((2, 5, 4, 3), ("tanh", "relu", "sigmoid")), ((4, 3), ("identity",))]


def network(sizes, kinds):
    torch.manual_seed(0)
    pairs = itertools.pairwise(sizes)
    return [
        bp.Layer(torch.randn(b, a, dtype=torch.float64), torch.randn(b, dtype=torch.float64), KINDS[kind])
        for (a, b), kind in zip(pairs, kinds, strict=True)
    ]


def by_autograd(layers, kinds, x, loss):
    """Gradients of the same network as torch computes them."""
    weights = [[layer.weight.clone().requires_grad_(), layer.bias.clone().requires_grad_()] for layer in layers]
    z = x
    for (w, b), kind in zip(weights, kinds, strict=True):
        z = TORCHS[kind](w @ z + b[:, None])
    return torch.autograd.grad(loss(z), [tensor for pair in weights for tensor in pair])


def assert_gradients(mine, other):
    flat = [tensor for gradient in mine for tensor in gradient]
    for a, b in zip(flat, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("sizes", "kinds"), NETWORKS, ids=str)
def test_unit_by_unit(sizes, kinds):
    layers, x = network(sizes, kinds), torch.randn(sizes[0], 1, dtype=torch.float64)
    target = torch.randn(sizes[-1], 1, dtype=torch.float64)
    trace = bp.forward_units(layers, x[:, 0].tolist())
    _, slope = bp.squared_error(trace.z[-1][:, None], target)
    gradients = bp.backward_units(layers, trace, slope[:, 0].tolist())
    assert_gradients(gradients, by_autograd(layers, kinds, x, lambda z: (z - target).square().sum() / 2))


@pytest.mark.parametrize(("sizes", "kinds"), NETWORKS, ids=str)
def test_by_matrices(sizes, kinds):
    layers, x = network(sizes, kinds), torch.randn(sizes[0], 6, dtype=torch.float64)
    classes = torch.randint(sizes[-1], (6,))
    trace = bp.forward(layers, x)
    value, slope = bp.cross_entropy(trace.z[-1], classes)
    gradients = bp.backward(layers, trace, slope)
    torch.testing.assert_close(value, nn.functional.cross_entropy(trace.z[-1].mT, classes))
    assert_gradients(gradients, by_autograd(layers, kinds, x, lambda z: nn.functional.cross_entropy(z.mT, classes)))


def test_both_forms_leave_the_same_trace():
    layers, x = network(*NETWORKS[1]), [0.3, -0.7]
    units, matrices = bp.forward_units(layers, x), bp.forward(layers, torch.tensor(x, dtype=torch.float64)[:, None])
    bp.backward_units(layers, units, [1.0, -1.0, 0.5])
    bp.backward(layers, matrices, torch.tensor([[1.0], [-1.0], [0.5]], dtype=torch.float64))
    for name in ("a", "z", "delta"):
        for one, many in zip(getattr(units, name), getattr(matrices, name), strict=True):
            torch.testing.assert_close(one, many[:, 0], rtol=1e-12, atol=1e-12)


def test_updates_descend():
    layers, x = network(*NETWORKS[0]), torch.randn(3, 20, dtype=torch.float64)
    target, losses = torch.randn(2, 20, dtype=torch.float64), []
    for _ in range(50):
        trace = bp.forward(layers, x)
        value, slope = bp.squared_error(trace.z[-1], target)
        bp.update(layers, bp.backward(layers, trace, slope), 0.05)
        losses.append(value.item())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.7 * losses[0]


def head():
    torch.manual_seed(0)
    return nn.Sequential(nn.Dropout(0.2), nn.Linear(6, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3)).double()


@pytest.mark.parametrize("training", [True, False])
def test_the_engine_gives_a_heads_gradients(training):
    layers, x, y = head().train(training), torch.randn(8, 6, dtype=torch.float64, requires_grad=True), torch.randint(3, (8,))
    results = []
    for loss in (Backpropagation(), lambda layers, x, y: nn.functional.cross_entropy(layers(x), y)):
        torch.manual_seed(3)
        value = loss(layers, x, y)
        results.append([value.detach(), *torch.autograd.grad(value, [x, *layers.parameters()])])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    state = torch.get_rng_state()
    assert Backpropagation().difference(layers, x, y) < 1e-12
    assert torch.equal(state, torch.get_rng_state()), "looking draws nothing"


def test_the_difference_sees_a_wrong_equation(monkeypatch):
    import ajuste_fino.scratch.engine as engine

    monkeypatch.setitem(engine.ACTIVATIONS, nn.ReLU, bp.Activation(bp.RELU.f, lambda a: torch.ones_like(a)))
    assert Backpropagation().difference(head(), torch.randn(8, 6, dtype=torch.float64), torch.randint(3, (8,))) > 0.01


L, D, R = nn.Linear(6, 6), nn.Dropout(0.5), nn.ReLU()


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([L, nn.GELU()], "GELU"),
        ([R, L], "ReLU"),
        ([L, R, nn.Tanh()], "Tanh"),
        ([L, D, R], "ReLU"),
        ([D, D, L], "Dropout"),
        ([L, D], "a Dropout at the end"),
        ([nn.Linear(6, 6, bias=False)], "bias=False"),
    ],
    ids=str,
)
def test_the_engine_refuses_what_it_would_compute_wrongly(layers, words):
    with pytest.raises(TypeError, match=words):
        Backpropagation()(nn.Sequential(*layers), torch.zeros(2, 6), torch.zeros(2, dtype=torch.long))
