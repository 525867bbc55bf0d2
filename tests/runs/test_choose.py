"""`choose` from the command line: what it compares, what it leaves, and that `train` goes on from it."""

import json
import shlex

import pytest
import torch
from torchvision import models

from ajuste_fino.backbone import published
from ajuste_fino.choose import measure
from ajuste_fino.files import read_csv
from ajuste_fino.runs import candidates
from tests.conftest import draw_folder

QUICK = ("workers=0", "choose.backbones=[embedded]")


@pytest.fixture(autouse=True)
def timed_once(monkeypatch):
    monkeypatch.setattr(measure, "TIMED", 0)


@pytest.fixture
def weights(tmp_path):
    """A file of random weights, in a folder whose name a shell would take apart."""
    torch.manual_seed(0)
    path = tmp_path / "it's here" / "squeeze net.pth"
    path.parent.mkdir()
    torch.save(models.squeezenet1_1().state_dict(), path)
    return path


def report(out):
    return json.loads((out / "choose.json").read_text())


def test_digits_from_end_to_end_and_the_command_that_it_gives_works(cli, weights, tmp_path, own_cache):
    out, run = tmp_path / "choice", tmp_path / "run"
    given = ["choose", "data=digits", "choose.images=60", "workers=0", f"out={out}", "seed=3", "data.image_size=64"]
    code, shown, err = cli(*given, f"choose.backbones=[embedded,squeezenet1_1={weights}]")
    assert code == 0, err
    found = report(out)
    assert "front *" in shown and "none of the test split" in err
    assert {row["backbone"] for row in read_csv(out / "choose.csv")} == {"embedded", "squeezenet1_1"}
    assert len(read_csv(out / "cuts.csv")) == 24
    assert (out / "plots" / "choose.png").is_file() and (out / "log.txt").is_file()
    verb, *keys = shlex.split(found["command"])[1:]
    assert verb == "train" and keys[:3] == ["data=digits", "workers=0", "seed=3"]
    assert cli(verb, *keys, f"out={run}", "epochs=1")[0] == 0
    rows = {row["sha256"]: row["split"] for row in read_csv(run / "split.csv")}
    metrics = json.loads((run / "metrics.json").read_text())
    assert len(rows) - metrics["cache/misses"] == found["images"]  # train found each feature that choose left
    with torch.inference_mode():
        assert {rows[content] for content in cached(own_cache)} <= {"train", "val", "test"}


def cached(cache):
    """The contents whose features are on disk."""
    import numpy as np

    paths = (cache / "ajuste_fino" / "features").glob("*/*.npy")
    return {key.decode() for path in paths for key in np.load(path)["key"].tolist()}


def test_no_image_of_the_test_split_is_looked_at(cli, photos, tmp_path, own_cache):
    assert cli("choose", f"data.root={photos}", f"out={tmp_path / 'o'}", *QUICK)[0] == 0
    seen = cached(own_cache)
    assert cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", "epochs=1", "workers=0")[0] == 0
    tested = {row["sha256"] for row in read_csv(tmp_path / "run" / "split.csv") if row["split"] == "test"}
    assert len(seen) == 30 and not seen & tested


def test_a_file_of_weights_is_quoted_for_hydra_and_the_shell(cli, photos, weights, tmp_path):
    out = tmp_path / "o"
    given = f"choose.backbones=['squeezenet1_1={str(weights).replace(chr(39), chr(92) + chr(39))}']"
    code, _, err = cli("choose", f"data.root={photos}", f"out={out}", "workers=0", "data.image_size=64", given)
    assert code == 0, err
    verb, *keys = shlex.split(report(out)["command"])[1:]
    assert cli(verb, *keys, f"out={tmp_path / 'run'}", "epochs=1")[0] == 0


def test_what_is_here_is_compared_unless_names_are_given(cli, photos, tmp_path, monkeypatch):
    here = {"embedded", "squeezenet1_1"}
    monkeypatch.setattr(candidates, "is_here", here.__contains__)
    cfg = composed(f"data.root={photos}")
    monkeypatch.setattr(candidates, "whereabouts", lambda name: "here")
    assert [one.label for one in candidates.candidates(cfg)] == sorted(here)
    cfg = composed(f"data.root={photos}", "choose.download=true")
    assert {one.label for one in candidates.candidates(cfg)} == {"embedded", *candidates.SMALL}


def composed(*overrides):
    from ajuste_fino.runs.configuration import compose

    return compose("choose", list(overrides))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("embedded", ["embedded"]),
        ("[embedded]", ["embedded"]),
        ("embedded,resnet18=/a b/c.pth", ["embedded", "resnet18=/a b/c.pth"]),
        ("['embedded','resnet18=/a,b/c.pth']", ["embedded", "resnet18=/a,b/c.pth"]),
    ],
)
def test_ways_to_write_names(given, names):
    assert candidates._given(composed("data.root=x", f"choose.backbones={given}")) == names


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["choose.backbones=[embeded]"], "Did you mean embedded?"),
        (["choose.backbones=[cnn]"], "must be trained networks"),
        (["choose.backbones=[resnet18=/nowhere/x.pth]"], "resnet18 must be an existing path"),
        (["choose.backbones=[embedded,embedded]"], "must name each candidate once"),
        (["choose.backbones=[resnet18]"], "ajuste-fino fetch backbone=resnet18"),
        (["choose.backbones={a: 1}"], "must be a list of names"),
        (["choose.backbones=[]"], "must not be empty"),
        (["choose.images=5"], "choose.images must be a whole number from 20 to 2000"),
        (["choose.folds=1"], "choose.folds must be"),
        (["features.precision=fp8"], "features.precision must be auto"),
        (["choose.backbone=x"], "Did you mean choose.backbones?"),
    ],
)
def test_what_is_refused_before_any_work(cli, photos, tmp_path, monkeypatch, keys, said):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    code, _, err = cli("choose", f"data.root={photos}", f"out={tmp_path / 'o'}", *keys)
    assert code == 2 and said in err, err
    assert not (tmp_path / "o").exists()


def test_weights_that_cannot_be_fetched_are_refused(cli, photos, tmp_path, monkeypatch):
    def offline(*_):
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(published.torch.hub, "download_url_to_file", offline)
    keys = (f"data.root={photos}", f"out={tmp_path / 'o'}", "choose.backbones=[resnet18]", "choose.download=true")
    code, _, err = cli("choose", *keys)
    assert code == 2 and "resnet18" in err and "no network" in err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "1" / "bad.png").write_text("no"), "bad.png"),
        (lambda root: (root / "1" / "00.png").write_bytes((root / "2" / "00.png").read_bytes()), "under several labels"),
        (
            lambda root: [path.rename(root / "1" / f"{path.parent.name}{path.name}") for path in root.glob("10/*")],
            "an image of every class",
        ),
    ],
)
def test_traps_are_those_of_training(cli, photos, tmp_path, spoil, said):
    spoil(photos)
    code, _, err = cli("choose", f"data.root={photos}", f"out={tmp_path / 'o'}", *QUICK)
    assert code == 2 and said in err, err
    assert not (tmp_path / "o").exists()


def test_one_class_and_classes_of_one_image(cli, tmp_path):
    one = draw_folder(tmp_path / "one", ("a",))
    code, _, err = cli("choose", f"data.root={one}", f"out={tmp_path / 'o'}", *QUICK)
    assert code == 2 and "class" in err
    few = draw_folder(tmp_path / "few" / "train", ("a", "b"), each=1)
    draw_folder(few.parent / "val", ("a",), each=1, first=1)
    code, _, err = cli("choose", f"data.root={few.parent}", f"out={tmp_path / 'o'}", *QUICK)
    assert code == 2 and "needs two classes, each of at least two" in err
    mixed = draw_folder(draw_folder(tmp_path / "mixed", ("a", "b")), ("c",), each=1, first=50)
    code, _, err = cli("choose", f"data.root={mixed}", f"out={tmp_path / 'o'}", *QUICK)
    assert code == 0 and "Left out of the sample" in err, err


def test_groups_are_not_parted_and_may_be_fewer_than_folds(cli, photos, tmp_path):
    for path in sorted(photos.glob("*/*.png")):
        path.rename(path.with_name(f"p{int(path.stem) % 5}_{path.name}"))
    group = r"data.group='(p\d)_'"
    code, _, err = cli("choose", f"data.root={photos}", f"out={tmp_path / 'o'}", group, *QUICK)
    assert code == 0 and "in 4 folds" in err, err
    assert "train command that its choose.json has" in cli("predict", f"run={tmp_path / 'o'}", f"images={photos}")[2]
    assert "must not be a configuration of choose" in cli("train", f"config={tmp_path / 'o'}")[2]
    assert group in shlex.split(report(tmp_path / "o")["command"])


def test_damaged_files_are_skipped_where_that_is_asked_for(cli, photos, tmp_path):
    (photos / "1" / "bad.png").write_text("no")
    keys = (f"data.root={photos}", f"out={tmp_path / 'o'}", "data.on_bad_image=skip", "data.max_skipped=0.1", *QUICK)
    code, _, err = cli("choose", *keys)
    assert code == 0, err
    assert report(tmp_path / "o")["images"] == 30


def test_a_stop_keeps_what_was_computed(cli, photos, tmp_path, monkeypatch, own_cache):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "out_of_fold", stop)
    code, _, err = cli("choose", f"data.root={photos}", f"out={tmp_path / 'o'}", *QUICK)
    assert code == 130 and "features computed so far are kept" in err
    assert len(cached(own_cache)) == 30
