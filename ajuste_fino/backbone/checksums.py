"""Whether a ZIP file's records are as they were written, by the CRC-32 that it has of each; torch itself does not look."""

import zipfile
import zlib
from pathlib import Path

CHUNK = 2**20  # bytes
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def damaged_record(path: Path) -> str | None:
    """The name of the first record that is not as it was written; None: there is none, or no telling.

    Where no record at all fits its CRC-32, the file was written without them, as torch can do to save time.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _damaged_of(archive)
    except zipfile.BadZipFile:  # another kind of file, with which its reader has its own way
        return None


def _damaged_of(archive: zipfile.ZipFile) -> str | None:
    bad, good = None, False
    for info in archive.infolist():
        if _is_whole(archive, info):
            good = True
        else:
            bad = bad or info.filename
        if bad and good:
            return bad
    return None


def _is_whole(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(info) as record:
            while record.read(CHUNK):
                pass
    except UNREADABLE:
        return False
    return True
