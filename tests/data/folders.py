"""Folders of files that are named as images, and what is found in them."""

from ajuste_fino.data import traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.data.scan import scan
from ajuste_fino.predict import no_progress


def fill(root, *folders, each=4):
    """Images, of which only names and contents are looked at here."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for n in range(each):
            (root / folder / f"{n}.png").write_text(f"{folder} {n}")
    return root


def classes(root):
    """Label and split of each folder of images."""
    return {(sample.label, sample.split) for sample in scan(root).samples}


def found(root):
    """Findings by trap, before anything is decoded."""
    inspection = inspect_folder(DataConfig(root), 0, no_progress).with_splits()
    return {one.trap: one for one in traps.findings(inspection, traps.BEFORE_DECODING)}


def pairs(*splits):
    return {(label, split) for label in ("cat", "dog") for split in splits}
