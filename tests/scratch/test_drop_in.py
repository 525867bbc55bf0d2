"""Programs as people write them around torch's layers, which run the same with ours."""

import numpy as np
import pytest
import torch
from torch import fx
from torchvision.models.feature_extraction import create_feature_extractor

from ajuste_fino.scratch import functional as F
from tests.scratch.reference import LAYERS, build, layers, ours, same, theirs, values

TF = torch.nn.functional


def both(make, seed=0):
    """What a program gives with our layers and with torch's."""
    results = []
    for home in (ours, theirs):
        torch.manual_seed(seed)
        results.append(make(home))
    return results


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@layers()
def test_a_result_may_be_changed_in_place(row):
    """As by `out += x`, or an activation in place; the gradient knows of it."""

    def program(home):
        layer, x = build(home, row), values(row[3]).requires_grad_()
        y = layer(x * 1)
        y += 1
        y.clamp_(max=1.5)
        y.square().sum().backward()
        return x.grad

    try:
        program(theirs)
    except RuntimeError:  # the gradient is computed from the result itself, in torch as here
        return
    same(*both(program), torch.float32)


@layers()
def test_results_can_be_viewed(row):
    """Results and gradients of images in any layout lie in memory as torch's do."""
    x = values(row[3])
    if len(row[3]) != 4 or 0 in row[3] or row[0] in ("Flatten", "Linear") or row[0].startswith("Dropout"):
        return
    for image in (x, x.mT.contiguous().mT, x.contiguous(memory_format=torch.channels_last)):

        def program(home, image=image):
            leaf = image.clone().requires_grad_()
            y = build(home, row)(leaf * 1)
            return [t.is_contiguous() for t in (y, *torch.autograd.grad(y.sum(), leaf))], y.stride()

        mine, other = both(program)
        assert mine[1] == other[1] or image is not x
        assert mine[0][0] >= other[0][0]


def cnn(home):
    return torch.nn.Sequential(
        home.Conv2d(3, 4, 3, padding=1),
        home.ReLU(inplace=True),
        home.MaxPool2d(2),
        home.Conv2d(4, 5, 3),
        home.Sigmoid(),
        home.AvgPool2d(2),
        home.AdaptiveAvgPool2d(1),
        home.Flatten(),
        home.Linear(5, 4),
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_whole_network_under_autocast(dtype):
    def program(home):
        net, x, y = cnn(home), torch.randn(4, 3, 12, 12), torch.tensor([0, 1, 2, 3])
        with torch.autocast("cpu", dtype):
            logits = net(x)
            loss = home.CrossEntropyLoss()(logits, y)
        loss.backward()
        return logits.dtype, loss.dtype, loss.detach().float(), [p.grad for p in net.parameters()]

    (kind, lossy, loss, grads), (kind2, lossy2, loss2, grads2) = both(program)
    assert (kind, lossy) == (kind2, lossy2)
    torch.testing.assert_close(loss, loss2, rtol=2e-2, atol=1e-2)
    for a, b in zip(grads, grads2, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-1, atol=2e-2)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_types_under_autocast(name):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        with torch.autocast("cpu", torch.bfloat16):
            mine, other = (getattr(f, name)(torch.zeros(2, 3, dtype=dtype), 1) for f in (F, TF))
        assert mine.dtype == other.dtype
    with torch.autocast("cpu", torch.bfloat16):
        pooled = [home.AdaptiveAvgPool2d(2)(torch.ones(1, 1, 5, 5)) for home in (ours, theirs)]
        double = [home(torch.ones(2, 3).double(), torch.ones(4, 3).double()) for home in (F.linear, TF.linear)]
    assert pooled[0].dtype == pooled[1].dtype
    assert double[0].dtype == double[1].dtype


def test_half_precision_is_summed_in_full():
    for x, layer in [(10.1, ("AvgPool2d", 32)), (3e4, ("AvgPool2d", 4)), (10.1, ("AdaptiveAvgPool2d", 1))]:
        for dtype in (torch.bfloat16, torch.float16):
            image = torch.full((1, 1, 32, 32), x).to(dtype)
            torch.testing.assert_close(*both(lambda home, i=image, spec=layer: getattr(home, spec[0])(spec[1])(i)))


@pytest.mark.parametrize("keywords", [{}, {"weight": torch.tensor([1.0, 2.0])}, {"label_smoothing": 0.1}], ids=str)
@pytest.mark.parametrize("logits", [[0.0, 0], [float("nan"), 0], [float("-inf"), 0], [float("inf"), 0]], ids=str)
@pytest.mark.parametrize("targets", [[-100, -100], [0, -100]], ids=str)
def test_what_is_ignored_counts_for_nothing(keywords, logits, targets):
    def program(home):
        x = torch.tensor([[0.5, 0.0], logits], requires_grad=True)
        loss = home.CrossEntropyLoss(**keywords)(x, torch.tensor(targets))
        loss.backward()
        return torch.cat([loss.detach()[None], x.grad.flatten()])

    torch.testing.assert_close(*both(program), equal_nan=True)


def test_one_infinity_stays_in_its_bin():
    for row in ([float("inf"), 1, 2, 3], [float("nan"), 1, 2, 3]):
        for size in ((1, 2), (1, 3)):
            x = torch.tensor(row).reshape(1, 1, 1, 4)
            torch.testing.assert_close(*both(lambda home, x=x, s=size: home.AdaptiveAvgPool2d(s)(x)), equal_nan=True)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # said once a process
@layers()
def test_on_the_meta_device(row):
    if row[0].startswith("Dropout"):
        return
    mine, other = both(lambda home: build(home, row).to("meta")(values(row[3]).to("meta")))
    assert (mine.shape, mine.dtype) == (other.shape, other.dtype)


def test_padding():
    x = torch.randn(2, 3, 4)
    for sides in ((0, 0), (1, 2), (-1, 0), (-1, 2, 1, -2), (0, 1, 2, 0, 1, 1)):
        mine, other = F.pad(x, sides), TF.pad(x, sides)
        assert torch.equal(mine, other)
        assert mine.data_ptr() != x.data_ptr()


def test_numbers_of_numpy_are_numbers():
    two, x = np.int64(2), torch.randn(1, 3, 6, 6)
    for f in (F, TF):
        assert f.max_pool2d(x, two, two).shape == (1, 3, 3, 3)
        assert f.avg_pool2d(x, 2, two).shape == (1, 3, 3, 3)
        assert f.conv2d(x, torch.ones(1, 3, 2, 2), stride=two).shape == (1, 1, 3, 3)
        assert f.conv1d(x[0], torch.ones(1, 6, 2), stride=two).shape == (3, 1, 3)


def test_weights_may_step_between_two_backward_passes():
    def program(home):
        layer, x = home.Linear(3, 2), torch.randn(4, 3)
        y = layer(x)
        y.sum().backward(retain_graph=True)
        with torch.no_grad():
            layer.weight -= layer.weight.grad
        y.square().sum().backward()
        return layer.weight.grad

    same(*both(program), torch.float32)


def test_frozen_layers_keep_no_activations():
    kept = []
    for layer, shape in ((ours.Conv2d(3, 4, 3), (2, 3, 8, 8)), (ours.Linear(5, 4), (9, 5))):
        layer.requires_grad_(False)
        x = torch.randn(shape, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
            layer(x)
        assert kept.pop() == layer.weight.shape
        assert kept == []


def test_jacobians():
    x = torch.randn(1, 1, 4, 4)
    for vectorize in (False, True):
        same(
            *(torch.autograd.functional.jacobian(h.MaxPool2d(2), x, vectorize=vectorize) for h in (ours, theirs)), torch.float32
        )


def test_dropout_draws_as_torchs():
    for p in (0.0, 0.3, 1.0, torch.tensor(0.5)):
        for x in (torch.ones(20), torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)):
            assert torch.equal(*both(lambda home, p=p, x=x: torch.cat([home.Dropout(p)(x).flatten(), torch.rand(3)])))


def test_whole_numbers():
    x = torch.tensor([0, 1, 255], dtype=torch.uint8)
    for name in ("Sigmoid", "Tanh"):
        for given in (x, x > 0):
            torch.testing.assert_close(*both(lambda home, n=name, g=given: getattr(home, n)()(g)))
    image = torch.arange(16).reshape(1, 1, 4, 4)
    assert torch.equal(*both(lambda home: home.AvgPool2d(2)(image)))
    assert torch.equal(*both(lambda home: home.MaxPool2d(2)(image)))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_empty_sizes():
    same(*both(lambda home: home.Linear(0, 3)(torch.zeros(2, 0))), torch.float32)
    for empty in (torch.zeros(3, 0), torch.zeros(0, 3)):
        same(*both(lambda home, e=empty: home.Softmax(1)(e)), torch.float32)
    assert both(lambda home: home.AdaptiveAvgPool2d(1)(torch.zeros(2, 0, 4, 4)).shape)[0] == (2, 0, 1, 1)
    assert both(lambda home: home.AdaptiveMaxPool2d(0)(torch.zeros(2, 3, 4, 4)).shape)[0] == (2, 3, 0, 0)


def test_a_bias_of_more_dimensions():
    x, w, b = torch.randn(4, 2, 5), torch.randn(3, 5), torch.randn(2, 3)
    same(F.linear(x, w, b), TF.linear(x, w, b), torch.float32)


@layers()
def test_tracing(row):
    if row[0].startswith(("Dropout", "Flatten")):
        return
    layer = build(ours, row)
    traced = fx.symbolic_trace(torch.nn.Sequential(layer))
    x = values(row[3])
    same(traced(x.clone()), layer(x.clone()), torch.float32)


def test_feature_extractors_of_torchvision_see_inside():
    net = cnn(ours)
    found = create_feature_extractor(net, {"2": "pooled"})(torch.randn(1, 3, 12, 12))
    assert found["pooled"].shape == (1, 4, 6, 6)


def test_windows_of_minus_infinity_on_the_border():
    x = torch.full((1, 1, 4, 4), float("-inf"))
    for given in ({"padding": 1}, {"padding": 1, "dilation": 2}, {"padding": 1, "ceil_mode": True}):

        def program(home, given=given):
            leaf = x.clone().requires_grad_()
            y, places = home.MaxPool2d(3 if "dilation" not in given else 2, 2, return_indices=True, **given)(leaf)
            y.sum().backward()
            return torch.cat([places.flatten().float(), leaf.grad.flatten()])

        assert torch.equal(*both(program))
    small = torch.zeros(1, 5, 5, dtype=torch.uint8)
    mine, other = (f.max_pool2d(small, 2, dilation=2, padding=1, return_indices=True)[1] for f in (F, TF))
    assert torch.equal(mine, other)


def test_every_layer_is_in_the_table():
    ours_only = {"ChannelMaxPool", "WeightedAvgPool2d", "WeightScaledDropout"}
    classes = {name for name, kind in vars(ours).items() if isinstance(kind, type) and kind.__module__ == ours.__name__}
    assert classes - ours_only == {row[0] for row in LAYERS} | {"CrossEntropyLoss"}
