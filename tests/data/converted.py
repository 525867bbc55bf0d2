"""The images of a folder, as other sources have them: `python -m tests.data.converted FOLDER OUT parquet|webdataset`."""

import io
import json
import sys
import tarfile
from pathlib import Path

from ajuste_fino.data.names import natural


def rows(root, split=""):
    """(class, file) of a folder of classes, or of one of its splits, in the order in which a scan finds them."""
    files = (Path(root) / split).glob("*/*")
    order = sorted(files, key=lambda file: (natural(file.parent.name), natural(file.name)))
    return [(file.parent.name, file) for file in order]


def splits_of(root):
    return [name for name in ("train", "validation", "test") if (Path(root) / name).is_dir()] or [""]


def as_parquet(root, out, shards=2, group=5, named=True):
    """HF's files: an image as {bytes, path}, a label as the number of a class, whose names are in the metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    out.mkdir(parents=True, exist_ok=True)
    for split in splits_of(root):
        there = rows(root, split)
        names = sorted({label for label, _ in there})  # whose numbers are in another order than labels are counted
        label = {"_type": "ClassLabel", "names": names} if named else {"_type": "Value", "dtype": "int64"}
        about = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
        for number in range(shards):
            part = there[len(there) * number // shards : len(there) * (number + 1) // shards]
            columns = {
                "image": [{"bytes": file.read_bytes(), "path": file.name} for _, file in part],
                "label": [names.index(label) for label, _ in part],
            }
            table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(about)})
            name = f"{split or 'data'}-{number:05}-of-{shards:05}.parquet"
            parquet.write_table(table, out / name, row_group_size=group)
    return out


def tar(path, members):
    """A tar archive of (name, content)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return path


def as_tars(root, out, shards=2):
    """Shards of webdataset: an image, and the name of its class beside it."""
    for split in splits_of(root):
        there = rows(root, split)
        for number in range(shards):
            part = there[len(there) * number // shards : len(there) * (number + 1) // shards]
            members = [
                (f"{label}_{file.stem}{ending}", content)
                for label, file in part
                for ending, content in ((file.suffix, file.read_bytes()), (".txt", label.encode()))
            ]
            tar(out / f"{split or 'shard'}-{number:03}.tar", members)
    return out


def upload(folder, url):
    """All files of a folder to an address that fsspec writes to."""
    import fsspec

    files, base = fsspec.core.url_to_fs(url)
    for path in (path for path in Path(folder).rglob("*") if path.is_file()):
        name = f"{base}/{path.relative_to(folder).as_posix()}"
        files.makedirs(name.rpartition("/")[0], exist_ok=True)
        files.pipe_file(name, path.read_bytes())
    return url


if __name__ == "__main__":
    {"parquet": as_parquet, "webdataset": as_tars}[sys.argv[3]](Path(sys.argv[1]), Path(sys.argv[2]))
