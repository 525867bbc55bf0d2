import os
import random
import shutil
import zlib

import pytest
import torch
from PIL import Image

from ajuste_fino.data import decoding
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.decoding import decode_all
from ajuste_fino.data.history import History
from ajuste_fino.data.info import ImageInfoCache
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.manifest import Manifest, load_eval, load_manifest
from ajuste_fino.data.split import write_split
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.predict import no_progress
from tests.conftest import draw, draw_folder


def prepared(root, seed=0, **options):
    return load_manifest(DataConfig(root, seed=seed, **options), 0, no_progress)


def test_labels_are_sorted_as_people_count_and_the_split_is_stratified(photos):
    table = prepared(photos)
    assert table.labels == ["1", "2", "10"]
    counts = {(s.label, s.split): 0 for s in table.samples}
    for sample in table.samples:
        counts[sample.label, sample.split] += 1
    assert counts == {(label, split): n for label in table.labels for split, n in (("train", 8), ("val", 2), ("test", 2))}
    assert table.targets(table.split("test")) == [0, 0, 1, 1, 2, 2]


def test_a_image_keeps_its_side_when_files_are_renamed_and_copied(photos, tmp_path):
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
    ("word", "message"), [("valid", None), ("tset", "unknown split; got tset"), ("", "for every image or for none")]
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


def test_too_few_images_for_a_validation_split(tmp_path):
    with pytest.raises(UserError, match="too few images for a validation split"):
        prepared(draw_folder(tmp_path, each=2))
    assert len(prepared(tmp_path, test=0).split("val")) == 3


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
        ("stranger", "not an image by its name"),
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


def test_a_class_without_images(photos):
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
    assert table.targets(table.split("test")) == [1, 1, 2, 2]
    assert any("val split has no image of c" in w for w in table.warnings)
    assert any("test split has no image of a" in w for w in table.warnings)


def test_train_and_test_alone_get_a_validation_split_out_of_train(tmp_path):
    table = prepared(splits(tmp_path, train="ab", test="ab"))
    assert {split: len(table.split(split)) for split in ("train", "val", "test")} == {"train": 2, "val": 2, "test": 4}


def test_the_same_image_in_two_splits_is_an_error(tmp_path):
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
    real = decoding.read_image
    monkeypatch.setattr(decoding, "read_image", lambda one, *rest: (decoded.append(one.content.path), real(one, *rest))[1])
    prepared(photos)
    assert len(decoded) == 36
    (photos / "1" / "00.png").rename(photos / "1" / "renamed.png")
    Image.new("RGB", (5, 5)).save(photos / "1" / "01.png")
    prepared(photos)
    assert [path.name for path in decoded[36:]] == ["01.png"]


def test_workers_find_the_same(tmp_path):
    root = draw_folder(tmp_path, each=30)
    (root / "1" / "bad.jpg").write_text("no")
    many = load_manifest(DataConfig(root, on_bad_image="skip", max_skipped=0.5), 2, no_progress)
    assert many.samples == prepared(root, on_bad_image="skip", max_skipped=0.5).samples
    assert len(many.skipped) == 1


def test_images_to_judge_by_are_the_test_split_or_all(photos, tmp_path):
    assert len(load_eval(DataConfig(photos), History(), 0, no_progress).split("test")) == 36
    root = splits(tmp_path / "s", train="ab", test="ab")
    assert [s.file.split("/")[0] for s in load_eval(DataConfig(root), History(), 0, no_progress).samples] == ["test"] * 4


def test_an_image_under_two_labels_or_twice_judges_as_it_trains(photos):
    (photos / "2" / "same.png").write_bytes((photos / "1" / "00.png").read_bytes())
    (photos / "1" / "again.png").write_bytes((photos / "1" / "01.png").read_bytes())
    with pytest.raises(UserError, match="the same image under several labels: 1, 2"):
        load_eval(DataConfig(photos), History(), 0, no_progress)
    manifest = load_eval(DataConfig(photos, on_bad_image="skip", max_skipped=0.5), History(), 0, no_progress)
    assert len(manifest.samples) == 36
    assert any("has 1 image more than once" in warning for warning in manifest.warnings)


@pytest.mark.parametrize(
    "load", [lambda c: load_manifest(c, 0, no_progress), lambda c: load_eval(c, History(), 0, no_progress)]
)
def test_a_table_with_a_split_for_some_is_refused_by_its_lines(photos, load):
    (photos / "t.csv").write_text("file,label,split\n1/00.png,1,train\n2/00.png,2,\n2/01.png,2,val\n")
    with pytest.raises(UserError, match=r"(?s)t.csv must give a split for every image or for none.*line 3: 2/00.png"):
        load(DataConfig(photos / "t.csv"))


class Reader:
    """Asks for pixels of all images, and remembers of which it got any."""

    def __init__(self, root, **options):
        self.config, self.files = DataConfig(root, **options), []
        self.pixels = (Preprocessing(32, 32, squash=True), LoaderConfig(torch.device("cpu"), 1, 0, no_progress))

    def __call__(self):
        inspection = inspect_folder(self.config, 0, no_progress)
        names = {sample.sha256: sample.file for sample in inspection.samples}
        with ImageInfoCache() as known:
            wanted = [content for content in names if content not in known]
        stream = decode_all(inspection.samples, 0, no_progress, self.config.strict, self.pixels, wanted)
        return Manifest.of(inspection.with_decoded(self._noted(stream, names)).with_splits())

    def _noted(self, stream, names):
        for decoded in stream:
            if decoded.pixels is not None:
                self.files += [names[content] for content in (*decoded.infos, *decoded.bad)]
            yield decoded


def test_after_the_first_bad_file_the_rest_is_decoded_without_pixels(photos, own_cache):
    """A run that will stop anyway stops soon, and tells all that is bad."""
    (photos / "1" / "03x.png").write_text("no")
    (photos / "10" / "11x.png").write_text("neither")
    read = Reader(photos)
    with pytest.raises(UserError, match=r"(?s)03x\.png.*11x\.png"):
        read()
    assert read.files[-1] == "1/03x.png"
    read = Reader(photos, on_bad_image="skip", max_skipped=0.1)
    read()
    assert read.files == ["1/03x.png", "10/11x.png"]  # the others are known by now


def test_what_names_and_contents_show_is_said_before_anything_is_decoded(photos, own_cache, monkeypatch):
    (photos / "3").mkdir()
    monkeypatch.setattr(decoding, "read_image", None)
    with pytest.raises(UserError, match="none of 3"):
        load_manifest(DataConfig(photos), 0, no_progress)


def test_a_damaged_record_of_infos_is_no_obstacle(photos, own_cache):
    first = prepared(photos)
    record = next(own_cache.rglob("image-infos-*.txt"))
    record.write_bytes(record.read_bytes()[:500] + b"\xff\n" + record.read_bytes()[700:])
    assert prepared(photos).samples == first.samples
