"""A folder on this machine, or one below a URL that fsspec knows, whose files are whole or absent."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ajuste_fino.errors import AjusteFinoError, UserError
from ajuste_fino.files import write_bytes
from ajuste_fino.places import require_writable, user_path
from ajuste_fino.url import Url, address, is_address

AT_ONCE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")  # stores whose objects appear when they are whole


EXTRAS = {"s3": "'ajuste-fino[s3]'", "s3a": "'ajuste-fino[s3]'", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub"}

_systems: dict[tuple[int, str], Any] = {}  # by process, and protocol with host or bucket


class Storage:
    """Files by their names, such as `about.json` and `parts/1.parquet`.

    Args:
        key: of the configuration, for messages.
        where: a folder, which need not exist, or a URL such as `s3://bucket/features`.

    Raises:
        UserError: where it cannot be reached.
    """

    def __init__(self, key: str, where: str | Path) -> None:
        self.key, self.where = key, str(where)
        self.folder: Path | None = None
        if is_address(where):
            url = address(key, self.where)
            self.system = system(url, key)
            self.root = str(self.system._strip_protocol(url.text)).rstrip("/")
        else:
            self.folder = user_path(key, where).absolute()
            if self.folder.exists() and not self.folder.is_dir():
                raise UserError(key, "must be a folder", got=where, fix="Pass another.")

    def require_writable(self) -> None:
        """Refuse a place that nothing can be written to, before any work is done; a URL by writing to it."""
        if self.folder is not None:
            require_writable(self.key, self.folder)
        else:
            try:
                self._of_url(self.write, ".try", b"1")
                self._of_url(self.remove, ".try")
            except FileNotFoundError as error:
                raise UserError(
                    self.key, f"cannot be written ({error})", got=self.where, fix="Make the bucket first."
                ) from error

    def names(self, below: str = "") -> list[str]:
        """The names of all files in the folder, or in one of its folders, `parts/`; none where there is no such folder."""
        if self.folder is not None:
            folder = self.folder / below
            found = [f"{below}{one.name}" for one in folder.iterdir() if one.is_file()] if folder.is_dir() else []
        else:
            found = [f"{below}{one.rpartition('/')[2]}" for one in self._of_url(self._listed, below)]
        return sorted(name for name in found if not name.rpartition("/")[2].startswith("."))

    def _listed(self, below: str) -> list[str]:
        path = f"{self.root}/{below}".rstrip("/")
        self.system.invalidate_cache()
        try:
            return [one["name"] for one in self.system.ls(path, detail=True) if one["type"] == "file"]
        except FileNotFoundError:
            return []

    def read(self, name: str) -> bytes | None:
        """The content of a file; None: there is none."""
        try:
            if self.folder is not None:
                return (self.folder / name).read_bytes()
            content: bytes = self._of_url(self.system.cat_file, f"{self.root}/{name}")
            return content
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file that is whole or absent, in the place of an older one."""
        if self.folder is not None:
            write_bytes(self.folder / name, content)
            return
        path = f"{self.root}/{name}"
        if self.system.protocol in AT_ONCE or set(self.system.protocol) & set(AT_ONCE):
            self.system.pipe_file(path, bytes(content))
            return
        above, _, own = path.rpartition("/")
        self.system.makedirs(above, exist_ok=True)
        self.system.pipe_file(f"{above}/.{own}.tmp", bytes(content))
        self.system.mv(f"{above}/.{own}.tmp", path)

    def remove(self, name: str) -> None:
        """Remove a file, and the folder that it was the last one of."""
        if self.folder is None:
            self.system.rm_file(f"{self.root}/{name}")
            return
        path = self.folder / name
        path.unlink(missing_ok=True)
        if path.parent != self.folder and not any(path.parent.iterdir()):
            path.parent.rmdir()

    def parquet(self, name: str) -> Any:
        """An open `pyarrow.parquet.ParquetFile`, whose pages are verified as they are read.

        Raises:
            AjusteFinoError: where it is none, or not as it was written.
        """
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile

        try:
            file = str(self.folder / name) if self.folder else self.system.open(f"{self.root}/{name}", "rb", cache_type="none")
            return ParquetFile(file, page_checksum_verification=True)
        except pa.ArrowInvalid as error:
            raise AjusteFinoError(f"{self.where}/{name} is not as it was written: remove it, and start again.") from error

    def _of_url(self, function: Any, *arguments: Any) -> Any:
        """Call it; what a library of the network says becomes a message."""
        try:
            return function(*arguments)
        except FileNotFoundError:
            raise
        except Exception as error:  # each store has errors of its own
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(self.key, f"cannot be reached ({reason})", got=self.where, fix="Check it, and its keys.") from error


def system(url: Url, key: str = "data.root") -> Any:
    """The file system of an address, one for a process, where fsspec would make another for each thread.

    Raises:
        UserError: where its library is missing, or it cannot be had.
    """
    protocol = url.text.partition("://")[0]
    place = (os.getpid(), "/".join(url.text.split("/", 3)[:3]))
    if place not in _systems:
        require_fsspec(key)
        import fsspec

        try:
            _systems[place] = fsspec.core.url_to_fs(url.text)[0]
        except ImportError as error:
            what = EXTRAS.get(protocol, "")
            fix = f"Install it: pip install {what}." if what else str(error)
            raise UserError(f"{protocol}://", "needs a library that is not installed", fix=fix) from error
        except ValueError as error:
            fix = "fsspec knows s3://, gs://, hf://, https:// and others."
            raise UserError(key, f"must be an address that fsspec reads ({error})", got=url, fix=fix) from error
        except Exception as error:  # each file system raises errors of its own
            raise UserError(key, f"cannot be reached ({error})", got=url, fix="Check the address and the network.") from error
    return _systems[place]


def require_fsspec(key: str = "data.root") -> None:
    """Refuse to start what needs the library, if it is not installed.

    Raises:
        UserError: where that is so.
    """
    if find_spec("fsspec") is None:
        fix = "Install it: pip install 'ajuste-fino[remote]', for s3:// 'ajuste-fino[s3]'."
        raise UserError(key, "needs the library fsspec, as it is an address", fix=fix)
