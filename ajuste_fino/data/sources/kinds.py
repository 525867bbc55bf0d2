"""The kinds of sources, and which of them a file is by its name."""

from pathlib import PurePath

from ajuste_fino.errors import UserError

KINDS = ("folder", "parquet", "webdataset")
ENDINGS = {"parquet": (".parquet", ".parq", ".pq"), "webdataset": (".tar",)}


def kind_of_file(name: str) -> str:
    """`parquet` or `webdataset`; "" for any other file."""
    return next((kind for kind, endings in ENDINGS.items() if name.lower().endswith(endings)), "")


def refuse_archive(root: object) -> None:
    """Refuse a file of another source where a CSV is wanted.

    Raises:
        UserError: where it is one.
    """
    if kind := kind_of_file(PurePath(str(root)).name):
        raise UserError("data.root", "must be a folder or a CSV with data=folder", got=root, fix=f"Pass data={kind}.")
