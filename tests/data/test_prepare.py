import os
import random
import shutil
import zlib

import pytest
from PIL import Image

from ajuste_fino.data import check
from ajuste_fino.data.prepare import prepare, to_judge
from ajuste_fino.data.source import Source
from ajuste_fino.data.split import write_split
from ajuste_fino.errors import UserError
from ajuste_fino.predict import quiet
from tests.conftest import draw, draw_folder


def prepared(root, seed=0, **options):
    return prepare(Source(root, **options), seed, 0, quiet)


def test_labels_are_sorted_as_people_count_and_the_split_is_stratified(photos):
    table = prepared(photos)
    assert table.labels == ["1", "2", "10"]
    counts = {(s.label, s.split): 0 for s in table.samples}
    for sample in table.samples:
        counts[sample.label, sample.split] += 1
    assert counts == {(label, split): n for label in table.labels for split, n in (("train", 8), ("val", 2), ("test", 2))}
    assert table.targets(table.of("test")) == [0, 0, 1, 1, 2, 2]


def test_a_picture_keeps_its_side_when_files_are_renamed_and_copied(photos, tmp_path):
    before = {s.sha256: s.split for s in prepared(photos).samples}
    for path in list((photos / "1").iterdir()):
        path.rename(path.with_name(f"{random.random()}.png"))
    shutil.copy(next((photos / "2").iterdir()), photos / "2" / "copy.png")
    assert {s.sha256: s.split for s in prepared(photos).samples} == before
    assert {s.sha256: s.split for s in prepared(photos, seed=1).samples} != before


def test_a_split_is_given_back(photos, tmp_path):
    first = prepared(photos, seed=3)
    write_split(tmp_path / "split.csv", first.samples)
    (photos / "1" / "new.png").write_bytes((photos / "1" / "00.png").read_bytes() + b"x")
    again = prepared(photos, seed=4, split=tmp_path / "split.csv")
    assert {s.file: s.split for s in again.samples} == {s.file: s.split for s in first.samples}
    assert any("1/new.png" in warning for warning in again.warnings)


@pytest.mark.parametrize(
    ("word", "message"), [("valid", None), ("tset", "unknown split; got tset"), ("", "for every picture or for none")]
)
def test_a_split_that_was_edited(photos, tmp_path, word, message):
    write_split(tmp_path / "split.csv", prepared(photos).samples)
    text = (tmp_path / "split.csv").read_text()
    (tmp_path / "split.csv").write_text(text.replace(",val,", f",{word},"))
    if message:
        with pytest.raises(UserError, match=message):
            prepared(photos, split=tmp_path / "split.csv")
    else:
        assert prepared(photos, split=tmp_path / "split.csv").samples == prepared(photos).samples


def test_too_few_pictures_for_a_validation_split(tmp_path):
    with pytest.raises(UserError, match="too few pictures for a validation split"):
        prepared(draw_folder(tmp_path, each=2))
    assert len(prepared(tmp_path, test=0).of("val")) == 3


def test_a_name_that_is_not_unicode_is_a_bad_file(photos):
    (photos / "1" / os.fsdecode(b"caf\xe9.jpg")).write_bytes((photos / "1" / "00.png").read_bytes())
    with pytest.raises(UserError, match=r"not Unicode"):
        prepared(photos)
    assert len(prepared(photos, on_bad_image="skip", max_skipped=0.1).skipped) == 1


def spoil(root, kind):
    if kind == "text":
        (root / "1" / "x.jpg").write_text("no")
    elif kind == "stranger":
        (root / "1" / "notes.txt").write_text("no")
    elif kind == "two labels":
        shutil.copy(root / "1" / "00.png", root / "2" / "same.png")
    elif kind == "pipe":
        os.mkfifo(root / "1" / "pipe.png")
    return root


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("text", "none of JPEG"),
        ("stranger", "not a picture by its name"),
        ("two labels", "under several labels"),
        ("pipe", "not a regular"),
    ],
)
def test_bad_files_stop_the_run_or_are_skipped_and_named(photos, kind, reason):
    spoil(photos, kind)
    before = sorted(os.listdir(photos / "1"))
    with pytest.raises(UserError, match=reason):
        prepared(photos)
    with pytest.raises(UserError, match="data.max_skipped"):
        prepared(photos, on_bad_image="skip")
    table = prepared(photos, on_bad_image="skip", max_skipped=0.1)
    assert any(reason in str(bad) for bad in table.skipped)
    assert any(reason in warning for warning in table.warnings)
    assert sorted(os.listdir(photos / "1")) == before


def test_a_class_without_pictures(photos):
    (photos / "3").mkdir()
    with pytest.raises(UserError, match="none of 3"):
        prepared(photos)


def test_one_class_is_none(tmp_path):
    with pytest.raises(UserError, match="two classes"):
        prepared(draw_folder(tmp_path, classes=("a",)))


def splits(tmp_path, **classes):
    for split, names in classes.items():
        for n, name in enumerate(names):
            (tmp_path / split / name).mkdir(parents=True)
            for k in range(2):
                draw(n, zlib.crc32(f"{split} {k}".encode())).save(tmp_path / split / name / f"{k}.png")
    return tmp_path


def test_a_class_absent_from_train_is_an_error_and_from_validation_a_warning(tmp_path):
    with pytest.raises(UserError, match="train must hold every class; got none of c"):
        prepared(splits(tmp_path / "one", train="ab", val="abc", test="ab"))
    table = prepared(splits(tmp_path / "two", train="abc", val="ab", test="bc"))
    assert table.labels == ["a", "b", "c"]
    assert table.targets(table.of("test")) == [1, 1, 2, 2]
    assert any("val split has no picture of c" in w for w in table.warnings)
    assert any("test split has no picture of a" in w for w in table.warnings)


def test_train_and_test_alone_get_a_validation_split_out_of_train(tmp_path):
    table = prepared(splits(tmp_path, train="ab", test="ab"))
    assert {split: len(table.of(split)) for split in ("train", "val", "test")} == {"train": 2, "val": 2, "test": 4}


def test_the_same_picture_in_two_splits_is_an_error(tmp_path):
    root = splits(tmp_path, train="ab", val="ab", test="ab")
    shutil.copy(root / "train" / "a" / "0.png", root / "test" / "a" / "leak.png")
    with pytest.raises(UserError, match=r"two splits; got 1 of them.*\n.*leak.png"):
        prepared(root)


@pytest.mark.parametrize(("val", "test"), [(0, 0.2), (0.5, 0.5), (0.2, 1.0), (-0.1, 0.2)])
def test_shares_that_cannot_be(photos, val, test):
    with pytest.raises(UserError, match="fractions"):
        prepared(photos, val=val, test=test)


def test_a_content_found_good_is_not_decoded_again(photos, own_cache, monkeypatch):
    decoded = []
    real = check.read_image
    monkeypatch.setattr(check, "read_image", lambda path, *rest: (decoded.append(path), real(path, *rest))[1])
    prepared(photos)
    assert len(decoded) == 36
    (photos / "1" / "00.png").rename(photos / "1" / "renamed.png")
    Image.new("RGB", (5, 5)).save(photos / "1" / "01.png")
    prepared(photos)
    assert [path.name for path in decoded[36:]] == ["01.png"]


def test_workers_find_the_same(tmp_path):
    root = draw_folder(tmp_path, each=30)
    (root / "1" / "bad.jpg").write_text("no")
    many = prepare(Source(root, on_bad_image="skip", max_skipped=0.5), 0, 2, quiet)
    assert many.samples == prepared(root, on_bad_image="skip", max_skipped=0.5).samples
    assert len(many.skipped) == 1


def test_pictures_to_judge_by_are_the_test_split_or_all(photos, tmp_path):
    assert len(to_judge(Source(photos), 0, quiet).of("test")) == 36
    root = splits(tmp_path / "s", train="ab", test="ab")
    assert [s.file.split("/")[0] for s in to_judge(Source(root), 0, quiet).samples] == ["test"] * 4


class Counting(check.Decoder):
    """A reader that remembers what it read."""

    def __init__(self):
        super().__init__(0, quiet)
        self.read = []

    def __call__(self, samples):
        for sample in samples:
            self.read.append(sample.file)
            yield check.look_at(sample)


def test_after_the_first_bad_file_the_rest_is_only_decoded(photos, own_cache):
    """A run that will stop anyway stops soon, and tells all that is bad."""
    (photos / "1" / "03x.png").write_text("no")
    (photos / "10" / "11x.png").write_text("neither")
    reader = Counting()
    with pytest.raises(UserError, match=r"(?s)03x\.png.*11x\.png"):
        prepare(Source(photos), 0, 0, quiet, reader)
    assert reader.read[-1] == "1/03x.png"
    reader.read.clear()
    prepare(Source(photos, on_bad_image="skip", max_skipped=0.1), 0, 0, quiet, reader)
    assert reader.read == ["1/03x.png", "10/11x.png"]  # the others are known by now


def test_what_names_and_contents_show_is_said_before_anything_is_decoded(photos, own_cache):
    (photos / "3").mkdir()
    reader = Counting()
    with pytest.raises(UserError, match="none of 3"):
        prepare(Source(photos), 0, 0, quiet, reader)
    assert not reader.read


def test_a_damaged_record_of_looks_is_no_obstacle(photos, own_cache):
    first = prepared(photos)
    record = next(own_cache.rglob("looks-*.txt"))
    record.write_bytes(record.read_bytes()[:500] + b"\xff\n" + record.read_bytes()[700:])
    assert prepared(photos).samples == first.samples
