"""Where the images of a run are."""

from pathlib import Path

from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.sample import Sample
from ajuste_fino.files import existing, read_csv
from ajuste_fino.runs.saved import read


def images_of(run: Path, root: str | None) -> dict[str, Sample]:
    """A run's images by their names, each to be read only as the one it was; they need not be there any more.

    Args:
        root: where they are now, if not where they were.
    """
    data = read("run", run / "config.yaml")["data"]
    if root is not None:
        place = existing("data.root", root)
    else:
        place = digits_folder() if data.get("name") == "digits" else Path(data["root"])
    base = place.parent if place.is_file() else place
    rows = read_csv(run / "split.csv")
    return {r["file"]: Sample(ImageFile(base / r["file"]), r["file"], r["label"], r["split"], r["sha256"]) for r in rows}
