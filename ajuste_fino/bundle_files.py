"""Find the files of a bundle: in its own folder, in a run folder, or in a zip file of either."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from posixpath import normpath

from ajuste_fino.errors import UserError

SUMS = "SHA256SUMS"  # the file that a bundle is known by, written last
EXPANSION = 20  # times the size of the zip file: weights hardly shrink, so what grows more is not to be read
SMALL = 16 * 2**20  # bytes that may be read whatever the size of the zip file
DEPTH = 2  # folders above a file of a run: `bundle` or `checkpoints`, and that of the run
RULE = "must be a run folder, a bundle or a zip file of one"


def is_of_run(path: Path) -> bool:
    """Whether it is a bundle, the folder of a run, even of one that left no bundle, or a zip file of either."""
    try:
        if path.is_dir():
            return any((path / name).is_file() for name in (SUMS, f"bundle/{SUMS}", "config.yaml"))
        if not path.is_file() or not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return any(_path(name).name == SUMS for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):  # whoever reads it says what is wrong
        return False


def find(path: Path, names: Sequence[str], sums: str) -> tuple[Path, dict[str, bytes]]:
    """Read the bundle's files `names` and `sums`, those that are there; also return the folder they are in.

    Of a zip file, a name may be `../split.csv`: a file of the run that the bundle lies in.

    Raises:
        UserError: where there is no file `sums`, it may not be read, or a zip file is damaged, too large or holds several
            bundles.
    """
    try:
        return _found(path, names, sums)
    except OSError as error:
        fix = "Check its permissions and those of its folder, or copy it."
        raise UserError(str(error.filename or path), f"cannot be read ({error.strerror or error})", fix=fix) from error


def _found(path: Path, names: Sequence[str], sums: str) -> tuple[Path, dict[str, bytes]]:
    if path.is_file():
        return _from_zip(path, (*names, sums), sums)
    for folder in (path, path / "bundle"):
        if (folder / sums).is_file():
            return folder, {name: (folder / name).read_bytes() for name in (*names, sums) if (folder / name).is_file()}
    raise UserError("run", RULE, got=path, fix=_way_out(path, sums))


def _way_out(folder: Path, sums: str) -> str:
    if (folder / "choose.json").is_file():
        return "This is the folder of a choice of backbones; go on with the train command that its choose.json has."
    if (folder / "audit.json").is_file() or ((folder / "metrics.json").is_file() and not (folder / "split.csv").is_file()):
        return "This is the folder of an audit or an evaluation; pass that of a run of train."
    if (folder / "config.yaml").is_file():
        return "This run has no bundle: it was stopped, or failed, before an epoch was kept. Train again."
    runs = [run for run in folder.iterdir() if (run / "bundle" / sums).is_file()]
    if runs:
        newest = max(runs, key=lambda run: (run / "bundle" / sums).stat().st_mtime)
        return f"It holds {len(runs)} run folders; the newest is run={newest}."
    return "A run folder holds bundle/, config.yaml and metrics.json."


def _from_zip(path: Path, names: Sequence[str], sums: str) -> tuple[Path, dict[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            folder = _folder_in(archive, path, sums)
            wanted = [PurePosixPath(normpath(folder / name)) for name in names]
            there = [info for info in archive.infolist() if _path(info.filename) in wanted]
            _refuse_large(path, there)
            return path / folder, {_path(info.filename).name: _content(archive, info) for info in there}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        if path.suffix.lower() != ".zip":
            raise UserError("run", RULE, got=path, fix=_way_up(path, sums)) from error
        raise UserError(
            f"run={path}", f"cannot be read ({error})", fix="Copy it again, or unpack it and pass the folder."
        ) from error


def _folder_in(archive: zipfile.ZipFile, path: Path, sums: str) -> PurePosixPath:
    found = {_path(name).parent for name in archive.namelist() if _path(name).name == sums}
    if len(found) > 1:
        fix = "Unpack it, and pass one of its folders."
        raise UserError(f"run={path}", "must hold one bundle", got=", ".join(sorted(map(str, found))), fix=fix)
    if not found:
        raise UserError("run", RULE, got=path, fix=_way_up(path, sums))
    return found.pop()


def _path(name: str) -> PurePosixPath:
    """The path of a member; some programs of Windows write it with backslashes."""
    return PurePosixPath(name.replace("\\", "/"))


def _way_up(path: Path, sums: str) -> str:
    """The way out for a file: the run it lies in."""
    for folder in path.parents[:DEPTH]:
        if (folder / sums).is_file() or (folder / "bundle" / sums).is_file():
            return f"It is a file of a run: pass run={folder}."
    return "Pass the folder that train wrote, runs/…"


def _refuse_large(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse what would fill the memory."""
    total, limit = sum(info.file_size for info in members), SMALL + EXPANSION * path.stat().st_size
    if total > limit:
        fix = "If you trust it, unpack it and pass the folder."
        raise UserError(f"run={path}", f"must unpack to at most {limit:,} bytes", got=total, fix=fix)


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """What a member's header promises and no more; of the other methods of compression, zipfile unpacks more than that."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RuntimeError("compressed by another method than deflate")
    with archive.open(member) as file:
        return file.read(member.file_size)
