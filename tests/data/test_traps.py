"""One folder for each trap, and the finding that names it."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from ajuste_fino.data import traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.decoding import decode_all
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.errors import UserError
from ajuste_fino.predict import no_progress
from tests.conftest import draw, draw_folder, shapes


def found(root, **options):
    """Findings by trap."""
    inspection = inspect_folder(DataConfig(root, **options), 0, no_progress)
    inspection = inspection.with_decoded(decode_all(inspection.samples, 0, no_progress, False)).with_splits()
    return {one.trap: one for one in traps.findings(inspection, traps.AUDIT)}


def hidden(root):
    (root / ".ipynb_checkpoints").mkdir()
    shutil.copy(root / "1" / "00.png", root / ".ipynb_checkpoints" / "00-checkpoint.png")
    (root / "1" / "._00.png").write_bytes(b"\0\5\x16\7")


def loop(root):
    (root / "1" / "again").symlink_to(root)
    (root / "back").symlink_to(root, target_is_directory=True)
    (root / "twin").symlink_to(root / "2")


def outside(root):
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    draw(0, 99).save(elsewhere / "a.png")
    (root / "1" / "linked.png").symlink_to(elsewhere / "a.png")


def truncated(root):
    buffer = io.BytesIO()
    draw(0, 50, 200).save(buffer, "JPEG")
    (root / "1" / "cut.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])


def disguised(root):
    draw(0, 50).save(root / "1" / "really.jpg", "PNG")


def strip(root):
    draw(0, 50, 400).crop((0, 0, 400, 40)).save(root / "1" / "strip.png")
    draw(0, 51, 9).save(root / "1" / "tiny.png")


def transparent(root):
    draw(0, 50).convert("RGBA").save(root / "1" / "clear.png")
    draw(0, 51).convert("CMYK").save(root / "1" / "print.tif")


def lonely(root):
    (root / "3").mkdir()
    draw(2, 77).save(root / "3" / "00.png")


def text(root):
    (root / "1" / "x.jpg").write_text("<html>")


def empty_file(root):
    (root / "1" / "x.jpg").touch()


def pipe(root):
    os.mkfifo(root / "1" / "pipe.png")


def two_labels(root):
    shutil.copy(root / "1" / "00.png", root / "2" / "x.png")


def copied(root):
    shutil.copy(root / "1" / "00.png", root / "1" / "x.png")


def cases(root):
    (root / "1").rename(root / "A")
    draw_folder(root, ("a",))


def many(root):
    draw_folder(root, ("1",), 200)


TRAPS = [
    # what is planted, the trap's name, its level, a part of what is said, files that are named
    (
        lambda root: (root / "1" / "x.jpg").write_text("<html>"),
        "undecodable files",
        "error",
        "cannot be trained on",
        ["1/x.jpg"],
    ),
    (truncated, "undecodable files", "error", "cannot be trained on", ["1/cut.jpg", "truncated"]),
    (empty_file, "unreadable files", "error", "cannot", ["1/x.jpg", "empty file"]),
    (
        lambda root: os.mkfifo(root / "1" / "pipe.png"),
        "unreadable files",
        "error",
        "cannot",
        ["pipe.png", "not a regular file"],
    ),
    (lambda root: (root / "1" / "gone.png").symlink_to("nowhere"), "unreadable files", "error", "cannot", ["gone.png"]),
    (lambda root: (root / "1" / "notes.txt").touch(), "files that are no images", "error", "cannot", ["notes.txt"]),
    (disguised, "disguised formats", "warning", "another format", ["1/really.jpg: PNG"]),
    (lambda root: (root / "3").mkdir(), "empty classes", "error", "none of 3", []),
    (lonely, "one-image classes", "warning", "only one image of 3", []),
    (lonely, "absent from val", "warning", "no image of 3", []),
    (hidden, "hidden entries", "warning", "hidden", [".ipynb_checkpoints", "1/._00.png"]),
    (lambda root: (root / "readme.md").touch(), "stray files", "warning", "no class folder", ["readme.md"]),
    (loop, "links to folders", "warning", "not followed", ["1/again", "back", "twin"]),
    (outside, "links out", "warning", "leads out of it", ["1/linked.png"]),
    (cases, "names by case", "warning", "case", ["A, a"]),
    (lambda root: None, "names by number", "note", "2 comes before 10", []),
    (
        lambda root: shutil.copy(root / "1" / "00.png", root / "2" / "x.png"),
        "two labels",
        "error",
        "cannot",
        ["1/00.png", "2/x.png"],
    ),
    (
        lambda root: shutil.copy(root / "1" / "00.png", root / "1" / "x.png"),
        "copies within a split",
        "warning",
        "once",
        ["x.png"],
    ),
    (many, "imbalance", "warning", "macro F1", []),
    (strip, "odd sizes", "note", "of unusual size", ["strip.png: 400 × 40", "tiny.png"]),
    (transparent, "odd modes", "note", "most of them RGB", ["RGBA: 1, such as 1/clear.png", "CMYK"]),
]


@pytest.mark.parametrize(("plant", "trap", "level", "said", "files"), TRAPS, ids=[row[1] for row in TRAPS])
def test_a_trap_is_named(photos, plant, trap, level, said, files):
    plant(photos)
    one = found(photos)[trap]
    assert one.level == level
    assert said in one.sentence
    assert all(any(file in line for line in one.files) for file in files), one.files


def test_a_clean_folder_has_no_trap(tmp_path):
    assert not found(draw_folder(tmp_path, ("a", "b")))


LAYOUTS = [
    (["photos/train/a/1.png", "photos/test/a/2.png"], "lies above the splits"),
    (["1.png"], "must hold images"),
    (["train/a/1.png", "other/b/1.png"], "side by side"),
]


@pytest.mark.parametrize(("files", "text"), LAYOUTS)
def test_a_layout_that_is_none(tmp_path, files, text):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(UserError, match=text):
        found(tmp_path)


def in_splits(root, each=(30, 10, 10)):
    for split, count in zip(("train", "val", "test"), each, strict=True):
        for label in range(2):
            (root / split / "ab"[label]).mkdir(parents=True)
            for n in range(count):
                shapes(label, n + 1000 * len(split)).save(root / split / "ab"[label] / f"{n}.png")
    return root


def test_twenty_exact_copies_across_splits_are_found(tmp_path):
    root = in_splits(tmp_path)
    for n in range(20):
        shutil.copy(
            root / "train" / "ab"[n % 2] / f"{n}.png", root / ("val" if n % 3 else "test") / "ab"[n % 2] / f"copy{n}.png"
        )
    one = found(root)["copies across splits"]
    assert one.level == "error"
    assert len(one.files) == 20
    assert "near copies across splits" not in found(root)


def test_images_stored_anew_are_found_across_splits_and_under_two_labels(tmp_path):
    root = in_splits(tmp_path)
    rng = np.random.default_rng(0)
    for n in range(20):
        image = Image.open(root / "train" / "ab"[n % 2] / f"{n}.png")
        scaled = image.resize([round(side * rng.uniform(0.4, 1.5)) for side in image.size])
        suffix = ("jpg", "webp", "png")[n % 3]
        scaled.save(root / "test" / "ab"[(n + n // 15) % 2] / f"copy{n}.{suffix}", quality=int(rng.integers(30, 95)))
    there = found(root)
    near = there["near copies across splits"]
    assert near.level == "warning"
    assert 18 <= len(near.files) <= 20
    assert all("copy" in pair for pair in near.files)
    assert 4 <= len(there["near copies under two labels"].files) <= 5


def test_a_class_that_a_split_lacks(tmp_path):
    root = in_splits(tmp_path)
    shutil.rmtree(root / "val" / "b")
    assert "no image of b" in found(root)["absent from val"].sentence
    shutil.rmtree(root / "train" / "b")
    assert found(root)["absent from train"].level == "error"


def test_errors_are_told_together(photos):
    (photos / "1" / "notes.txt").touch()
    (photos / "1" / "x.jpg").write_text("no")
    (photos / "3").mkdir()
    with pytest.raises(UserError, match=r"(?s)x\.jpg.*notes\.txt.*none of 3"):
        traps.refuse(list(found(photos).values()))


def test_flat_and_tiny_images_are_not_alike(tmp_path):
    for split in ("train", "val", "test"):
        for label in "ab":
            (tmp_path / split / label).mkdir(parents=True)
            for n in range(3):
                shade = len(split) * 40 + n * 3 + ord(label) % 2
                Image.new("RGB", (64, 64), (shade, 0, 0)).save(tmp_path / split / label / f"{n}.png")
                draw(0, shade, 8).save(tmp_path / split / label / f"small{n}.png")
    assert not any(trap.startswith("near") for trap in found(tmp_path))
