"""Several phases after each other: what each trains, what is cached for it, and that the rest stays as it was."""

import json

import pytest
import torch
from safetensors.torch import load_file

from ajuste_fino.callbacks.checkpoints import load_checkpoint
from ajuste_fino.files import read_csv
from ajuste_fino.runs import factories
from ajuste_fino.runs.configuration import compose
from tests.conftest import draw_folder

LADDER = ("data=folder", "phases=ladder", "epochs=2", "workers=0")


def trained(cli, root, out, *overrides):
    code, shown, err = cli("train", *LADDER, f"data.root={root}", f"out={out}", *overrides)
    assert code == 0, err
    return json.loads((out / "metrics.json").read_text()), shown + err


def schedule(*phases):
    return f"phases.schedule=[{','.join(phases)}]"


HEAD, UPPER = "{train_from: head}", "{train_from: upper, epochs: 2, lr: 0.001, backbone_lr_mult: 0.5, views: 2}"
ALL = "{train_from: all, epochs: 1, lr: 0.001, backbone_lr_mult: 0.1, views: 4}"


def test_the_maps_below_the_trained_blocks_are_computed_once(cli, photos, tmp_path, own_cache):
    first, said = trained(cli, photos, tmp_path / "first", schedule(HEAD, UPPER))
    assert "The maps before upper are computed once, in 2 views of a training image, and kept" in said
    assert first["cache/misses"] == 36 + 2 * 24 + 6  # features of all images; maps of 24 in two views, of 6 in one
    again, said = trained(cli, photos, tmp_path / "again", schedule(HEAD, UPPER))
    assert (again["cache/misses"], "are computed once" in said) == (0, False)
    tables = [(tmp_path / name / "predictions_test.csv").read_bytes() for name in ("first", "again")]
    assert tables[0] == tables[1]


def test_maps_that_would_take_too_much_room_are_not_kept(cli, photos, tmp_path, own_cache):
    found, said = trained(cli, photos, tmp_path / "run", schedule(HEAD, UPPER), "features.disk_gb=0.001")
    assert "more than features.disk_gb=0.001" in said
    assert found["cache/misses"] == 36


def test_each_phase_is_proven_and_the_model_has_what_the_last_trained(cli, photos, tmp_path):
    found, _ = trained(cli, photos, tmp_path / "run", schedule(HEAD, UPPER, ALL), "monitor=train/loss")
    trained(cli, photos, tmp_path / "head", "phases=head", "schedule=cosine")
    assert {name for name in found if name.startswith("frozen/")} >= {"frozen/1/sha256", "frozen/2/sha256"}
    before, after = (load_file(tmp_path / name / "bundle" / "model.safetensors") for name in ("head", "run"))
    moved = {name for name in before if name.startswith("backbone.") and not torch.equal(before[name], after[name])}
    weights = {name for name in before if name.startswith("backbone.") and name.endswith("weight")}
    assert moved >= weights  # all are trained in the end
    assert not [name for name in moved if "running" in name]  # BatchNorm's statistics are not


def test_batchnorm_learns_its_statistics_where_it_is_to(cli, photos, tmp_path):
    keys = ["phases.batchnorm=train", "monitor=train/loss", "callbacks.ema=null"]
    trained(cli, photos, tmp_path / "run", schedule(HEAD, UPPER), *keys)
    trained(cli, photos, tmp_path / "head", "phases=head", "schedule=cosine")
    before, after = (load_file(tmp_path / name / "bundle" / "model.safetensors") for name in ("head", "run"))
    moved = {name.split(".")[2] for name in before if "running" in name and not torch.equal(before[name], after[name])}
    assert moved == {"block3"}


def test_evaluate_reproduces_the_table(cli, photos, tmp_path):
    trained(cli, photos, tmp_path / "run", schedule(HEAD, UPPER, ALL))
    code, _, err = cli("evaluate", f"run={tmp_path / 'run'}", f"out={tmp_path / 'again'}", "workers=0")
    assert code == 0, err
    tables = [(tmp_path / name / "predictions_test.csv").read_bytes() for name in ("run", "again")]
    assert tables[0] == tables[1]


BACKBONES = ("resnet18", "mobilenet_v2", "convnext_tiny", "vgg16", "efficientnet_lite0")


@pytest.mark.parametrize("name", BACKBONES)
def test_what_is_frozen_stays_in_every_phase_of_every_backbone(cli, tmp_path, name):
    """To the bit, BatchNorm's statistics among it; the run itself proves it, and here the bundle is compared."""
    root = draw_folder(tmp_path / "photos", ("a", "b"), 8)
    keys = [f"backbone={name}", "data.image_size=64", "phases.start=any", "seed=3", "epochs=1"]
    keys += ["backbone.weights=none"] if name != "efficientnet_lite0" else []
    phases = schedule(HEAD, UPPER.replace("epochs: 2", "epochs: 1"))
    found, _ = trained(cli, root, tmp_path / "run", phases, *keys)
    trained(cli, root, tmp_path / "head", "phases=head", "schedule=cosine", *keys)
    assert found["frozen/unchanged"] is True
    assert len({found["frozen/1/sha256"], found["frozen/2/sha256"]}) == 2
    before = load_file(tmp_path / "head" / "bundle" / "model.safetensors")
    bundle = load_file(tmp_path / "run" / "bundle" / "model.safetensors")
    last = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["state_dict"]
    tail = {f"backbone.{name.partition('net.')[2]}": tensor for name, tensor in last.items() if name.startswith("body.")}
    moved = [name for name, tensor in tail.items() if not torch.equal(before[name], tensor)]
    assert moved
    assert sum(before[name].numel() for name in moved) <= found["trained/parameters"]
    assert not [name for name in moved if "running" in name]
    trunk = [name for name in before if name.startswith("backbone.") and name not in tail]
    assert trunk
    assert all(torch.equal(before[name], bundle[name]) for name in trunk)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([schedule(UPPER, HEAD)], "must train at least the blocks of the one before"),
        ([schedule(HEAD, UPPER.replace("upper", "block9"))], "must be head, upper, all or a block"),
        (["phases.lr_decay=0"], "phases.lr_decay must be above 0"),
        (["phases.batchnorm=thawed"], "phases.batchnorm must be frozen or train"),
        (["data.folds=3"], "data.folds needs phases=head"),
        (["ensemble=3"], "ensemble needs phases=head"),
        (["label_smoothing=1"], "label_smoothing must be"),
        (["mixup=-1"], "mixup must be"),
        (["head=backprop", "mixup=0.2"], "has a loss of its own, of plain labels"),
        (["monitor=val/f1"], "must be one of val/loss, val/accuracy"),
        (["features.disk_gb=-1"], "features.disk_gb must be"),
        (["trainer.accumulate_grad_batches=0"], "accumulate_grad_batches must be"),
        (["trainer.gradient_clip_val=0"], "gradient_clip_val must be"),
        (["augment=none"], "augment=none varies no image"),
    ],
    ids=str,
)
def test_a_mistake_is_one_message_and_leaves_nothing(cli, photos, tmp_path, keys, message):
    code, _, err = cli("train", *LADDER, f"data.root={photos}", f"out={tmp_path / 'run'}", *keys)
    assert (code, (tmp_path / "run").exists()) == (2, False), err
    assert message in err
    assert "Traceback" not in err


def test_labels_may_be_smoothed_and_images_mixed_in_any_phase(cli, photos, tmp_path):
    keys = ["label_smoothing=0.1", "mixup=0.4", "cutmix=1", "imbalance=weights", "trainer.gradient_clip_val=1"]
    trained(cli, photos, tmp_path / "run", schedule(HEAD, UPPER, ALL), *keys, "trainer.accumulate_grad_batches=2")
    rows = read_csv(tmp_path / "run" / "metrics.csv")
    assert len(rows) == 5


def test_decoded_images_may_be_kept_while_a_run_lasts(cli, photos, tmp_path, own_cache):
    """With the same views, so the same model, and nothing left of them."""
    for cache in ("none", "uint8"):
        trained(cli, photos, tmp_path / cache, "phases=full", f"data.cache={cache}", "epochs=2")
    tables = [(tmp_path / cache / "predictions_test.csv").read_bytes() for cache in ("none", "uint8")]
    assert tables[0] == tables[1]
    assert list((own_cache / "ajuste_fino" / "pixels").iterdir()) == []
    code, _, err = cli("train", *LADDER, f"data.root={photos}", "data.cache=jpeg", f"out={tmp_path / 'no'}")
    assert (code, "data.cache must be none or uint8" in err) == (2, True)


def test_a_run_that_is_repeated_as_a_ladder_takes_what_a_ladder_has(cli, photos, tmp_path):
    """Schedule, augmentation and what chooses the epoch follow from the phases, not from those of the run before."""
    trained(cli, photos, tmp_path / "head", "phases=head", "seed=4")
    cfg = compose("train", [f"config={tmp_path / 'head'}", "phases=ladder"])
    assert (cfg.schedule._target_.rpartition(".")[2], cfg.data.augment.scale, cfg.monitor, cfg.seed) == (
        "WarmupCosine",
        0.35,
        None,
        4,
    )
    assert factories.monitor(cfg, factories.phases(cfg)) == "val/accuracy"


def test_views_that_are_given_are_those_of_every_phase(tmp_path):
    cfg = compose("train", ["data=folder", f"data.root={tmp_path}", "phases=ladder", "features.views=2"])
    assert [phase.views for phase in factories.phases(cfg)] == [2, 2]
    assert [phase.views for phase in factories.phases(compose("train", ["phases=ladder"]))] == [1, 4]


def test_of_equally_accurate_epochs_the_later_is_kept_and_its_phase_is_said(cli, photos, tmp_path):
    found, said = trained(cli, photos, tmp_path / "run", schedule(HEAD, UPPER), "label_smoothing=0.1", "optimizer.lr=0.01")
    rows = [float(row["val/accuracy"]) for row in read_csv(tmp_path / "run" / "metrics.csv")]
    assert found["epoch"] == 1 + max(n for n, value in enumerate(rows) if value == max(rows))
    assert f"Epoch {found['epoch']} of 4, of phase 2 of 2 (train_from=upper), has the highest validation accuracy" in said


def test_cutmix_needs_something_to_cut(cli, photos, tmp_path):
    code, _, err = cli("train", *LADDER, f"data.root={photos}", "phases=head", "cutmix=1", f"out={tmp_path / 'run'}")
    assert (code, "phases=head reads features" in err, (tmp_path / "run").exists()) == (2, True, False)
