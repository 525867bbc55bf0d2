"""`data.corrections`: labels put right by a table, images left out, and what a table may not say."""

import json

import pytest

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.errors import UserError
from ajuste_fino.files import read_csv, write_csv
from ajuste_fino.own_tables import SUSPECTS
from ajuste_fino.runs.console import progress
from tests.conftest import FAST, draw_folder

HEAD = "file,corrected\n"


def inspected(root, text, tmp_path):
    table = tmp_path / "c.csv"
    table.write_text(text)
    return {sample.file: sample.label for sample in inspect_folder(DataConfig(root, corrections=table), 0, progress).samples}


@pytest.mark.parametrize(
    ("rows", "changed"),
    [
        ("1/00.png,2\n", {"1/00.png": "2"}),
        ("1/00.png,\n1/01.png,10\n", {"1/01.png": "10"}),
        ('1/00.png," 2 "\n./1/02.png,2\n', {"1/00.png": "2", "1/02.png": "2"}),
        ("1/00.png,2\n1/00.png,2\n1/00.png,\n", {"1/00.png": "2"}),
        ("1/00.png,1\n", {}),
        ("gone.png,\n", {}),
        ("1/03.png,remove\n2/03.png,1\n", {"1/03.png": None, "2/03.png": "1"}),
    ],
)
def test_labels_are_put_right_and_images_left_out(photos, tmp_path, rows, changed):
    before = inspected(photos, HEAD + "1/00.png,\n", tmp_path)
    after = inspected(photos, HEAD + rows, tmp_path)
    expected = {file: changed.get(file, label) for file, label in before.items()}
    assert after == {file: label for file, label in expected.items() if label is not None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "1/99.png,2\n", "corrects images that data.root lacks"),
        (HEAD + "1/00.png,3\n", "must correct to a label that there is"),
        (HEAD + "1/00.png,Remove\n", "left out by remove"),
        (HEAD + "1/00.png,2\n1/00.png,10\n", "must correct every file once"),
        (HEAD + "1/00.png,2\n1/00.png,remove\n", "must correct every file once"),
        (f"file,corrected,sha256\n1/00.png,2,{'0' * 64}\n", "have changed since they were looked at"),
        ("file,label\n1/00.png,2\n", "corrected"),
        ("file;corrected\n1/00.png;2\n", "separated by commas"),
        ("", "is empty"),
    ],
)
def test_what_a_table_may_not_say(photos, tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        inspected(photos, text, tmp_path)


def test_a_class_named_remove_makes_the_word_unclear(tmp_path):
    root = draw_folder(tmp_path / "photos", ("remove", "keep"), 4)
    with pytest.raises(UserError, match="must say what is meant by remove"):
        inspected(root, HEAD + "keep/00.png,remove\n", tmp_path)
    assert inspected(root, HEAD + "remove/00.png,keep\n", tmp_path)["remove/00.png"] == "keep"


def test_a_correction_joins_copies_that_lay_under_two_labels(photos, tmp_path):
    (photos / "2" / "copy.png").write_bytes((photos / "1" / "00.png").read_bytes())
    assert "2/copy.png" not in inspected(photos, HEAD + "1/00.png,\n", tmp_path)
    assert inspected(photos, HEAD + "2/copy.png,1\n", tmp_path)["2/copy.png"] == "1"


def test_names_and_labels_that_a_spreadsheet_would_run_come_back(tmp_path):
    root = draw_folder(tmp_path / "photos", ("-1", "=x"), 4)
    rows = [("-1/00.png", "-1", "=x", "0.01", "=x", ""), ("=x/00.png", "=x", "-1", "0.02", "", "")]
    hashes = {s.file: s.sha256 for s in inspect_folder(DataConfig(root), 0, progress).samples}
    table = tmp_path / "suspects.csv"
    write_csv(table, SUSPECTS, [(*row[:-1], hashes[row[0]]) for row in rows])
    found = inspect_folder(DataConfig(root, corrections=table), 0, progress).samples
    assert {s.file: s.label for s in found}["-1/00.png"] == "=x"


def test_a_run_its_evaluation_and_its_resumption_agree(cli, photos, tmp_path):
    table, run = tmp_path / "c.csv", tmp_path / "run"
    table.write_text(HEAD + "1/00.png,2\n1/01.png,remove\n")
    given = ("train", "data=folder", f"data.root={photos}", f"data.corrections={table}", f"out={run}", *FAST)
    code, _, err = cli(*given)
    assert code == 0, err
    labels = {row["file"]: row["label"] for row in read_csv(run / "split.csv")}
    assert labels["1/00.png"] == "2" and "1/01.png" not in labels and len(labels) == 35
    assert cli("evaluate", f"run={run}", f"out={tmp_path / 'e'}")[0] == 0
    scores = [json.loads((folder / "metrics.json").read_text())["test/accuracy"] for folder in (run, tmp_path / "e")]
    assert scores[0] == scores[1]
    given = ("evaluate", f"run={run}", f"data.root={photos}", f"data.corrections={table}", f"out={tmp_path / 'again'}")
    code, _, err = cli(*given)
    assert code == 0 and (tmp_path / "again" / "predictions_test.csv").is_file(), err
    code, _, err = cli("train", f"resume={run}", "epochs=3")
    assert code == 0, err
    table.write_text(HEAD + "1/00.png,10\n1/01.png,remove\n")
    code, _, err = cli("train", f"resume={run}", "epochs=4")
    assert code == 2 and "some have changed" in err
    assert cli("train", f"resume={run}", "data.corrections=null")[0] == 2


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("data.corrections=nowhere.csv",), "data.corrections must be an existing path"),
        (("data.corrections=.",), "data.corrections must be a file"),
        (("data.correction=x.csv",), "Did you mean data.corrections?"),
    ],
)
def test_a_table_that_is_none_is_refused(cli, photos, tmp_path, keys, said):
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *keys)
    assert code == 2 and said in err, err
    assert not (tmp_path / "run").exists()


def test_evaluate_corrects_the_images_of_a_folder_alone(cli, run, tmp_path):
    (tmp_path / "c.csv").write_text(HEAD)
    code, _, err = cli("evaluate", f"run={run[0]}", f"data.corrections={tmp_path / 'c.csv'}", f"out={tmp_path / 'e'}")
    assert code == 2 and "is for the images of data.root" in err
