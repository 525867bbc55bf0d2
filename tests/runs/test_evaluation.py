import json

import pytest
import torch

from ajuste_fino.files import read_csv
from ajuste_fino.runs.console import start_log
from ajuste_fino.runs.evaluation import log_evaluation
from ajuste_fino.scores import score, wilson, write_predictions
from tests.conftest import FAST, draw_folder


@pytest.mark.parametrize(("right", "count"), [(44, 49), (0, 10), (10, 10), (500, 1000), (1, 1)])
def test_the_interval_is_wilsons(right, count):
    from scipy.stats import binomtest

    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson(right, count) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_scores_have_support_and_the_majority(tmp_path):
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    write_predictions(tmp_path / "p.csv", "abcd", ["x", "x", "y", "x"], probabilities, ["x", "y"])
    found = score(tmp_path / "p.csv", ["x", "y"])
    assert (found["images"], found["accuracy"], found["majority_accuracy"]) == (4, 0.5, 0.75)
    assert (found["support/x"], found["support/y"]) == (3, 1)


@pytest.fixture
def without_test(tmp_path):
    for split, each in (("train", 8), ("val", 4)):
        draw_folder(tmp_path / "photos" / split, ("a", "b"), each, suffix=".png" if split == "train" else ".bmp")
    for n, path in enumerate(sorted((tmp_path / "photos" / "val").rglob("*.bmp"))):  # no copies of the training images
        from tests.conftest import draw

        draw(n // 4, 100 + n).save(path)
    return tmp_path / "photos"


def test_without_a_test_split_the_validation_split_is_named_as_such(cli, without_test, tmp_path):
    run = tmp_path / "run"
    code, _, err = cli("train", "data=folder", f"data.root={without_test}", f"out={run}", *FAST)
    assert code == 0, err
    assert "no test split" in err
    assert "Test accuracy" not in err
    assert (run / "plots" / "confusion.png").exists()
    assert not (run / "predictions_test.csv").exists()
    trained = json.loads((run / "metrics.json").read_text())
    rows = read_csv(run / "predictions_val.csv")
    assert len(rows) == trained["val/images"] == 8
    assert trained["val/accuracy"] == pytest.approx(sum(r["label"] == r["predicted"] for r in rows) / 8)
    assert not [name for name in trained if name.startswith("test/")]

    code, _, err = cli("evaluate", f"run={run}", f"out={tmp_path / 'again'}", "workers=0")
    assert code == 0, err
    assert "no test split" in err
    again = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert again["val/accuracy"] == trained["val/accuracy"]
    assert (tmp_path / "again" / "predictions_val.csv").read_text() == (run / "predictions_val.csv").read_text()


def test_other_images_are_not_called_a_test_split(cli, run, tmp_path):
    root = draw_folder(tmp_path / "other", each=3, first=100)
    code, _, err = cli("evaluate", f"run={run[0]}", f"data.root={root}", f"out={tmp_path / 'e'}", "workers=0")
    assert code == 0, err
    found = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert found["eval/images"] == 9
    assert not [name for name in found if name.startswith(("test/", "val/"))]
    assert (tmp_path / "e" / "predictions_eval.csv").exists()


@pytest.mark.parametrize("right", [8, 9])
def test_a_result_not_above_the_majority_is_said(tmp_path, capsys, right):
    wrong = [[0.9, 0.1]] * 8 + [[0.2, 0.8] if n < right - 8 else [0.9, 0.1] for n in range(2)]
    write_predictions(tmp_path / "p.csv", range(10), ["x"] * 8 + ["y"] * 2, torch.tensor(wrong), ["x", "y"])
    start_log()
    log_evaluation("eval", {f"eval/{name}": v for name, v in score(tmp_path / "p.csv", ["x", "y"]).items()}, ["x", "y"])
    assert ("not above that of always predicting x" in capsys.readouterr().err) == (right == 8)


def test_a_small_split_is_told_of_its_interval_and_of_folds(cli, photos, tmp_path):
    _, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST)
    assert "95 % interval" in err
    assert "data.folds=5" in err


def test_where_the_data_moved_the_split_that_was_set_aside_is_found_by_content(run, cli, tmp_path):
    import shutil

    moved = tmp_path / "moved"
    for path in sorted((run[0].parent / "photos").rglob("*.png")):  # renamed, and deeper
        target = moved / path.parent.name / "deep" / f"new {path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    code, _, err = cli("evaluate", f"run={run[0]}", f"data.root={moved}", f"out={tmp_path / 'e'}", "workers=0")
    assert code == 0, err
    assert "images that the run was trained on or chose its epoch by" in err
    found, before = (json.loads((folder / "metrics.json").read_text()) for folder in (tmp_path / "e", run[0]))
    assert {k: v for k, v in found.items() if k.startswith("test/")} == {
        k: v for k, v in before.items() if k.startswith("test/")
    }


def test_images_that_are_no_longer_there_are_asked_for(cli, photos, tmp_path):
    out = tmp_path / "run"
    assert cli("train", "data=folder", f"data.root={photos}", f"out={out}", *FAST)[0] == 0
    photos.rename(tmp_path / "moved")
    code, _, err = cli("evaluate", f"run={out}", f"out={tmp_path / 'e'}", "workers=0")
    assert (code, "data.root=FOLDER" in err, (tmp_path / "e").exists()) == (2, True, False)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (lambda old: b"file,label,split\n1/00.png,1,test\n", "split.csv is not as the run wrote it"),
        (lambda old: old[:300], "split.csv is not as the run wrote it"),
        (lambda old: old.replace(b",", b";"), "split.csv is not as the run wrote it"),
        (lambda old: old.replace(b"train", b"TRAIN"), "split.csv is not as the run wrote it"),
    ],
)
def test_a_run_whose_split_is_not_known_can_be_judged_on_a_folder(run, cli, tmp_path, table, said):
    import shutil

    old = tmp_path / "old"
    shutil.copytree(run[0], old)
    (old / "split.csv").write_bytes(table((old / "split.csv").read_bytes()))
    code, _, err = cli("evaluate", f"run={old}", f"out={tmp_path / 'e'}", "workers=0")
    assert (code, "data.root=FOLDER" in err, (tmp_path / "e").exists()) == (2, True, False)
    assert said in err
    root = draw_folder(tmp_path / "other", each=2, first=100)
    for given in (old, old / "bundle"):
        out = tmp_path / f"of {given.name}"
        code, _, err = cli("evaluate", f"run={given}", f"data.root={root}", f"out={out}", "workers=0")
        assert (code, said in err, (out / "predictions_eval.csv").exists()) == (0, True, True)
