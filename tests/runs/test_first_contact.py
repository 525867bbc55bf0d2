"""What is said while a run works, and where it leaves its results."""

import os
import shutil
from pathlib import Path

import pytest

from ajuste_fino import load
from ajuste_fino.callbacks import EpochCSVLogger
from ajuste_fino.files import read_csv
from ajuste_fino.runs import console
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.run_folder import create_run_dir
from tests.conftest import FAST, draw_folder


def test_the_first_line_comes_before_torch(photos, tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from ajuste_fino.runs import command\n"
        f"def load():\n    print('torch' in sys.modules, file=sys.stderr); sys.exit()\n"
        f"command.execute('train', ['data=folder', 'data.root={photos}'], True, load)"
    )
    err = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path).stderr.splitlines()
    assert err[0].startswith(f"Training on {photos}, backbone efficientnet_lite0")
    assert err[-1] == "False"


def test_without_a_terminal_an_epoch_is_a_line_here_and_in_the_log(cli, photos, tmp_path):
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST)
    assert code == 0, err
    for text in (err, (tmp_path / "run" / "log.txt").read_text()):
        assert "Epoch 1 of 2: validation loss" in text
        assert "Epoch 2 of 2: validation loss" in text


def test_metrics_have_a_row_an_epoch_counted_from_one(cli, photos, tmp_path):
    keys = ("data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST)
    code, _, err = cli("train", *keys, "+callbacks.rate._target_=lightning.pytorch.callbacks.LearningRateMonitor")
    assert code == 0, err
    rows = read_csv(tmp_path / "run" / "metrics.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(row["train/loss"] and row["val/loss"] for row in rows)
    assert any(name.startswith("lr") for name in rows[0])


def test_slow_work_without_a_terminal_says_how_far_it_is(monkeypatch, capsys):
    seconds = iter(range(0, 1000, 3))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(seconds))
    console.start_log()
    assert list(console.progress(range(5), 5, "Reading files")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err.splitlines() == [
        "Reading files: 40%, 9 s left",
        "Reading files: 80%, 3 s left",
    ]


def test_warnings_are_said_before_the_images_are_decoded(photos, tmp_path, monkeypatch):
    from ajuste_fino.runs import prepare, train

    (photos / "1" / ".hidden").write_text("")
    said = []
    monkeypatch.setattr(train.log, "warning", said.append)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "decode_all", stop)
    cfg = compose("train", ["data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST])
    with pytest.raises(KeyboardInterrupt):
        train.train(cfg, tmp_path / "run")
    assert any("hidden" in one for one in said)


def test_what_was_said_before_the_folder_was_made_is_in_its_log(cli, photos, tmp_path):
    (photos / "1" / ".hidden").write_text("")
    cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST)
    text = (tmp_path / "run" / "log.txt").read_text()
    assert text.count(".hidden") == 1
    assert "Backbone: embedded" in text


def test_two_runs_of_one_second_get_two_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = compose("train", [])
    first = create_run_dir(Path(cfg.out), cfg)
    cfg = compose("train", [])
    cfg_out = first  # as if the clock stood still
    second = create_run_dir(cfg_out, cfg)
    assert second.name == f"{first.name}_2"
    assert str(second) == cfg.out


def test_run_latest_is_the_model_that_was_finished_last(cli, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = draw_folder(tmp_path / "other", each=2)
    code, _, err = cli("evaluate", "run=latest", f"data.root={root}")
    assert code == 2
    assert "Train first" in err
    for seconds, name in ((2000, "b"), (1000, "a")):
        shutil.copytree(run[0], tmp_path / "runs" / name)
        os.utime(tmp_path / "runs" / name / "bundle" / "SHA256SUMS", (seconds, seconds))
    code, _, err = cli("evaluate", "run=latest", f"data.root={root}", "workers=0", "out=e")
    assert code == 0, err
    assert "run=latest is runs/b" in err


def test_a_stop_between_the_checkpoint_and_the_row_of_its_epoch(cli, photos, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(EpochCSVLogger, "log_metrics", stop)
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST)
    assert code == 130, err
    assert "The model of epoch 1" in err
    assert load(tmp_path / "run").labels == ["1", "2", "10"]


def test_an_unwritable_cache_names_the_way_out(cli, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    keys = ("data=folder", f"data.root={photos}", *FAST)
    code, _, err = cli("train", *keys, f"out={tmp_path / 'run'}")
    assert (code, (tmp_path / "run").exists()) == (2, False)
    assert "XDG_CACHE_HOME" in err
    code, _, err = cli("train", *keys, f"out={tmp_path / 'live'}", "features.mode=live")
    assert code == 0, err
    assert "XDG_CACHE_HOME" in err


def test_a_link_onto_itself_is_a_file_that_cannot_be_read(cli, photos, tmp_path):
    (photos / "1" / "loop.png").symlink_to("loop.png")
    for verb in ("audit", "train"):
        code, out, err = cli(verb, "data=folder", f"data.root={photos}", f"out={tmp_path / verb}")
        assert code == 2
        assert "loop.png" in out + err
        assert "Traceback" not in err
