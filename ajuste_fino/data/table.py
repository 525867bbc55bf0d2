"""The images of a table: a CSV of file,label[,split]."""

from pathlib import Path

from ajuste_fino.data.images import ImageFile
from ajuste_fino.data.names import split_named
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.errors import UserError, preview
from ajuste_fino.files import read_csv


def scan_table(table: Path) -> ScanResult:
    """The rows of a CSV; paths are relative to it.

    Raises:
        UserError: where a column is missing, a file is missing, or an image has not one label.
    """
    rows = read_csv(table)
    if rows and not {"file", "label"} <= rows[0].keys():
        fix = "Name the columns file,label or file,label,split."
        raise UserError(str(table), "needs the columns file and label", got=", ".join(rows[0]), fix=fix)
    found = ScanResult(classes={row["label"] for row in rows})
    labels: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if not row["file"] or not row["label"] or labels.setdefault(row["file"], row["label"]) != row["label"]:
            fix = f"Line {number} has no file, no label or a second label for its file."
            raise UserError(str(table), "must give every file one label", fix=fix)
        split = split_named(row.get("split", ""), f"{table} line {number}")
        found.samples.append(Sample(ImageFile(table.parent / row["file"]), row["file"], row["label"], split))
        if Path(row["file"]).is_absolute() or ".." in Path(row["file"]).parts:
            found.outside.append(row["file"])
    _refuse_lists(table, found.classes)
    _refuse_missing(table, found.samples)
    return found


def _refuse_lists(table: Path, labels: set[str]) -> None:
    """A label like `cat|dog` beside `cat` or `cat|bird` is a list of labels."""
    for mark in "|;,":
        lists = [label.split(mark) for label in labels if mark in label]
        parts = [part.strip() for parts in lists for part in parts]
        if lists and (len(set(parts)) < len(parts) or labels & set(parts)):
            got = mark.join(lists[0])
            fix = f"Images of several classes at once are not supported; write the label without '{mark}' if it is one."
            raise UserError(str(table), "must give every file one label", got=got, fix=fix)


def _refuse_missing(table: Path, samples: list[Sample]) -> None:
    missing = [sample.file for sample in samples if not (table.parent / sample.file).exists()]
    if missing:
        hint = f"Paths are relative to the CSV; to give a run's split back, pass data.root=FOLDER data.split={table}."
        fix = f"{hint} Missing:\n{preview(missing)}"
        raise UserError(str(table), "names files that do not exist", got=len(missing), fix=fix)
