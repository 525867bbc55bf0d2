"""What is trained: the head alone, everything from nothing, or everything at two rates; with whose parts."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ajuste_fino import load
from ajuste_fino.files import read_csv
from tests.conftest import FAST, draw_folder

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
CNN = ("backbone=cnn", "phases=scratch", "workers=0")


def trained(cli, photos, out, *overrides):
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={out}", *overrides)
    assert code == 0, err
    return json.loads((out / "metrics.json").read_text())


def tensors(out):
    return load_file(out / "bundle" / "model.safetensors")


@pytest.mark.parametrize("impl", ["scratch", "torch"])
def test_a_designed_network_learns_from_nothing(cli, photos, tmp_path, impl):
    out = tmp_path / "run"
    found = trained(cli, photos, out, *CNN, f"backbone.impl={impl}", f"head.impl={impl}", "epochs=15", "optimizer.lr=0.003")
    assert found["test/accuracy"] == 1.0
    assert (found["frozen/parameters"], "frozen/unchanged" in found) == (0, False)
    assert found["trained/parameters"] == sum(t.numel() for name, t in tensors(out).items() if name.startswith("backbone."))
    rows = read_csv(out / "predictions_test.csv")
    for row, prediction in zip(rows, load(out).predict([photos / row["file"] for row in rows], top_k=1), strict=True):
        assert prediction.label == row["predicted"]
        assert prediction.probability == pytest.approx(float(row["probability"]), abs=1e-5)


@pytest.mark.parametrize(
    "design",
    [
        ("backbone.layers=1", "backbone.filters=[5]", "backbone.kernel=5"),
        ("backbone.layers=2", "backbone.pooling=average", "backbone.dropout=0.2"),
        ("backbone.layers=2", "backbone.filters=[6,8]", "backbone.pooling=norm", "backbone.grid=2"),
        ("backbone.layers=2", "backbone.pooling=none", "backbone.stride=2", "head=lecture"),
    ],
    ids=" ".join,
)
def test_designs(cli, photos, tmp_path, design):
    trained(cli, photos, tmp_path / "run", *CNN, *design, "epochs=1")
    assert len(load(tmp_path / "run").predict(photos / "1" / "00.png").top) == 3


def test_full_trains_a_loaded_backbone_at_a_rate_of_its_own(cli, photos, tmp_path):
    """Every weight moves, and BatchNorm's averages; at a rate near 0 the weights hardly do; the head is trained in both."""
    fresh, runs = {}, {}
    for name, rate in (("slow", 1e-9), ("fast", 0.1)):
        found = trained(
            cli,
            photos,
            tmp_path / name,
            "phases=full",
            "phases.batchnorm=train",
            f"phases.rate={rate}",
            "epochs=2",
            "workers=0",
        )
        assert found["trained/parameters"] > 0
        runs[name] = tensors(tmp_path / name)
    trained(cli, photos, tmp_path / "head", "epochs=1", "workers=0")
    fresh = tensors(tmp_path / "head")
    weights = [name for name in fresh if name.startswith("backbone.") and name.endswith("conv1.0.weight")]
    averages = [name for name in fresh if name.endswith("running_mean")]
    assert weights
    assert averages
    for name in weights:
        assert (runs["slow"][name] - fresh[name]).abs().max() < 1e-6
        assert (runs["fast"][name] - fresh[name]).abs().max() > 1e-5
    assert [name for name in averages if torch.equal(runs["fast"][name], fresh[name])] == []


def test_full_keeps_the_best_epoch_of_both(cli, photos, tmp_path):
    trained(cli, photos, tmp_path / "run", "phases=full", "epochs=2", "workers=0")
    kept = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    written = tensors(tmp_path / "run")
    for name, tensor in written.items():
        part, _, rest = name.partition(".")
        if part == "novelty":
            continue  # fitted when all is trained
        assert torch.equal(tensor, kept[f"head.{rest}" if part == "head" else f"body.backbone.net.{rest}"]), name


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["phases=scratch"], "backbone.weights=none, or phases=full"),
        (["phases=full", "backbone=cnn"], "The phases go on from trained weights"),
        ([*CNN, "backbone.filters=2.5"], "one for each layer"),
        (["+backbone.layers=3"], "backbone.layers is for a network of your own design"),
        (["phases=full", "phases.rate=0"], "must not be 0 for train_from=all"),
        (["phases.rate=0.1"], "must be 0 for train_from=head"),
        (["phases=ladders"], "must be one of full, head, ladder, scratch"),
        (["backbone=cnn", "backbone.weights=pretrained"], "nobody has trained a CNN of your design"),
        ([*CNN, "backbone.kernel=4"], "backbone.kernel must be odd"),
        ([*CNN, "backbone.layers=0"], "backbone.layers must be a whole number"),
        ([*CNN, "backbone.filters=[8,16]"], "one for each layer"),
        ([*CNN, "backbone.pooling=maximum"], "must be one of max, average"),
        ([*CNN, "backbone.dropout=1"], "backbone.dropout must be at least 0 and below 1"),
        ([*CNN, "backbone.layers=7"], "fewer backbone.layers"),
        ([*CNN, "backbone.impl=tensorflow"], "backbone.impl must be torch or scratch"),
        (["head.impl=numpy"], "head.impl must be torch or scratch"),
        (["optimizer.impl=numpy"], "optimizer.impl must be torch or scratch"),
        (["head.engine=backprop"], "head.engine must name a class by _target_"),
        (["head.engine={_target_: os.system}"], "must be a class of scratch.engine"),
        (["head.engine={_target_: ajuste_fino.scratch.engine.dropout}"], "must be a class of scratch.engine"),
        (["optimizer._target_=ajuste_fino.scratch.optim.adam.sys"], "must be a class of torch.optim"),
        (["optimizer=momentum", "optimizer.formulation=slides"], "formulation must be torch or book"),
        (["optimizer=momentum", "optimizer.formulation=book", "optimizer.impl=torch"], "must be torch for torch's own class"),
    ],
    ids=str,
)
def test_a_mistake_is_one_message_and_leaves_nothing(cli, tmp_path, monkeypatch, overrides, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli("train", *overrides)
    assert (code, list(tmp_path.iterdir())) == (2, []), err
    assert message in err
    assert "Traceback" not in err


def test_the_engine_trains_the_real_head_and_is_watched(cli, photos, tmp_path):
    found = trained(cli, photos, tmp_path / "run", "head=backprop", "epochs=8", "workers=0")
    gaps = [float(row["train/gradient_difference"]) for row in read_csv(tmp_path / "run" / "metrics.csv") if row["train/loss"]]
    assert len(gaps) == 8
    assert gaps[0] < 1e-6
    assert max(gaps) < 1e-4  # of gradients that have all but vanished, p − t having cancelled
    assert found["test/accuracy"] == 1.0


def test_the_engine_trains_as_autograd_does(cli, photos, tmp_path):
    for name in ("backprop", "lecture"):
        trained(cli, photos, tmp_path / name, f"head={name}", "epochs=3", "workers=0")
    losses = [
        [float(row["train/loss"]) for row in read_csv(tmp_path / name / "metrics.csv") if row["train/loss"]]
        for name in ("backprop", "lecture")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_every_part_from_scratch_trains_as_torchs_do(own_cache, tmp_path):
    """The digits, a CNN, 50 steps: the same losses. The optimizer amplifies no rounding: with the adaptive ones torch itself
    drifts by more when its number of threads changes."""
    from compare_scratch import run

    losses, accuracies = [], []
    for impl in ("scratch", "torch"):
        parts = [f"{key}.impl={impl}" for key in ("head", "backbone", "optimizer")]
        one, found = run(
            [*CNN, "features.precision=fp32", "optimizer=momentum", "optimizer.lr=0.001", "epochs=3", *parts], tmp_path / impl
        )
        losses.append(one[:50])
        accuracies.append(found["val/accuracy"])
    assert len(losses[0]) == 50
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert abs(accuracies[0] - accuracies[1]) <= 0.005


def test_several_runs_end_in_one_figure(cli, photos, tmp_path):
    for name, keys in (("curves", ["optimizer=sgd,adam"]), ("map", ["optimizer=sgd,adam", "optimizer.lr=0.01,0.001"])):
        code, _, err = cli("train", "-m", "data=folder", f"data.root={photos}", f"out={tmp_path / name}", *FAST, *keys)
        assert code == 0, err
        assert (tmp_path / name / "multirun.png").stat().st_size > 10_000


def test_a_run_that_diverges_leaves_a_gap_and_an_exit_code(cli, photos, tmp_path):
    keys = ["optimizer=sgd,adam", "optimizer.lr=0.01,1e30"]
    code, out, err = cli("train", "-m", "data=folder", f"data.root={photos}", f"out={tmp_path / 'm'}", *FAST, *keys)
    assert code == 1
    assert "runs diverged; table and figure have the others" in err
    rows = read_csv(tmp_path / "m" / "multirun.csv")
    assert [bool(row["val/accuracy"]) for row in rows if row["overrides"].endswith("0.01")] == [True, True]
    assert not all(row["val/accuracy"] for row in rows)
    assert (tmp_path / "m" / "multirun.png").is_file()


BLOCK = "phases.schedule=[{train_from: block3, backbone_lr_mult: 0.5}]"


@pytest.mark.parametrize("mode", ["cached", "live"])
def test_a_phase_may_begin_at_a_block(cli, photos, tmp_path, mode):
    """The blocks before it are frozen, and proven to be; it is trained, and the bundle has what it learnt."""
    out = tmp_path / "run"
    found = trained(cli, photos, out, BLOCK, f"features.mode={mode}", "epochs=3", "workers=0", "features.precision=fp32")
    assert found["frozen/unchanged"] is True
    assert found["frozen/parameters"] + found["trained/parameters"] == sum(
        t.numel() for n, t in tensors(out).items() if n.startswith("backbone.") and not n.endswith(("mean", "var", "tracked"))
    )
    trained(cli, photos, tmp_path / "head", "epochs=1", "workers=0")
    fresh, now = tensors(tmp_path / "head"), tensors(out)
    moved = {name.split(".")[2] for name in now if name.startswith("backbone.") and not torch.equal(now[name], fresh[name])}
    assert moved == {"block3"}
    rows = read_csv(out / "predictions_test.csv")
    for row, prediction in zip(rows, load(out).predict([photos / row["file"] for row in rows]), strict=True):
        assert prediction.probability == pytest.approx(float(row["probability"]), abs=1e-5)
    kept = torch.load(out / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert not [name for name in kept if "block1" in name or "stem" in name]


def test_cached_and_live_trunks_train_alike(cli, photos, tmp_path):
    for mode in ("cached", "live"):
        trained(
            cli, photos, tmp_path / mode, BLOCK, f"features.mode={mode}", "epochs=2", "workers=0", "features.precision=fp32"
        )
    losses = [
        [float(row["val/loss"]) for row in read_csv(tmp_path / mode / "metrics.csv") if row["val/loss"]]
        for mode in ("cached", "live")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_phase_has_its_own_epochs_and_rate(cli, photos, tmp_path):
    schedule = "phases.schedule=[{train_from: head, epochs: 2, lr: 1.0e-9}]"
    trained(cli, photos, tmp_path / "run", schedule, "epochs=9", "workers=0")
    losses = [float(row["val/loss"]) for row in read_csv(tmp_path / "run" / "metrics.csv") if row["val/loss"]]
    assert len(losses) == 2
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["phases.schedule=[{train_from: blok3, backbone_lr_mult: 1}]"], "Did you mean block3"),
        (["phases.schedule=[{train_form: head}]"], "A phase has train_from, epochs, lr, backbone_lr_mult"),
        (["phases.schedule=[]"], "must be a list of phases"),
        (["phases.schedule=[{train_from: head, epochs: 0}]"], "epochs must be a whole number of at least 1"),
        (["phases.name=full"], "phases.name is unknown to train. phases=NAME chooses a schedule"),
        (["phases.start=warm"], "phases.start must be any, trained or random"),
        (
            ["phases.schedule=[{train_from: 4, backbone_lr_mult: 1}]"],
            "must be head, upper, all or a block",
        ),
        (["phases.schedule=[4]"], "A phase has train_from"),
        (["callbacks.best=null"], "callbacks.best must be kept"),
        (["~callbacks"], "callbacks.best must be kept"),
        (["logger.csv=null"], "logger.csv must be kept"),
        (["+logger.csv.foo=1"], "logger.csv is not accepted"),
        (["callbacks.best.filename=other"], "must not move a checkpoint"),
        (["callbacks.early_stopping.monitor=val/f1"], "must be one of val/loss, val/accuracy, val/macro_f1"),
        (["callbacks.early_stopping.patience=x"], "patience"),
        (["+callbacks.mine._target_=os.system"], "must be a class of ajuste_fino.callbacks or lightning.pytorch.callbacks"),
        (["callbacks.early_stopping._target_=ajuste_fino.callbacks.guard"], "must be a class of ajuste_fino.callbacks"),
        (["+callbacks.last.dirpath=/tmp"], "must not move a checkpoint"),
        (["+callbacks.last.nonsense=1"], "is not accepted"),
        (
            ["logger.csv._target_=lightning.pytorch.loggers.CometLogger"],
            "must be a class of ajuste_fino.callbacks or",
        ),
        (["logger.csv._target_=lightning.pytorch.loggers.CSVLogger"], "must be ajuste_fino.callbacks.EpochCSVLogger"),
    ],
    ids=str,
)
def test_a_schedule_or_callback_that_cannot_be_is_refused(cli, tmp_path, monkeypatch, overrides, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli("train", *overrides)
    assert (code, list(tmp_path.iterdir())) == (2, []), err
    assert message in err


def test_callbacks_may_be_left_out_and_added(cli, photos, tmp_path):
    keys = ["callbacks.early_stopping=null", "callbacks.progress=null", "patience=1", "optimizer.lr=1e-9"]
    keys += ["+callbacks.rate._target_=lightning.pytorch.callbacks.LearningRateMonitor"]
    trained(cli, photos, tmp_path / "run", *keys, "epochs=4", "workers=0")
    rows = read_csv(tmp_path / "run" / "metrics.csv")
    assert len([row for row in rows if row["val/loss"]]) == 4
    assert any(name.startswith("lr-") for name in rows[0])


def test_a_schedule_from_python(photos, tmp_path):
    from ajuste_fino import fine_tune

    keys = {"backbone": "embedded", "phases.schedule": [{"train_from": "block3", "epochs": 1, "backbone_lr_mult": 0.5}]}
    model = fine_tune(photos, out=str(tmp_path / "run"), workers=0, **keys)
    assert model.metrics["trained/parameters"] > 0


def test_a_block_whose_name_is_a_number(cli, photos, tmp_path):
    keys = ["backbone=mobilenet_v2", "backbone.weights=none", "data.image_size=32", "epochs=1", "workers=0"]
    found = trained(cli, photos, tmp_path / "run", *keys, "phases.schedule=[{train_from: 17, backbone_lr_mult: 1}]")
    assert found["trained/parameters"] > 0


@pytest.mark.parametrize(("name", "size"), [("mobilenet_v2", 32), ("vit_b_16", 224)])
def test_a_tail_goes_on_in_the_type_in_which_the_trunk_ended(name, size):
    """In bf16 a residual sum in another type than the whole network's would give other features."""
    from ajuste_fino.backbone import build
    from ajuste_fino.data.transforms import Preprocessing
    from ajuste_fino.features import AtPrecision, Extractor
    from ajuste_fino.freezing import Frozen

    torch.manual_seed(0)
    backbone, _ = build(name, "none", size=size)
    trunk, tail = backbone.split(backbone.blocks[len(backbone.blocks) // 2])
    preprocessing = Preprocessing(**backbone.preprocessing)
    first = Extractor(Frozen(trunk), preprocessing, "bf16")
    after = AtPrecision(tail, "bf16", first.output_dtype())
    pixels = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(after(first(pixels)), Extractor(backbone, preprocessing, "bf16").eval()(pixels))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_evaluate_reproduces_the_table_of_a_run_with_a_tail(cli, photos, tmp_path, precision):
    """To the byte: cached maps go through the tail in the layout and the type of the whole network's."""
    trained(cli, photos, tmp_path / "run", BLOCK, f"features.precision={precision}", "epochs=2", "workers=0")
    code, _, err = cli("evaluate", f"run={tmp_path / 'run'}", f"out={tmp_path / 'again'}", "workers=0")
    assert code == 0, err
    tables = [(tmp_path / name / "predictions_test.csv").read_bytes() for name in ("run", "again")]
    assert tables[0] == tables[1]


ONE_CELL = ("backbone=resnet18", "backbone.weights=none", "phases=scratch", "data.image_size=32", "epochs=1", "workers=0")


def test_batchnorm_never_sees_a_single_value(cli, tmp_path):
    root = draw_folder(tmp_path / "photos", ("a", "b"), 6)
    (root / "a" / "one more.png").write_bytes((root / "a" / "00.png").read_bytes() + b"another content")
    code, _, err = cli("train", "data=folder", f"data.root={root}", f"out={tmp_path / 'run'}", *ONE_CELL, "batch_size=8")
    assert code == 0, err
    assert "9 train" in err
    code, _, err = cli("train", "data=folder", f"data.root={root}", f"out={tmp_path / 'one'}", *ONE_CELL, "batch_size=1")
    assert (code, "Pass batch_size=2 or more." in err, (tmp_path / "one").exists()) == (2, True, False)
