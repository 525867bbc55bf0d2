import io
import json
import os
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from ajuste_fino import load
from ajuste_fino.data.content import BadImage
from ajuste_fino.data.inputs import sources
from ajuste_fino.errors import UserError
from ajuste_fino.features.cached import CachedFeatures
from ajuste_fino.files import read_csv
from ajuste_fino.predict import device
from tests.conftest import draw, draw_folder


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
    assert "1 file of 2" in err
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


@pytest.fixture
def many(tmp_path, own_cache):
    """75 images and one that is none, and an empty cache."""
    root = draw_folder(tmp_path / "many", each=25)
    (root / "1" / "05.png").write_text("no")
    return root


@pytest.fixture
def computed(monkeypatch):
    """How many images went through the backbone for the cache, call by call."""
    counts = []
    compute = CachedFeatures._compute

    def counting(self, samples, keys, todo):
        counts.append(len(todo))
        return compute(self, samples, keys, todo)

    monkeypatch.setattr(CachedFeatures, "_compute", counting)
    return counts


def test_many_images_are_served_by_the_cache_with_equal_results(run, many, computed):
    images = sources(many)
    plain = [run[1].scores(images[start : start + 25]) for start in (0, 25, 50)]
    assert computed == []
    first, again = (run[1].scores(images, batch_size=8) for _ in range(2))
    assert computed == [75, 1]  # what is no image is looked at again
    assert list(first.bad) == list(again.bad) == [5]
    assert first.positions == again.positions == [n for n in range(75) if n != 5]
    assert torch.equal(first.probabilities, again.probabilities)
    assert torch.allclose(first.probabilities, torch.cat([part.probabilities for part in plain]), atol=1e-6)


def test_what_a_run_computed_is_not_computed_again(many, computed, tmp_path):
    from ajuste_fino import fine_tune

    (many / "1" / "05.png").unlink()
    model = fine_tune(
        many, out=str(tmp_path / "run"), epochs=1, workers=0, **{"backbone": "embedded", "backbone.weights": "none"}
    )
    computed.clear()
    assert len(model.predict(many)) == 74
    assert computed == [0]


def test_a_stop_keeps_rows_and_features_and_says_so(run, many, cli, computed, tmp_path, monkeypatch):
    from ajuste_fino.runs import predict as verb

    def stopping(items, _total, what):
        for n, item in enumerate(items):
            if n == 1 and what == "Extracting features":
                raise KeyboardInterrupt
            yield item

    table = tmp_path / "t.csv"
    table.write_text("old")
    monkeypatch.setattr(verb, "progress", stopping)
    code, _, err = cli("predict", f"run={run[0]}", f"images={many}", f"csv={table}", "probabilities=all", "workers=0")
    assert (code, table.read_text()) == (130, "old")
    assert "features computed so far are kept" in err
    assert f"{table}.part has the rows so far." in err
    rows = read_csv(tmp_path / "t.csv.part")
    assert len(rows) == 63
    assert sum(float(rows[-1][f"p:{label}"]) for label in run[1].labels) == pytest.approx(1, abs=1e-5)
    monkeypatch.undo()
    assert cli("predict", f"run={run[0]}", f"images={many}", f"csv={table}", "workers=0")[0] == 2  # the bad one
    assert len(read_csv(table)) == 74
    assert not (tmp_path / "t.csv.part").exists()


def test_a_few_images_need_no_cache(run, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(run[1].predict(run[0].parent / "photos")) == 36


def test_many_images_without_a_cache_that_can_be_written(run, many, cli, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    code, _, err = cli("predict", f"run={run[0]}", f"images={many}", f"csv={tmp_path / 't.csv'}")
    assert (code, "Set XDG_CACHE_HOME" in err, (tmp_path / "t.csv").exists()) == (2, True, True), err  # one of them is no image


def test_predictions_name_their_files(run):
    root = run[0].parent / "photos" / "1"
    found = run[1].predict([root / "00.png", Image.open(root / "00.png"), root])
    assert [one.file for one in found[:3]] == [str(root / "00.png"), None, str(root / "00.png")]
    assert len(found) == 14


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["csv=/no/such/t.csv"], "csv must be a file in a folder that can be written to"),
        (["json=/dev/null"], "json must be the name of a file"),
        (["csv=00.png"], "csv must be a file of its own"),
        (["csv=t", "json=t"], "csv must be a file of its own"),
        (["jsonl=t", "parquet=t"], "jsonl must be a file of its own"),
        (["parquet=00.png"], "parquet must be a file of its own"),
        (["jsonl=/no/such/t"], "jsonl must be a file in a folder that can be written to"),
        (["probabilities=all"], "Pass csv=FILE as well"),
        (["probabilities=all", "jsonl=t"], "is for the CSV or the Parquet file"),
        (["unknown=some"], "unknown must be true or false"),
        (["probabilities=some", "csv=t"], "must be top or all"),
        (["nothing.png"], "must be an existing path"),
        (["images=[]"], "must name at least one image"),
        (["images=ftp://host/a.png"], "must be on this machine"),
    ],
)
def test_mistakes_are_told_before_the_work(run, cli, monkeypatch, arguments, message):
    monkeypatch.chdir(run[0].parent / "photos" / "1")
    before = sorted(os.listdir())
    images = [] if "images" in arguments[0] else ["images=00.png"]
    code, _, err = cli("predict", "run=/no/run", *images, *arguments)
    assert (code, message in err) == (2, True), err
    assert sorted(os.listdir()) == before


@pytest.fixture
def piped(monkeypatch):
    """A function that gives the command a standard input."""
    return lambda content: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_all_files_have_the_same_and_a_bad_image_stops_none(run, cli, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for n in range(3):
        draw(n, n).save(tmp_path / "deep" / ("er" if n else "") / f"{n}.png")
    (tmp_path / "deep" / "er" / "bad.png").write_text("no")
    files = [f"{key}={tmp_path / f't.{key}'}" for key in ("csv", "json", "jsonl", "parquet")]
    code, out, err = cli("predict", f"run={run[0]}", f"images={tmp_path / 'deep'}", *files, "top=2", "probabilities=all")
    assert (code, "1 file of 4" in err and "bad.png" in err, err.count("Written: ")) == (2, True, 4), err
    records = json.loads((tmp_path / "t.json").read_text())
    assert [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()] == records
    rows, table = read_csv(tmp_path / "t.csv"), parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert len(records) == len(rows) == len(table) == 3
    for row, record, entry in zip(rows, records, table, strict=True):
        assert list(row) == ["file", "label", "probability", "p:1", "p:2", "p:10", "unknown", "distance"]
        assert {one["label"]: one["probability"] for one in entry.pop("top")} == record["top"]
        assert {key: entry[key] for key in record if key != "top"} == {key: record[key] for key in record if key != "top"}
        assert row == {key: f"{value:.6f}" if isinstance(value, float) else str(value) for key, value in entry.items()} | {
            "unknown": str(record["unknown"]).lower()
        }
    assert sorted(os.listdir(tmp_path)) == ["deep", "t.csv", "t.json", "t.jsonl", "t.parquet"]


def test_without_the_library_a_parquet_file_is_refused(run, cli, tmp_path, monkeypatch):
    from ajuste_fino import parquet

    monkeypatch.setattr(parquet, "find_spec", lambda name: None)
    code, _, err = cli("predict", f"run={run[0]}", f"images={run[0].parent / 'photos'}", f"parquet={tmp_path / 't'}")
    assert (code, "pip install 'ajuste-fino[parquet]'" in err, os.listdir(tmp_path)) == (2, True, [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\0"], ids=repr)
@pytest.mark.parametrize("word", ["images=-", "-"])
def test_paths_on_standard_input(run, cli, piped, tmp_path, end, word):
    root = run[0].parent / "photos"
    shutil.copy(root / "1" / "00.png", tmp_path / "[a] = ñ.png")
    paths = [str(tmp_path / "[a] = ñ.png"), str(root / "1"), str(root / "2" / "*1.png")]
    piped((end.join(paths) + end).encode())
    code, _, err = cli("predict", f"run={run[0]}", word, f"csv={tmp_path / 't.csv'}")
    assert code == 0, err
    found = [row["file"] for row in read_csv(tmp_path / "t.csv")]
    assert found == [paths[0], *(f"{root}/1/{n:02}.png" for n in range(12)), f"{root}/2/01.png", f"{root}/2/11.png"]


def test_paths_on_standard_input_among_others(run, cli, piped, tmp_path):
    root = run[0].parent / "photos"
    piped(f"{root}/1/00.png".encode())
    code, _, err = cli("predict", f"run={run[0]}", f"{root}/2/00.png", "-", f"csv={tmp_path / 't.csv'}")
    assert code == 0, err
    assert [row["file"] for row in read_csv(tmp_path / "t.csv")] == [f"{root}/2/00.png", f"{root}/1/00.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "images=- must have a path on standard input"),
        (b"\n\r\n", "images=- must have a path on standard input"),
        (b"\0", "images=- must have a path on standard input"),
        (b"/no/such.png\n", "images must be an existing path; got /no/such.png"),
    ],
)
def test_standard_input_without_images_is_told(run, cli, piped, content, message):
    piped(content)
    code, _, err = cli("predict", f"run={run[0]}", "images=-")
    assert (code, message in err) == (2, True), err


@pytest.mark.parametrize("name", ["a=b.png", "[x].png", "s*r.png", "-x.png", "ñ é.png", "it's.png", "@sum.png"])
def test_images_as_bare_words(run, cli, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    shutil.copy(run[0].parent / "photos" / "1" / "00.png", name)
    shutil.copy(run[0].parent / "photos" / "1" / "01.png", "plain.png")
    code, out, err = cli("predict", name, f"run={run[0]}", "plain.png", "csv=t.csv")
    assert code == 0, err
    assert [row["file"] for row in read_csv(tmp_path / "t.csv")] == [str(tmp_path / name), str(tmp_path / "plain.png")]


def test_more_words_than_a_name_has_letters(run, cli, tmp_path):
    path = run[0].parent / "photos" / "1" / "00.png"
    for words in ([path] * 70, [f"images=[{','.join([str(path)] * 70)}]"]):
        assert cli("predict", f"run={run[0]}", f"csv={tmp_path / 't.csv'}", *words)[0] == 0
        assert len(read_csv(tmp_path / "t.csv")) == 70


def test_pixels_are_what_the_extractor_takes(run):
    model, images = run[1], run[0].parent / "photos" / "1"
    pixels = model.pixels(images)
    assert (pixels.dtype, pixels.shape) == (torch.uint8, (12, 3, 64, 64))
    features = model.extractor(pixels)
    assert torch.allclose(model.extractor(pixels / 255), features, rtol=0.05, atol=0.05)  # in bf16, where it is fast
    assert (model.head(features) / model.temperature).softmax(1)[0].max().item() == pytest.approx(
        model.predict(images)[0].probability, abs=1e-3
    )
    assert model.pixels([]).shape == (0, 3, 64, 64)
    with pytest.raises(UserError, match="must be floats in .0, 1.; got .* Divide by 255"):
        model.extractor(pixels.float())
    with pytest.raises(UserError, match="must be uint8"):
        model.extractor(pixels.int())
    with pytest.raises(UserError, match=r"must have the shape \(N, 3, 64, 64\)"):
        model.extractor(pixels[0])


def test_a_predictor_shows_itself(run):
    text, page = repr(run[1]), run[1]._repr_html_()
    assert text.startswith("Predictor(embedded up to block3, images of 64 px, ")
    assert " on cpu; 3 classes: 1, 2, 10; test accuracy " in text
    assert "<img" in page
    assert f"{run[1].metrics['test/accuracy']:.4g}" in page
    assert load(run[0]).metrics == pytest.approx(run[1].metrics)
    assert repr(load(run[0] / "bundle")).endswith("3 classes: 1, 2, 10)")


def test_labels_are_escaped_on_the_page():
    from ajuste_fino.model_card import ModelCard

    card = ModelCard("net", 8, "fp32", ["<script>", *"abcdefgh"], {"test/accuracy": 0.5}, None)
    assert "<script>" not in card.html()
    assert "&lt;script&gt;, a, b, c, d and 4 more" in card.html()


def test_arrays_and_files_agree(run):
    path = run[0].parent / "photos" / "2" / "03.png"
    by_file, by_array = run[1].predict(path), run[1].predict(np.asarray(Image.open(path)))
    assert by_array == by_file


def test_files_that_a_folder_has_besides_images_are_named(run, cli, tmp_path):
    (tmp_path / "new").mkdir()
    draw(0, 0).save(tmp_path / "new" / "a.png")
    (tmp_path / "new" / "b.dng").write_bytes(b"x")
    code, _, err = cli("predict", f"run={run[0]}", f"images={tmp_path / 'new'}")
    assert code == 0
    assert "1 file in" in err and "b.dng" in err


@pytest.mark.parametrize("top_k", [0, -1, "3", "x.png", True, 2.5, None, [3], float("nan")])
def test_a_number_of_labels_that_is_none_is_refused(run, top_k):
    with pytest.raises(UserError, match=r"top_k must be a whole number of at least 1; got .* Pass for example top_k=3\."):
        run[1].predict(run[0].parent / "photos" / "1" / "00.png", top_k=top_k)


def test_a_number_of_labels_may_be_numpys_and_more_than_there_are(run):
    path = run[0].parent / "photos" / "1" / "00.png"
    assert len(run[1].predict(path, top_k=np.int64(2)).top) == 2
    assert len(run[1].predict(path, top_k=10**30).top) == 3


@pytest.mark.parametrize(
    "images", [5, None, {}, True, object(), [None], lambda: 1, range(3)], ids=lambda one: type(one).__name__
)
def test_what_is_no_kind_of_image_is_refused(run, images):
    for method in (run[1].predict, run[1].pixels):
        with pytest.raises(UserError, match="must be an image or a list of images; got"):
            method(images)


@pytest.mark.parametrize("given", [5, None, "", b"", b"x", [], {}, True], ids=repr)
def test_what_is_no_path_is_no_model(given):
    with pytest.raises(UserError, match="run must be a path; got"):
        load(given)


@pytest.mark.parametrize(
    ("keys", "thing"),
    [({"accelerator": None}, "trainer.accelerator"), ({"accelerator": 5}, "trainer.accelerator"), ({"trust": 5}, "trust")],
)
def test_other_arguments_of_load_are_checked(run, keys, thing):
    with pytest.raises(UserError, match=f"{thing} must be"):
        load(run[0], **keys)


@pytest.mark.parametrize("root", [5, "", b"x", [], {}, True, 2.5], ids=repr)
def test_what_is_no_path_is_no_folder_to_train_on(root):
    from ajuste_fino import fine_tune

    with pytest.raises(UserError, match="The folder must be a path; got"):
        fine_tune(root)


@pytest.mark.parametrize(
    ("key", "value"), [("out", None), ("out", b"x"), ("epochs", "a"), ("epochs", None), ("epochs", object()), ("seed", 2.5)]
)
def test_values_of_the_wrong_type_are_refused_by_name(photos, key, value):
    from ajuste_fino import fine_tune

    with pytest.raises(UserError, match=f"{key} must be"):
        fine_tune(photos, **{key: value})
