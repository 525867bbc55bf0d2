"""`compare`: several runs in one table and one figure, and the difference on the same images."""

import shutil
from pathlib import Path

import pytest

from ajuste_fino.files import read_csv, write_csv
from ajuste_fino.scores import paired_difference


@pytest.fixture
def two(run, tmp_path):
    """The session's run, and a copy of it that has another learning rate and one image more wrong."""
    other = Path(shutil.copytree(run[0], tmp_path / "other"))
    config = (other / "config.yaml").read_text(encoding="utf-8")
    (other / "config.yaml").write_text(config.replace("  lr: 0.001", "  lr: 0.01"), encoding="utf-8")
    rows = read_csv(other / "predictions_test.csv")
    rows[0]["predicted"] = next(label for label in ("1", "2") if label != rows[0]["label"])
    write_csv(other / "predictions_test.csv", list(rows[0]), [list(row.values()) for row in rows])
    return run[0], other


def test_a_table_a_figure_and_the_difference_image_by_image(two, cli, tmp_path):
    code, out, error = cli("compare", *two, f"out={tmp_path / 'both'}")
    assert code == 0, error
    table = read_csv(tmp_path / "both" / "compare.csv")
    assert [row["run"] for row in table] == ["run", "other"]
    assert [row["overrides"] for row in table] == ["optimizer.lr=0.001", "optimizer.lr=0.01"]
    assert (tmp_path / "both" / "compare.png").is_file()
    rows = read_csv(tmp_path / "both" / "differences.csv")
    images = int(rows[0]["images"])
    share = 1 / images
    assert rows[1]["difference"] == f"{-share:+.4f}"
    assert rows[1]["standard error"] == f"{(share * (1 - share) / images) ** 0.5:.4f}"


def test_runs_that_were_judged_on_other_images_are_not_set_side_by_side(two, cli, tmp_path):
    rows = read_csv(two[1] / "predictions_test.csv")
    write_csv(two[1] / "predictions_test.csv", list(rows[0]), [list(row.values()) for row in rows[1:]])
    code, out, error = cli("compare", *two, f"out={tmp_path / 'both'}")
    assert code == 0 and "judged on other images" in error + out
    assert read_csv(tmp_path / "both" / "differences.csv")[1]["difference"] == "other images"


@pytest.mark.parametrize("others, said", [([], "must name at least two runs"), (["."], "must be folders of finished runs")])
def test_mistakes(run, cli, tmp_path, monkeypatch, others, said):
    monkeypatch.chdir(tmp_path)
    code, _, error = cli("compare", run[0], *others, f"out={tmp_path / 'both'}")
    assert (code, said in error, (tmp_path / "both").exists()) == (2, True, False), error


def test_the_standard_error_is_that_of_mcnemars_test():
    first = dict(enumerate([True] * 6 + [False] * 4))
    second = dict(enumerate([True] * 5 + [False] + [True] * 3 + [False]))
    difference, error = paired_difference(first, second)
    gained, lost, n = 3, 1, 10
    assert difference == pytest.approx(0.2)
    assert error == pytest.approx((gained + lost - (gained - lost) ** 2 / n) ** 0.5 / n)
