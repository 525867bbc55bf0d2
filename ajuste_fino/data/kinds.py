"""What a file is: by its name where that says something, else by its first bytes."""

import re
from collections import Counter
from collections.abc import Iterable

from ajuste_fino.data.heif import INSTALL, PIP, is_installed
from ajuste_fino.signatures import AVIF, HEIC, JPEG_2000, by_first_bytes

PILLOWS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000")
FORMATS = (*PILLOWS, "HEIF")  # in Pillow's words; the last is read by a library of its own
_NAMES = {
    "JPEG": "jpg jpeg jpe jfif jif jfi pjpeg pjp mpo",
    "PNG": "png apng",
    "GIF": "gif",
    "BMP": "bmp dib",
    "TIFF": "tif tiff",
    "WEBP": "webp",
    "PPM": "ppm pgm pbm pnm pfm",
    "AVIF": "avif avifs",
    "JPEG2000": "jp2 j2k jpf jpx j2c jpc",
    "HEIF": "heic heif hif",
}
FORMAT_OF = {f".{suffix}": format for format, suffixes in _NAMES.items() for suffix in suffixes.split()}
SUFFIXES = tuple(FORMAT_OF)


def _suffixes(names: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in names.split())


# images of formats that are not read
FOREIGN = _suffixes(
    "heics heifs jxl psd psb xcf kra svg svgz eps ai ico icns tga pcx exr hdr dcm nii "
    "fits jxr wdp raw dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw 3fr erf kdc mrw x3f rwl iiq gpr"
)
UNFINISHED = _suffixes("part partial crdownload opdownload filepart aria2")
BACKUPS = _suffixes("bak backup old orig swp swo")
OTHERS = _suffixes(
    "txt csv tsv json jsonl xml yaml yml toml ini cfg md rst log html htm css js pdf doc docx xls xlsx ppt pptx odt ods rtf "
    "tex py pyc ipynb r m c cpp h java sh bat ps1 sql db sqlite lock url lnk zip tar gz tgz bz2 xz zst 7z rar iso dmg exe "
    "dll so apk jar npy npz pkl pickle pt pth onnx h5 hdf5 safetensors parquet feather arrow mat tfrecord mp4 m4v mov avi "
    "mkv webm wmv flv mpg mpeg 3gp mp3 wav flac ogg m4a aac aae xmp thm srt vtt md5 sha256 sha1 torrent obj stl ply geojson "
    "kml"
)
SILENT = OTHERS | FOREIGN | UNFINISHED | BACKUPS  # suffixes of files that are left out unopened
HEAD = 32  # bytes that tell what a file is

MAGIC = (
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"GIF8[79]a", "GIF"),
    (rb"BM.{12}[\x0c-\xff]\0\0\0", "BMP"),  # with the length of the second header, since many texts begin with BM
    (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "TIFF"),
    (rb"RIFF.{4}WEBP", "WEBP"),
    (rb"P[1-6]\s*#|P[1-6]\s+\d+\s+\d|P[fF]\s+\d+\s+\d", "PPM"),
    (AVIF, "AVIF"),
    (JPEG_2000, "JPEG2000"),
    (HEIC, "HEIF"),
)
TEXTS = (
    (rb"(\xef\xbb\xbf)?\s*(<!--.*)?<(?i:!doctype html|html|head|body)", "an HTML page, perhaps of a failed download"),
    (rb"(\xef\xbb\xbf)?\s*<(svg|\?xml)", "XML or SVG"),
    (rb"(\xef\xbb\xbf)?\s*[\[{]\s*[\"\[{\]}]", "JSON, perhaps the answer of a failed download"),
)
FURTHER = {
    "macOS metadata": " without the image",
    "a Git LFS pointer": "; fetch the file with git lfs pull",
    "a git-annex pointer": "; fetch the file with git annex get",
}
CONVERTED = ("camera RAW", "JPEG XL", "Photoshop", "PostScript", "a PDF", "an icon")


def suffix_of(name: str) -> str:
    """The ending of a file's name, `.jpg`, or ""; folders may have millions of files, and a `Path` of each takes its time."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f"{dot}{ending.lower()}" if stem else ""


def by_name(name: str) -> bool | None:
    """Whether a file is an image by its name; None where the name says nothing, as `frame.0001` and `photo` do not."""
    suffix = suffix_of(name)
    if suffix in FORMAT_OF:
        return FORMAT_OF[suffix] != "HEIF" or is_installed()
    return False if suffix in SILENT or name.endswith("~") else None


def _needs_library(suffix: str) -> bool:
    """Whether files of that suffix are not read because the library is missing that reads them."""
    return FORMAT_OF.get(suffix) == "HEIF" and not is_installed()


def image_format(start: bytes) -> str | None:
    """The format among FORMATS that a file begins as."""
    return _first(MAGIC, start)


def seems(content: bytes) -> str | None:
    """What a content seems to be that is no image, and what to do about it; None where nothing is known of it."""
    start = content[: 16 * HEAD]
    kind = by_first_bytes(start) or _first(TEXTS, start)
    if kind in CONVERTED:
        return f"{kind}, which is not read; convert it to JPEG"
    if kind is None and not content[:HEAD].strip(b"\0"):
        return "nothing but zero bytes" if not content.strip(b"\0") else None
    return f"{kind}{FURTHER.get(kind, '')}" if kind else "text" if _is_text(start) else None


def _first(magic: tuple[tuple[bytes, str], ...], start: bytes) -> str | None:
    return next((kind for pattern, kind in magic if re.match(pattern, start, re.DOTALL)), None)


def _is_text(start: bytes) -> bool:
    return all(32 <= byte < 127 or byte in b"\t\r\n\f" for byte in start)


def unread_files(names: Iterable[str]) -> str:
    """Of some files, those of formats that are not read, `12 HEIC and 1 DNG files, which are not read; …`; "" for none."""
    suffixes = [suffix for name in names if (suffix := suffix_of(name)) in FOREIGN or _needs_library(suffix)]
    count = [f"{number:,} {suffix[1:].upper()}" for suffix, number in Counter(suffixes).most_common()]
    one = len(suffixes) == 1
    verb = "which is not read; convert it to JPEG" if one else "which are not read; convert them to JPEG"
    if any(map(_needs_library, suffixes)):
        verb += f", or for HEIC {PIP}"
    return f"{' and '.join(count)} {'file' if one else 'files'}, {verb}" if count else ""


def why_left_out(name: str) -> str:
    """Why a file of that name is left out; its content may not have been looked at."""
    suffix = suffix_of(name)
    if _needs_library(suffix):
        return f"{suffix[1:].upper()} needs the library pillow-heif; {INSTALL}"
    if suffix in FOREIGN:
        return f"{suffix[1:].upper()} is not read; convert it to JPEG"
    if suffix in UNFINISHED:
        return "an unfinished download by its name"
    if suffix in BACKUPS or name.endswith("~"):
        return "a backup by its name"
    return "not an image by its name" if suffix in OTHERS else "an image neither by its name nor by its first bytes"
