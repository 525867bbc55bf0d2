import zipfile
from dataclasses import replace

import pytest

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.content import ImageBytes
from ajuste_fino.data.hashing import hash_files
from ajuste_fino.data.history import History
from ajuste_fino.data.manifest import load_eval
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan import scan
from ajuste_fino.data.split import write_split
from ajuste_fino.files import sha256
from ajuste_fino.predict import no_progress
from tests.conftest import draw_folder


def sample(name, split="", label="a"):
    return Sample(ImageBytes(b"", name), f"elsewhere/{name}.png", label, split, sha256=name)


def history(folder, **splits):
    write_split(folder / "split.csv", [sample(name, split) for split, names in splits.items() for name in names])
    return History.of(folder)


def unseen(known, names):
    given = [sample(name) for name in names]
    samples = known.unseen(given)
    findings = known.findings(given, samples)
    return "".join(one.sha256 for one in samples), known.split_of(samples), [str(finding) for finding in findings]


@pytest.mark.parametrize(
    ("names", "left", "split", "said"),
    [
        ("123456", "56", "test", "holds 4 of 6 images that the run was trained on or chose its epoch by"),
        ("56", "56", "test", None),
        ("5", "5", "eval", None),
        ("1789", "789", "eval", "holds 1 of 4 images"),
        ("12567", "567", "eval", "What is evaluated on: 3 other images."),
        ("4", "4", "eval", "holds 1 of 1 image that the run"),
        ("1122", "1122", "eval", "how well it learnt them"),
        ("789", "789", "eval", None),
        ("", "", "eval", None),
    ],
)
def test_images_that_a_run_learnt_from_do_not_judge_it(tmp_path, names, left, split, said):
    found = unseen(history(tmp_path, train="123", val="4", test="56"), names)
    assert found[:2] == (left, split)
    assert said is None if not found[2] else said in found[2][0]


def test_without_a_test_split_the_validation_split_judges(tmp_path):
    known = history(tmp_path, train="123", val="45")
    assert unseen(known, "12345")[:2] == ("45", "val")
    assert "chose its epoch" not in unseen(known, "12345")[2][0]


def test_an_image_under_another_label_is_not_the_split_that_was_set_aside(tmp_path):
    known = history(tmp_path, train="12", val="3", test="45")
    assert known.split_of([sample("4"), sample("5", label="b")]) == "eval"


def test_a_bundle_in_a_run_folder_knows_its_images_and_one_elsewhere_none(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "config.yaml").touch()
    known = history(tmp_path, train="12", val="3", test="4")
    assert History.of(tmp_path / "bundle") == known
    assert unseen(History.of(tmp_path / "elsewhere" / "bundle"), "1234")[:2] == ("1234", "eval")


@pytest.mark.parametrize("run", ["bundle", "models", "deep/bundle"])
def test_a_table_beside_a_model_that_is_in_no_run_folder_is_not_its_history(tmp_path, run):
    (tmp_path / run).mkdir(parents=True)
    history(tmp_path, train="12", val="3", test="4")
    assert History.of(tmp_path / run) == History(unknown="does not say which they are")


def test_a_table_that_is_not_the_one_of_the_run_tells_nothing(tmp_path):
    known = history(tmp_path, train="12", val="3", test="4")
    table = tmp_path / "split.csv"
    written = sha256(table)
    assert History.of(tmp_path, written) == known
    good = table.read_bytes()
    for bad in (good.replace(b",", b";"), good[:-20], good.upper(), good.replace(b"test", b"TEST"), b"", good + b"\n"):
        table.write_bytes(bad)
        assert "split.csv is not as the run wrote it" in unseen(History.of(tmp_path, written), "1")[2][0]
    table.unlink()
    assert "the model does not say which they are" in unseen(History.of(tmp_path, written), "1")[2][0]


@pytest.mark.parametrize(("base", "whole"), [("", True), ("runs/one/", True), ("", False)])
def test_a_zip_file_of_a_whole_run_knows_its_images(tmp_path, base, whole):
    known = history(tmp_path, train="12", val="3", test="4")
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
        archive.writestr(f"{base}bundle/SHA256SUMS", "")
        if whole:
            archive.write(tmp_path / "split.csv", f"{base}split.csv")
    assert History.of(tmp_path / "run.zip", sha256(tmp_path / "split.csv")).learnt == (known.learnt if whole else frozenset())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"file,label,split\n1.png,a,test\n", "no column sha256: an older version wrote the run"),
        ("file,label,split\n1.png,niño,test\n".encode("latin-1"), "no column sha256"),
        ("niño;split\n".encode("latin-1"), "not the table that a run writes"),
        (b"image,set\n1.png,test\n", "not the table that a run writes"),
        (b"file;label;split;sha256\n", "not the table that a run writes"),
        ("file,label,split\n".encode("utf-16"), "not the table that a run writes"),
        (b"", "not the table that a run writes"),
    ],
)
def test_of_a_table_that_is_not_a_run_s_nothing_is_known_and_that_is_said(tmp_path, content, why):
    (tmp_path / "split.csv").write_bytes(content)
    left, split, said = unseen(History.of(tmp_path), "12")
    assert (left, split, len(said)) == ("12", "eval", 1)
    assert why in said[0]


def test_a_column_more_does_not_hide_the_history(tmp_path):
    known = history(tmp_path, train="12", test="3")
    lines = (tmp_path / "split.csv").read_text().splitlines()
    (tmp_path / "split.csv").write_text("".join(f"{line},x\n" for line in lines))
    assert History.of(tmp_path) == known


@pytest.mark.parametrize(
    ("judging", "split", "said"),
    [
        ("456", "test", "What is evaluated on: the run's test split, 3 images."),
        ("46", "eval", "What is evaluated on: 2 of the 3 images of the run's test split."),
        ("4568", "eval", "What is evaluated on: 4 other images."),
    ],
)
def test_what_is_said_and_how_metrics_are_called_follow_from_what_could_be_decoded(tmp_path, judging, split, said):
    known = history(tmp_path, train="12", val="3", test="456")
    samples = [sample(name) for name in judging]
    findings = known.findings([sample(name) for name in "1345678"], samples)
    assert known.split_of(samples) == split
    assert said in str(findings[0])


@pytest.mark.parametrize("damaged", [True, False])
def test_a_set_aside_image_that_is_skipped_makes_it_a_part_of_the_test_split(tmp_path, damaged):
    root = draw_folder(tmp_path / "photos", each=3)
    if damaged:
        (root / "1" / "00.png").write_bytes(b"no image")
    samples, _ = hash_files(scan(root).samples, 0, no_progress)
    write_split(tmp_path / "split.csv", [replace(one, split="train" if "02" in one.file else "test") for one in samples])
    known = History.of(tmp_path)
    config = DataConfig(root, on_bad_image="skip", max_skipped=0.5)
    manifest = load_eval(config, known, 0, no_progress)
    name, said = ("eval", "5 of the 6 images of the run's test split") if damaged else ("test", "test split, 6 images")
    assert known.split_of(manifest.samples) == name
    assert said in manifest.warnings[0]
