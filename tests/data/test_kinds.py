"""Which files are images: by their names where those say something, else by their first bytes."""

import os

import pytest

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.content import BadImage
from ajuste_fino.data.images import load_image
from ajuste_fino.data.inputs import sources
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.data.kinds import SUFFIXES
from ajuste_fino.data.scan import scan
from ajuste_fino.errors import UserError
from ajuste_fino.predict import no_progress
from tests.conftest import draw
from tests.data.test_traps import found

SAVED = {"JPEG": {}, "PNG": {}, "GIF": {}, "BMP": {}, "TIFF": {}, "WEBP": {}, "PPM": {}, "MPO": {}}
SILENT = ["photo", "frame.0001", "photo.jpg_large", "x.jpg?size=100", "x.tmp", "x.bin", "x.dat", "x.download", "Dr. Who 2"]
KNOWN = ["x.txt", "x.csv", "x.json", "x.pdf", "x.mp4", "x.zip", "x.py", "x.npy", "x.jpg~", "x.jpg.bak", "x.part", "x.NEF"]
FOREIGN = ["x.HEICS", "x.psd", "x.jxl", "x.dng", "x.cr2"]


def put(folder, name, format="JPEG"):
    folder.mkdir(parents=True, exist_ok=True)
    draw(1, len(name)).save(folder / name, format)
    return folder / name


@pytest.mark.parametrize("format", SAVED)
@pytest.mark.parametrize("name", ["photo", "frame.0001"])
def test_content_decides_where_the_name_says_nothing(tmp_path, name, format):
    path = put(tmp_path / "a", name, format)
    put(tmp_path / "b", "1.png", "PNG")
    assert [one.path for one in sources(tmp_path / "a")] == [path]
    assert [sample.file for sample in scan(tmp_path).samples] == [f"a/{name}", "b/1.png"]


@pytest.mark.parametrize("name", SILENT)
def test_names_that_say_nothing(tmp_path, name):
    put(tmp_path, name)
    assert len(sources(tmp_path)) == 1


@pytest.mark.parametrize("name", KNOWN + FOREIGN)
def test_names_of_another_type_are_left_out_unopened_and_said(tmp_path, name, caplog, monkeypatch):
    put(tmp_path, "1.png")
    path = put(tmp_path, name)
    monkeypatch.setattr("ajuste_fino.data.content.ImageFile.start", lambda self: pytest.fail(f"{self} was opened"))
    assert [one.path.name for one in sources(tmp_path)] == ["1.png"]
    assert f"1 file in {tmp_path} left out:\n  {path.name}: " in caplog.text
    assert ("convert it to JPEG" in caplog.text) == (name in FOREIGN or name == "x.NEF")


def test_what_is_no_image_by_its_first_bytes_is_left_out(tmp_path, caplog):
    put(tmp_path, "1.png")
    for name, content in {"README": b"BM is short for", "LICENSE": b"P1 and P2", "empty": b"", "x.001": b"II and MM"}.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to("nowhere")
    assert len(sources(tmp_path)) == 1
    assert "6 files in" in caplog.text
    assert "pipe: not an image by its name, and not a regular file" in caplog.text


def test_what_could_be_converted_is_named_first(tmp_path, caplog):
    put(tmp_path, "1.png")
    for n in range(30):
        (tmp_path / f"{n}.txt").touch()
    (tmp_path / "z.nef").touch()
    sources([tmp_path])
    assert "left out:\n  z.nef: NEF is not read; convert it to JPEG\n" in caplog.text


def test_a_folder_of_heic_alone_says_so(tmp_path, without_heif):
    (tmp_path / "a").mkdir()
    for n in range(12):
        (tmp_path / "a" / f"{n}.HEIC").touch()
    with pytest.raises(UserError, match="12 HEIC files, which are not read; convert them to JPEG"):
        sources(tmp_path / "a")
    with pytest.raises(UserError, match="12 HEIC files, which are not read; convert them to JPEG"):
        scan(tmp_path)


def test_a_class_of_heic_alone_says_so(photos, without_heif):
    (photos / "phone").mkdir()
    for name in ("1.heic", "2.HEIC", "3.dng"):
        (photos / "phone" / name).touch()
    sentence = found(photos)["empty classes"].sentence
    assert "phone holds 2 HEIC and 1 DNG files, which are not read; convert them to JPEG, or for HEIC pip install" in sentence


def test_reasons_of_what_cannot_be_trained_on(photos):
    for name in ("a.dng", "b.txt", "c.crdownload", "d.jpg~"):
        (photos / "1" / name).touch()
    (photos / "1" / "README").write_text("no image")
    bad = inspect_folder(DataConfig(photos), 0, no_progress).bad["files that are no images"]
    assert sorted(one.reason for one in bad) == [
        "DNG is not read; convert it to JPEG",
        "a backup by its name",
        "an image neither by its name nor by its first bytes",
        "an unfinished download by its name",
        "not an image by its name",
    ]


CONTENTS = [
    (b"\0\0\0\x20ftypcrx \0\0\0\0crx isom", "camera RAW, which is not read; convert it to JPEG"),
    (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1", "begins as an AVIF file, but is damaged"),
    (b"\0\0\0\x20ftypisom\0\0\2\0", "a video"),
    (b"%PDF-1.7\n", "PDF"),
    (b"PK\3\4\x14\0", "a ZIP archive"),
    (b"\n <!DOCTYPE html>\n<html>", "an HTML page, perhaps of a failed download"),
    (b"\xef\xbb\xbf<html>", "an HTML page"),
    (b'{"error": "not found"}', "JSON"),
    (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "XML"),
    (b"<svg xmlns=", "SVG"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer"),
    (b"/annex/objects/SHA256E-s1--x.jpg", "a git-annex pointer"),
    (b"404 page not found\n", "text"),
    (bytes(5000), "nothing but zero bytes"),
    (b"\0\5\x16\7\0\2\0\0Mac OS X", "macOS metadata"),
    (b"8BPS\0\1", "Photoshop"),
    (b"%PDF-1.7", "a PDF, which is not read; convert it to JPEG"),
    (b"\x1f\x8b\x08\0", "an archive (gzip)"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"GGUF\3\0\0\0", "a GGUF file"),
    (b"II*\0\x08\0\0\0\0\0", "begins as a TIFF file, but is damaged"),
]


@pytest.mark.parametrize(("content", "said"), CONTENTS, ids=[said for _, said in CONTENTS])
def test_what_a_content_seems_to_be(tmp_path, content, said):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(BadImage) as bad:
        load_image(tmp_path / "x.jpg")
    assert said in str(bad.value)


USUAL = {
    "JPEG": ("x.jfif", "x.jpe", "x.pjpeg", "photo.jpg_large"),
    "MPO": ("x.jpg", "x.mpo"),
    "BMP": ("x.dib",),
    "TIFF": ("x.tiff",),
    "PPM": ("x.pgm", "x.ppm"),
    "PNG": ("x.apng", "x.0001"),
    "WEBP": ("x.webp",),
}


@pytest.mark.parametrize(("name", "format"), [(name, format) for format, names in USUAL.items() for name in names])
def test_usual_names_are_no_disguise(photos, name, format):
    options = {"save_all": True, "append_images": [draw(0, 9)]} if format in ("MPO", "WEBP") else {}
    draw(0, 60).save(photos / "1" / name, format, **options)
    there = found(photos)
    assert "disguised formats" not in there
    assert "files that are no images" not in there


def test_every_suffix_of_an_image_is_looked_for_in_folders(tmp_path):
    for suffix in SUFFIXES:
        (tmp_path / f"x{suffix.upper()}").touch()
    assert len(sources(tmp_path)) == len(SUFFIXES)


def test_links_to_folders_that_are_left_out_are_said(tmp_path, caplog):
    put(tmp_path / "new", "1.png")
    put(tmp_path / "old", "2.png")
    (tmp_path / "new" / "more").symlink_to(tmp_path / "old")
    assert len(sources(tmp_path / "new")) == 1
    assert "more: a link to a folder, which is not followed" in caplog.text
