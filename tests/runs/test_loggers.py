"""Loggers by name: `metrics.csv` is always written, and the others are made of the same figures."""

import pytest

from ajuste_fino.files import read_csv
from tests.conftest import FAST


@pytest.mark.parametrize("name, package", [("tensorboard", "tensorboard"), ("mlflow", "mlflow"), ("wandb", "wandb")])
def test_each_writes_into_the_run_folder_or_names_what_is_missing(cli, photos, tmp_path, monkeypatch, name, package):
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    code, _, error = cli("train", "data=folder", f"data.root={photos}", *FAST, f"logger={name}", f"out={tmp_path / 'run'}")
    try:
        __import__(package)
    except ImportError:
        assert code == 2 and package in error and f"logger.{name}" in error
        return
    assert code == 0, error
    assert len(read_csv(tmp_path / "run" / "metrics.csv")) == 2
    assert any((tmp_path / "run").rglob({"tensorboard": "events*", "mlflow": "mlflow.db", "wandb": "*.wandb"}[name]))
    assert {path.name for path in tmp_path.iterdir()} - before <= {"run"}  # nothing lies outside of it


def test_a_logger_of_another_class_is_refused(cli, photos):
    code, _, error = cli("train", "data=folder", f"data.root={photos}", "+logger.x._target_=os.system")
    assert code == 2 and "logger.x._target_ must be a class of" in error
