"""Every optimizer is torch's: the same parameters after 1, 10 and 100 steps, the same state, the same refusals."""

import copy
import inspect
import pickle

import pytest
import torch

from ajuste_fino.scratch import optim as ours

theirs = torch.optim

# name, keywords
ROWS = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "weight_decay": 0.1, "alpha": 0.9}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1, "betas": (0.5, 0.9)}),
    ("Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"amsgrad": True, "maximize": True, "lr": 0.01}),
    ("NAdam", {}),
    ("NAdam", {"weight_decay": 0.1, "momentum_decay": 0.01}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adadelta", {}),
    ("Adadelta", {"weight_decay": 0.1, "rho": 0.5, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"weight_decay": 0.1, "betas": (0.5, 0.9)}),
]
NAMES = sorted({name for name, _ in ROWS})
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12, torch.complex64: 1e-5}
rows = pytest.mark.parametrize("row", ROWS, ids=str)


def parameters(dtype=torch.float32):
    torch.manual_seed(0)
    return [torch.randn(shape, dtype=dtype).requires_grad_() for shape in ((3, 4), (5,), (2, 2, 2))]


def make(home, row, dtype=torch.float32, **more):
    """An optimizer of two groups, the second with a rate of its own."""
    first, *rest = parameters(dtype)
    groups = [{"params": [first]}, {"params": rest, "lr": 0.02}]
    return getattr(home, row[0])(groups, **row[1], **more)


def thetas(optimizer):
    return [theta for group in optimizer.param_groups for theta in group["params"]]


def run(optimizer, steps, seed=1):
    """Gradients that any optimizer is given alike; the second parameter has none now and then."""
    draw = torch.Generator().manual_seed(seed)
    for step in range(steps):
        for n, theta in enumerate(thetas(optimizer)):
            g = torch.randn(theta.shape, dtype=theta.dtype, generator=draw)
            theta.grad = None if n == 1 and step % 7 == 3 else g
        optimizer.step()
    return [theta.detach() for theta in thetas(optimizer)]


def close(a, b, dtype=torch.float32):
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@rows
@pytest.mark.parametrize("steps", [1, 10, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64], ids=str)
@pytest.mark.parametrize("foreach", [None, True])
def test_steps(row, steps, dtype, foreach):
    mine, other = (make(home, row, dtype, foreach=foreach) for home in (ours, theirs))
    close(run(mine, steps), run(other, steps), dtype)


@rows
def test_large_parameters_are_updated_in_pieces(row, monkeypatch):
    import ajuste_fino.scratch.optim.optimizer as module

    monkeypatch.setattr(module, "BLOCK", 3)
    for dtype in (torch.float64, torch.complex64):
        close(run(make(ours, row, dtype), 3), run(make(theirs, row, dtype), 3), dtype)


@rows
def test_state_is_torchs(row):
    mine, other = (make(home, row) for home in (ours, theirs))
    for steps in (0, 3):
        run(mine, steps), run(other, steps)
        a, b = mine.state_dict(), other.state_dict()
        assert a["param_groups"] == b["param_groups"]
        assert [list(group) for group in a["param_groups"]] == [list(group) for group in b["param_groups"]]
        assert a["state"].keys() == b["state"].keys()
        for key, state in a["state"].items():
            assert list(state) == list(b["state"][key])
            assert all(v.dtype == b["state"][key][k].dtype and v.shape == b["state"][key][k].shape for k, v in state.items())


@rows
@pytest.mark.parametrize("way", ["ours", "ours to torch", "torch to ours", "pickle", "deepcopy"])
def test_stopping_and_going_on(row, way):
    """Save after 5 steps, load, 5 more: as 10 without interruption, and across the two libraries."""
    straight = make(theirs, row)
    expected = [run(straight, 5), run(straight, 5, seed=2)][1]
    first = make(theirs if way == "torch to ours" else ours, row)
    run(first, 5)
    if way in ("pickle", "deepcopy"):
        second = pickle.loads(pickle.dumps(first)) if way == "pickle" else copy.deepcopy(first)
    else:
        second = make(theirs if way == "ours to torch" else ours, row)
        for a, b in zip(thetas(first), thetas(second), strict=True):
            b.data.copy_(a.data)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
    close(run(second, 5, seed=2), expected)


@rows
def test_scheduled_tensor_rates_and_closures(row):
    """A rate that is a tensor, a schedule that changes it, a step that computes its own loss."""
    finals = []
    for home in (ours, theirs):
        given = {**row[1], "lr": torch.tensor(0.05)}
        (theta,) = parameters()[:1]
        optimizer = getattr(home, row[0])([theta], **given)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

        def closure(optimizer=optimizer, theta=theta):
            optimizer.zero_grad()
            loss = (theta - 3).square().sum()
            loss.backward()
            return loss

        losses = []
        for _ in range(3):
            losses.append(optimizer.step(closure).detach())
            schedule.step()
        finals.append([theta.detach(), torch.stack(losses)])
    close(*finals)


def stepped(home, row, theta, gradients, lr=None):
    """θ after a step for each gradient, as a function that autograd can follow."""
    keywords = {**row[1], **({} if lr is None else {"lr": lr}), "differentiable": True}
    optimizer = getattr(home, row[0])([torch.nn.Parameter(theta.detach().clone())], **keywords)
    (leaf,), moved = optimizer.param_groups[0]["params"], theta.clone()
    if leaf in optimizer.state:
        optimizer.state[moved] = optimizer.state[leaf]
    optimizer.param_groups[0]["params"] = [moved]
    for g in gradients:
        moved.grad = g * 1
        optimizer.step()
    return moved


@rows
def test_autograd_through_steps(row):
    """differentiable=True: what two steps did, differentiated by the parameters, the gradients and the rate."""
    theta, g, h = (
        torch.tensor(v, dtype=torch.float64).requires_grad_() for v in ([1.0, 2, 3], [0.1, -0.7, 0.3], [0.3, 0.2, -0.4])
    )
    lr = torch.tensor(0.1, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda *given: stepped(ours, row, given[0], given[1:3], given[3]), (theta, g, h, lr))
    torch.testing.assert_close(stepped(ours, row, theta, (g, h)), stepped(theirs, row, theta, (g, h)), rtol=1e-7, atol=1e-7)


@rows
def test_counting_on_the_device(row):
    """capturable=True, for CUDA graphs: no number leaves the device; the same steps."""
    if "capturable" not in inspect.signature(getattr(ours, row[0])).parameters:
        pytest.skip("no such argument, in torch either")
    close(run(make(ours, row, capturable=True), 10), run(make(theirs, row), 10))
    close(run(make(ours, row, capturable=True, foreach=True), 10), run(make(theirs, row), 10))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # torch's own
@pytest.mark.parametrize(
    "row", [("SGD", {}), ("SGD", {"momentum": 0.9}), ("Adagrad", {}), ("Adagrad", {"lr_decay": 0.1})], ids=str
)
def test_sparse_gradients(row):
    finals = []
    for home in (ours, theirs):
        torch.manual_seed(0)
        table = torch.nn.Embedding(6, 3, sparse=True)
        optimizer = getattr(home, row[0])(table.parameters(), **row[1])
        for step in range(4):
            optimizer.zero_grad()
            table(torch.tensor([1, 1, 4, step])).square().sum().backward()
            optimizer.step()
        finals.append([table.weight.detach()])
    close(*finals)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("SGD", "Adagrad")])
def test_sparse_gradients_are_refused_where_torch_refuses(name):
    for home in (ours, theirs):
        table = torch.nn.Embedding(6, 3, sparse=True)
        optimizer = getattr(home, name)(table.parameters())
        table(torch.tensor([1])).sum().backward()
        with pytest.raises(RuntimeError, match="sparse"):
            optimizer.step()


def test_decay_of_sparse_gradients_is_refused():
    for home in (ours, theirs):
        table = torch.nn.Embedding(6, 3, sparse=True)
        optimizer = home.Adagrad(table.parameters(), weight_decay=0.1)
        table(torch.tensor([1])).sum().backward()
        with pytest.raises(RuntimeError, match="weight_decay"):
            optimizer.step()


@pytest.mark.parametrize("name", NAMES)
def test_constructors_are_torchs_and_more(name):
    mine, other = (inspect.signature(getattr(home, name)).parameters for home in (ours, theirs))
    shared = {key: value for key, value in mine.items() if key not in ("formulation", "compiled")}
    assert [(k, p.default, p.kind) for k, p in shared.items()] == [(k, p.default, p.kind) for k, p in other.items()]
    assert issubclass(getattr(ours, name), torch.optim.Optimizer)


BAD = [
    (NAMES, {"lr": -1}, "-1"),
    (NAMES, {"lr": torch.ones(2)}, "1-element"),
    (NAMES, {"weight_decay": -0.5}, "-0.5"),
    (["SGD", "RMSprop"], {"momentum": -0.5}, "-0.5"),
    (["SGD"], {"nesterov": True}, "momentum"),
    (["SGD"], {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening"),
    (["Adam", "AdamW", "NAdam", "Adamax"], {"betas": (1.0, 0.9)}, "index 0: 1.0"),
    (["Adam", "AdamW", "NAdam", "Adamax"], {"betas": (0.9, -0.1)}, "index 1: -0.1"),
    (["Adam", "AdamW", "NAdam", "Adamax", "Adagrad", "RMSprop", "Adadelta"], {"eps": -1e-9}, "-1e-09"),
    (["Adagrad"], {"lr_decay": -1}, "-1"),
    (["Adagrad"], {"initial_accumulator_value": -1}, "-1"),
    (["RMSprop"], {"alpha": -1}, "-1"),
    (["Adadelta"], {"rho": 1.5}, "1.5"),
    (["NAdam"], {"momentum_decay": -1}, "-1"),
    (["SGD", "Adam", "AdamW", "Adagrad"], {"fused": True, "foreach": True}, "fused"),
    (["SGD", "Adam", "AdamW", "Adagrad"], {"fused": True, "differentiable": True}, "fused"),
]


@pytest.mark.parametrize(("name", "keywords", "words"), [(n, k, w) for names, k, w in BAD for n in names])
def test_refused_as_by_torch(name, keywords, words):
    for home in (theirs, ours):
        with pytest.raises((ValueError, RuntimeError)) as caught:
            getattr(home, name)(parameters(), **keywords)
        kind = caught.type if home is theirs else kind  # noqa: F821
        assert caught.type is kind
    caught.match(words)


def test_what_only_we_have_is_refused_too():
    with pytest.raises(ValueError, match="torch or book"):
        ours.SGD(parameters(), formulation="slides")
    with pytest.raises(ValueError, match="dampening"):
        ours.SGD(parameters(), momentum=0.9, dampening=0.1, formulation="book")


def test_no_parameters_and_doubled_ones():
    for home in (ours, theirs):
        with pytest.raises(ValueError, match="empty"):
            home.Adam([])
        first = parameters()[0]
        with pytest.raises(ValueError, match="more than one"):
            home.Adam([{"params": [first]}, {"params": [first]}])


def test_gradient_scaling_and_clipping():
    theta = parameters()[0]
    optimizer, scaler = ours.Adam([theta]), torch.amp.GradScaler("cpu")
    scaler.scale(theta.square().sum()).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_([theta], 1.0)
    before = theta.detach().clone()
    scaler.step(optimizer)
    scaler.update()
    assert not torch.equal(theta, before)


BOOK = {
    "momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {"lr": 0.01, "eps": 1e-6}),
    "rmsprop momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.9}),
}


def by_the_book(name, theta, gradients, rates):
    """The algorithms as printed, on numbers (8.3's θ is reported where its gradient is taken: θ + α v)."""
    v = r = 0.0
    for g, eps in zip(gradients, rates, strict=True):
        if name == "momentum":
            v = 0.9 * v - eps * g
            theta = theta + v
        elif name == "nesterov":
            inner = theta - 0.9 * v
            v = 0.9 * v - eps * g
            theta = inner + v + 0.9 * v
        else:
            delta = 1e-6 if name == "rmsprop" else 1e-8
            r = 0.99 * r + 0.01 * g * g
            v = (0.9 * v if "momentum" in name else 0) - eps / (delta + r) ** 0.5 * g
            theta = theta + v
    return theta


@pytest.mark.parametrize("name", BOOK)
def test_the_books_formulation(name):
    kind, keywords = BOOK[name]
    theta = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    optimizer = getattr(ours, kind)([theta], formulation="book", **keywords)
    gradients, rates = [0.5, -0.3, 0.8, 0.1], [keywords["lr"] * 0.5**n for n in range(4)]
    for g, eps in zip(gradients, rates, strict=True):
        optimizer.param_groups[0]["lr"] = eps
        theta.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
    assert theta.item() == pytest.approx(by_the_book(name, 2.0, gradients, rates), rel=1e-12)


def test_the_formulations_agree_at_a_constant_rate_and_differ_under_a_schedule():
    def final(formulation, factor):
        theta = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
        optimizer = ours.SGD([theta], lr=0.1, momentum=0.9, formulation=formulation)
        for step in range(5):
            optimizer.param_groups[0]["lr"] = 0.1 * factor**step
            theta.grad = torch.tensor([1.0 + step], dtype=torch.float64)
            optimizer.step()
        return theta.item()

    assert final("torch", 1.0) == pytest.approx(final("book", 1.0), rel=1e-12)
    assert abs(final("torch", 0.5) - final("book", 0.5)) > 0.05


def test_a_copy_keeps_its_formulation():
    optimizer = ours.SGD(parameters(), momentum=0.9, formulation="book")
    run(optimizer, 2)
    assert copy.deepcopy(optimizer).formulation == "book"


@pytest.mark.parametrize("row", [("SGD", {"momentum": 0.9}), ("Adam", {"weight_decay": 0.1}), ("Adagrad", {})], ids=str)
def test_compiled_steps_are_the_same_and_follow_a_schedule(row, monkeypatch):
    """The graph that is compiled, without the compiler's last part, which wants a C++ compiler and half a minute."""
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f: compile_(f, backend="eager", fullgraph=True))
    mine, other = make(ours, row, compiled=True), make(theirs, row)
    schedules = [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9) for optimizer in (mine, other)]
    for seed in range(4):
        results = [run(optimizer, 2, seed=seed) for optimizer in (mine, other)]
        for schedule in schedules:
            schedule.step()
    close(*results)


def test_checkpoints_of_an_older_torch():
    """A count that is a number, a buffer that is None, a group without the flags that came later."""
    sgd, adam = ours.SGD(parameters(), momentum=0.9), ours.Adam(parameters())
    run(adam, 3)
    old = copy.deepcopy(adam.state_dict())
    for state in old["state"].values():
        state["step"] = 3
    for flag in ("maximize", "capturable", "foreach", "differentiable", "fused", "decoupled_weight_decay"):
        del old["param_groups"][0][flag]
    fresh = ours.Adam([theta.detach().clone().requires_grad_() for theta in thetas(adam)])
    fresh.load_state_dict(old)
    close(run(fresh, 2, seed=2), run(adam, 2, seed=2))
    none = sgd.state_dict()
    none["state"] = {0: {"momentum_buffer": None}}
    sgd.load_state_dict(none)
    close(run(sgd, 2), run(theirs.SGD(parameters(), momentum=0.9), 2))
