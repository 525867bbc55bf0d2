import csv
import json
import math

import pytest
import torch
from omegaconf import OmegaConf

from ajuste_fino.files import read_csv
from ajuste_fino.runs.conf import options
from tests.conftest import FAST, draw_folder

FILES = {
    "config.yaml",
    "metrics.json",
    "metrics.csv",
    "split.csv",
    "audit.json",
    "environment.json",
    "report.html",
    "predictions_test.csv",
    "log.txt",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "checkpoints/previous.ckpt",
    "bundle/bundle.json",
    "bundle/model.safetensors",
    "bundle/SHA256SUMS",
    "plots/learning_curves.png",
    "plots/confusion.png",
}


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_a_run_folder_holds_what_is_promised_and_no_more(run):
    out, model = run
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == FILES
    assert model.metrics == metrics(out)


def test_the_figures_promised(run):
    found = metrics(run[0])
    promised = {"test/accuracy", "val/accuracy", "test/macro_f1", "time/extract_s", "time/fit_s", "time/total_s"}
    promised |= {"frozen/parameters", "frozen/unchanged", "cache/hit", "images/skipped", "test/f1/10"}
    assert promised <= found.keys()
    assert found["frozen/unchanged"] is True
    rows = read_csv(run[0] / "predictions_test.csv")
    right = sum(row["label"] == row["predicted"] for row in rows) / len(rows)
    assert found["test/accuracy"] == pytest.approx(right)


def test_it_learns(photos, cli, tmp_path):
    code, _, _ = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST, "epochs=20")
    assert code == 0
    assert metrics(tmp_path / "run")["test/accuracy"] == 1.0


def test_the_checkpoint_holds_no_backbone_and_opens_with_weights_only(run):
    kept = torch.load(run[0] / "checkpoints" / "best.ckpt", weights_only=True)
    assert set(kept["state_dict"]) == {
        "head.standardise.mean",
        "head.standardise.std",
        "head.layers.1.weight",
        "head.layers.1.bias",
    }


def trained(cli, photos, out, *keys):
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={out}", *FAST, *keys)
    assert code == 0, err
    return (out / "predictions_test.csv").read_text()


def test_cached_again_and_live_are_the_same_run(cli, photos, tmp_path, own_cache):
    first = trained(cli, photos, tmp_path / "a")
    assert trained(cli, photos, tmp_path / "b") == first
    assert (metrics(tmp_path / "a")["cache/hit"], metrics(tmp_path / "b")["cache/hit"]) == (False, True)
    live = trained(cli, photos, tmp_path / "c", "features.mode=live")
    assert numbers(live) == pytest.approx(numbers(first), abs=1e-5)
    assert trained(cli, photos, tmp_path / "d", "seed=1") != first


def numbers(text):
    return [float(cell) for row in csv.reader(text.splitlines()[1:]) for cell in row[3:]]


def test_views_train_the_same_cached_and_live(cli, photos, tmp_path):
    cached = trained(cli, photos, tmp_path / "a", "features.views=3")
    live = trained(cli, photos, tmp_path / "b", "features.views=3", "features.mode=live")
    assert numbers(live) == pytest.approx(numbers(cached), abs=1e-5)
    assert cached != trained(cli, photos, tmp_path / "c")


@pytest.mark.parametrize("schedule", options("schedule"))
def test_every_schedule(cli, photos, tmp_path, schedule):
    trained(cli, photos, tmp_path / "run", f"schedule={schedule}", "head=lecture")
    assert OmegaConf.load(tmp_path / "run" / "config.yaml").head.dropout == 0.2


def test_every_optimizer_in_one_multirun_and_one_table(cli, photos, tmp_path):
    names = options("optimizer")
    assert {"adagrad", "adam", "adamw", "momentum", "nesterov", "rmsprop", "sgd"} < set(names)
    code, out, err = cli(
        "train", "-m", "data=folder", f"data.root={photos}", f"out={tmp_path / 'm'}", *FAST, f"optimizer={','.join(names)}"
    )
    assert code == 0, err
    rows = read_csv(tmp_path / "m" / "multirun.csv")
    assert [row["overrides"] for row in rows] == [f"optimizer={name}" for name in names]
    for n, row in enumerate(rows, start=1):
        assert float(row["test/accuracy"]) == pytest.approx(metrics(tmp_path / "m" / str(n))["test/accuracy"], abs=1e-4)
    assert out.count("optimizer=") == len(names)


def test_evaluate_reproduces_the_run_and_judges_other_images(run, cli, tmp_path):
    code, _, err = cli("evaluate", f"run={run[0]}", f"out={tmp_path / 'own'}", "workers=0")
    assert code == 0, err
    own, kept = metrics(tmp_path / "own"), metrics(run[0])
    assert {k: v for k, v in own.items() if k[:5] == "test/"} == {k: v for k, v in kept.items() if k[:5] == "test/"}
    others = draw_folder(tmp_path / "others", first=100)
    code, _, _ = cli("evaluate", f"run={run[0] / 'bundle'}", f"data.root={others}", f"out={tmp_path / 'all'}", "workers=0")
    assert code == 0
    assert len((tmp_path / "all" / "predictions_eval.csv").read_text().splitlines()) == 37


def test_evaluate_matches_labels_by_name_and_refuses_unknown_ones(run, cli, tmp_path):
    import shutil

    photos = draw_folder(tmp_path / "photos", first=100)

    def judged(name):
        assert cli("evaluate", f"run={run[0]}", f"data.root={photos}", f"out={tmp_path / name}", "workers=0")[0] == 0
        return {row["file"]: (row["label"], row["predicted"]) for row in read_csv(tmp_path / name / "predictions_eval.csv")}

    whole = judged("whole")
    shutil.rmtree(photos / "1")
    assert judged("part") == {file: labels for file, labels in whole.items() if labels[0] != "1"}
    (photos / "2").rename(photos / "zebra")
    code, _, err = cli("evaluate", f"run={run[0]}", f"data.root={photos}", f"out={tmp_path / 'x'}", "workers=0")
    assert (code, "got zebra" in err, (tmp_path / "x").exists()) == (2, True, False)


def test_evaluate_needs_no_more_than_the_test_images(cli, photos, tmp_path):
    (photos / "1" / "bad.jpg").write_text("no")
    trained(cli, photos, tmp_path / "run", "data.on_bad_image=skip", "data.max_skipped=0.1")
    rows = read_csv(tmp_path / "run" / "split.csv")
    next(photos / row["file"] for row in rows if row["split"] == "train").unlink()
    code, _, err = cli("evaluate", f"run={tmp_path / 'run'}", f"out={tmp_path / 'own'}", "workers=0")
    assert code == 0, err
    assert metrics(tmp_path / "own")["test/accuracy"] == metrics(tmp_path / "run")["test/accuracy"]
    test = next(photos / row["file"] for row in rows if row["split"] == "test")
    test.write_bytes((photos / "2" / "00.png").read_bytes())
    code, _, err = cli("evaluate", f"run={tmp_path / 'run'}", f"out={tmp_path / 'other'}", "workers=0")
    assert (code, "not the image it was" in err) == (2, True)


def test_from_python_a_misspelt_key_is_told_and_numpys_numbers_are_numbers(photos, tmp_path):
    import numpy as np

    from ajuste_fino import fine_tune
    from ajuste_fino.errors import UserError

    with pytest.raises(UserError, match=r"The key epoch is unknown to train. Did you mean epochs\?"):
        fine_tune(photos, backbone="embedded", epoch=20)
    keys = {"backbone": "embedded", "backbone.weights": "none", "optimizer.lr": np.float64(0.01)}
    model = fine_tune(photos, out=str(tmp_path / "run"), epochs=np.int64(1), workers=0, **keys)
    assert model.metrics["epoch"] == 1


def test_a_loss_that_is_no_number_stops_the_run(cli, photos, tmp_path):
    code, _, err = cli(
        "train",
        "data=folder",
        f"data.root={photos}",
        f"out={tmp_path / 'run'}",
        *FAST,
        "optimizer=sgd",
        "optimizer.lr=1e38",
        "batch_size=4",
    )
    assert code == 1
    assert "The loss is" in err
    assert "optimizer.lr" in err
    assert len([line for line in err.splitlines() if line.startswith("  ")]) == 4, err  # the images of that batch
    assert not (tmp_path / "run" / "bundle").exists()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried …"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize(
    ("step", "keys", "message"),
    [
        ("training_step", ("batch_size=6",), "batch_size=1. Pass a smaller data.image_size"),
        ("training_step", ("batch_size=1",), "batch_size=1. Pass a smaller data.image_size"),
        (
            "validation_step",
            ("features.mode=live", "features.batch_size=8"),
            "features.batch_size=8. Pass features.batch_size=4",
        ),
    ],
)
def test_a_full_memory_is_told_with_the_way_out(cli, photos, tmp_path, monkeypatch, error, step, keys, message):
    from ajuste_fino.classifier import Classifier

    def full(self, *_):
        raise error

    monkeypatch.setattr(Classifier, step, full)
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST, *keys)
    assert code == 1
    assert f"The memory is full with {message}" in err.splitlines()[-1]


def test_a_full_memory_while_features_are_computed_is_told_as_well(cli, photos, tmp_path, monkeypatch, own_cache):
    from ajuste_fino.features.extractor import Extraction

    monkeypatch.setattr(Extraction, "__call__", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("out of memory")))
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST, "features.batch_size=8")
    assert (code, "Pass features.batch_size=4." in err, (tmp_path / "run").exists()) == (1, True, False), err


def test_another_error_stays_what_it_is():
    from ajuste_fino.memory import tell_when_full

    with pytest.raises(RuntimeError, match="shapes"), tell_when_full("batch_size", 4):
        raise RuntimeError("shapes do not match")


def test_a_backbone_that_moves_fails_the_run(cli, photos, tmp_path, monkeypatch):
    from ajuste_fino.classifier import Classifier

    def meddle(self):
        next(self.body.backbone.parameters()).data.add_(1e-6)

    monkeypatch.setattr(Classifier, "on_train_epoch_end", meddle)
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST, "features.mode=live")
    assert code == 1
    assert "changed during the run" in err
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_the_best_epoch_is_kept(run):
    rows = [row for row in read_csv(run[0] / "metrics.csv") if row["val/loss"]]
    losses = [float(row["val/loss"]) for row in rows]
    assert metrics(run[0])["epoch"] == 1 + losses.index(min(losses))
    assert not any(math.isnan(loss) for loss in losses)
