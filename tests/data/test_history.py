import pytest

from ajuste_fino.data.content import ImageBytes
from ajuste_fino.data.history import History
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.split import write_split


def sample(name, split="", label="a"):
    return Sample(ImageBytes(b"", name), f"elsewhere/{name}.png", label, split, sha256=name)


def history(folder, **splits):
    write_split(folder / "split.csv", [sample(name, split) for split, names in splits.items() for name in names])
    return History.of(folder)


def unseen(known, names):
    samples, findings = known.unseen([sample(name) for name in names])
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
    known = history(tmp_path, train="12", val="3", test="4")
    assert History.of(tmp_path / "bundle") == known
    assert unseen(History.of(tmp_path / "elsewhere" / "bundle"), "1234") == ("1234", "eval", [])
