import json
import os

import pytest
from PIL import Image

from ajuste_fino import load
from ajuste_fino.data.images import BadImage
from ajuste_fino.errors import UserError
from ajuste_fino.files import read_csv
from ajuste_fino.predict import device


def table(run):
    return read_csv(run[0] / "predictions_test.csv")


def test_the_loaded_model_reproduces_the_table_of_the_run(run):
    rows = table(run)
    root = run[0].parent / "photos"
    predictions = load(run[0]).predict([root / row["file"] for row in rows], top_k=3)
    for row, one in zip(rows, predictions, strict=True):
        assert one.label == row["predicted"]
        assert one.probability == pytest.approx(float(row["probability"]), abs=2e-6)
        assert dict(one.top) == pytest.approx({k[2:]: float(v) for k, v in row.items() if k[:2] == "p:"}, abs=2e-6)


def test_a_path_a_text_and_a_image_give_the_same(run):
    _, model = run
    path = run[0].parent / "photos" / "1" / "00.png"
    first = model.predict(path)
    assert model.predict(str(path)) == first == model.predict(Image.open(path))
    assert [one.probability for one in model.predict([path, path])] == pytest.approx([first.probability] * 2, abs=1e-6)
    assert model.predict([]) == []
    assert len(model.predict(path, top_k=2).top) == 2


def test_what_is_no_image_is_an_error(run, tmp_path):
    (tmp_path / "x.jpg").write_text("no")
    with pytest.raises(BadImage, match="none of JPEG"):
        run[1].predict(tmp_path / "x.jpg")


def test_the_command_from_another_directory(run, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos = run[0].parent / "photos"
    code, out, _ = cli("predict", f"run={run[0]}", f"images={photos}", "csv=t.csv", "json=t.json", "workers=0")
    assert code == 0
    assert "00.png" in out
    rows = read_csv(tmp_path / "t.csv")
    assert len(rows) == len(json.loads((tmp_path / "t.json").read_text())) == 36
    assert sorted(os.listdir(tmp_path)) == ["t.csv", "t.json"]  # and no run folder


def test_a_list_and_a_bad_file_among_good_ones(run, cli, tmp_path):
    (tmp_path / "x.jpg").write_text("no")
    good = run[0].parent / "photos" / "2" / "00.png"
    code, out, err = cli(
        "predict", f"run={run[0] / 'bundle'}", f"images=[{good},{tmp_path / 'x.jpg'}]", f"csv={tmp_path / 't.csv'}"
    )
    assert code == 2
    assert "1 of 2 files" in err
    assert "x.jpg" in err
    assert len(read_csv(tmp_path / "t.csv")) == 1


def test_an_empty_folder_and_no_run_are_told(run, cli, tmp_path):
    code, _, err = cli("predict", f"run={run[0]}", f"images={tmp_path}")
    assert (code, "must hold at least one image" in err) == (2, True)
    code, _, err = cli("predict", f"run={tmp_path}", f"images={run[0].parent}")
    assert (code, "must be a run folder, a bundle or a zip file of one" in err) == (2, True)


def test_devices():
    assert device("cpu").type == "cpu"
    with pytest.raises(UserError, match="trainer.accelerator"):
        device("abacus")
