"""`data.folds` from the command line: mean and spread, and the run as it is without."""

import json
from statistics import mean, stdev

import pytest

from tests.conftest import FAST


def test_folds_report_mean_and_spread_and_leave_the_run_alone(cli, photos, tmp_path):
    keys = ("data=folder", f"data.root={photos}", *FAST)
    assert cli("train", *keys, f"out={tmp_path / 'alone'}")[0] == 0
    code, _, err = cli("train", *keys, f"out={tmp_path / 'folds'}", "data.folds=3")
    assert code == 0, err
    alone, folds = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("alone", "folds"))
    assert folds["test/accuracy"] == alone["test/accuracy"]
    assert (tmp_path / "folds" / "predictions_test.csv").read_text() == (
        tmp_path / "alone" / "predictions_test.csv"
    ).read_text()
    each = [folds[f"folds/{n}/accuracy"] for n in (1, 2, 3)]
    assert folds["folds/accuracy"] == pytest.approx(mean(each))
    assert folds["folds/accuracy_std"] == pytest.approx(stdev(each))
    assert folds["cache/misses"] == 0  # three folds, and not one image through the backbone again
    assert "3 folds: " in err


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["data.folds=1"], "at least 2"),
        (["data.folds=11"], "larger than the number of different images"),
        (["data.folds=3", "features.mode=live"], "needs phases=head and features.mode=cached"),
        (["data.folds=3", "phases=scratch"], "needs phases=head and features.mode=cached"),
    ],
)
def test_folds_that_cannot_be_are_refused(cli, photos, tmp_path, keys, message):
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST, *keys)
    assert code == 2
    assert message in err
