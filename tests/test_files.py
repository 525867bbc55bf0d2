import errno
import json
import os
import resource
import stat
from contextlib import nullcontext
from pathlib import Path

import pytest

from ajuste_fino import files as module
from ajuste_fino import parquet
from ajuste_fino.errors import UserError, nearest
from ajuste_fino.files import (
    atomic,
    cache_folder,
    existing,
    fingerprint,
    no_pipe,
    read_csv,
    sha256,
    write_bytes,
    write_csv,
    write_json,
    write_text,
)
from ajuste_fino.growing import growing_csv, growing_json, growing_jsonl
from ajuste_fino.parquet import growing_parquet


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.fixture(params=["nameless", "no such files", "no links"])
def system(request, monkeypatch):
    """A system with files without a name, one without, and one whose files cannot be given a name."""
    if request.param == "no such files":
        monkeypatch.delattr(module.os, "O_TMPFILE")
    if request.param == "no links":
        monkeypatch.setattr(module.os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EPERM, "no")))


@pytest.mark.parametrize("old", [None, b"old", b"a longer old content"])
def test_a_file_is_written_whole_with_the_rights_of_a_new_one(tmp_path, system, old):
    path, other = tmp_path / "folder" / "a", tmp_path / "b"
    if old:
        path.parent.mkdir()
        path.write_bytes(old)
    other.touch()
    write_bytes(path, memoryview(b"new"))
    assert (path.read_bytes(), os.listdir(path.parent)) == (b"new", ["a"])
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


class Killed(BaseException):
    """What stands for a kill: nothing of the module catches it, and nothing cleans up after it."""


@pytest.mark.parametrize("old", [None, b"old"])
def test_what_a_kill_leaves(tmp_path, monkeypatch, old):
    """Nothing while the file is written; between two names, where an older file is replaced, a whole copy."""

    def killed(*_, **__):
        raise Killed

    path = tmp_path / "a"
    if old:
        path.write_bytes(old)
    with monkeypatch.context() as during, pytest.raises(Killed):
        during.setattr(module.os, "fsync", killed)
        write_bytes(path, b"new")
    assert os.listdir(tmp_path) == (["a"] if old else [])
    with monkeypatch.context() as between:
        between.setattr(Path, "replace", killed)
        between.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed) if old else nullcontext():
            write_bytes(path, b"new")
    left = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    assert sorted(left.values()) == ([b"new", b"old"] if old else [b"new"])
    assert left["a"] == (old or b"new")


def test_a_full_disk_is_told_with_the_bytes_needed_and_leaves_the_old_file(tmp_path, system):
    write_bytes(tmp_path / "a", b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large \(100,000 bytes needed\): '.*/a'"):
            write_bytes(tmp_path / "a", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ((tmp_path / "a").read_bytes(), os.listdir(tmp_path)) == (b"old", ["a"])


def test_a_link_is_replaced_and_a_folder_is_not(tmp_path, system):
    (tmp_path / "a").symlink_to("elsewhere")
    write_bytes(tmp_path / "a", b"new")
    assert not (tmp_path / "a").is_symlink()
    (tmp_path / "b").mkdir()
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path / "b", b"new")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_pipe_is_refused_where_it_would_be_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", os.devnull):
        with pytest.raises(UserError, match="must be a file or a folder"):
            no_pipe("run", module.Path(path))
    assert no_pipe("run", tmp_path) == tmp_path


def test_csv_cells_that_look_like_formulas_are_escaped_and_come_back(tmp_path):
    rows = [["=cmd|x", "a,b"], ["-1", 'q"uote'], ["+é", "line\nbreak"], ["@x", "'=kept"]]
    write_csv(tmp_path / "t.csv", ("file", "label"), rows)
    assert "\n'=cmd" in (tmp_path / "t.csv").read_text()
    assert [list(row.values()) for row in read_csv(tmp_path / "t.csv")][:3] == rows[:3]


def test_a_growing_csv_is_whole_or_a_part_of_another_name(tmp_path):
    path, part = tmp_path / "t.csv", tmp_path / "t.csv.part"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt) as stop, growing_csv(path, ("file", "label")) as write:
        write(["=cmd|x", 1])
        assert part.read_bytes() == b"file,label\r\n'=cmd|x,1\r\n"  # on disk at once
        raise KeyboardInterrupt
    assert (path.read_text(), stop.value.__notes__) == ("old", [f"{part} has the rows so far."])
    part.unlink()
    with pytest.raises(RuntimeError) as failure, growing_csv(path, ("file",)):
        raise RuntimeError
    assert (os.listdir(tmp_path), hasattr(failure.value, "__notes__")) == (["t.csv"], False)
    with growing_csv(path, ("file",)) as write:
        write(["a"])
    assert (read_csv(path), os.listdir(tmp_path)) == ([{"file": "a"}], ["t.csv"])


WRITERS = {
    "json": (growing_json, lambda path: json.loads(path.read_text())),
    "jsonl": (growing_jsonl, lambda path: [json.loads(line) for line in path.read_text().splitlines()]),
    "parquet": (
        lambda path: growing_parquet(path, {"file": str, "p": float, "new": bool, "top": {"label": str, "p": float}}),
        lambda path: pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist(),
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_growing_records_come_back(tmp_path, kind, count):
    growing, read = WRITERS[kind]
    records = [{"file": f"ñ {n}\n", "p": n / 3, "new": n > 1, "top": [{"label": "=a", "p": 0.5}]} for n in range(count)]
    with growing(tmp_path / "t") as write:
        for record in records:
            write(record)
        assert os.listdir(tmp_path) == ["t.part"]
    assert (read(tmp_path / "t"), os.listdir(tmp_path)) == (records, ["t"])


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_of_growing_records_a_stop_leaves_only_what_can_be_read(tmp_path, kind, stop):
    growing, _ = WRITERS[kind]
    (tmp_path / "t").write_text("old")
    with pytest.raises(stop) as failure, growing(tmp_path / "t") as write:
        write({"file": "a", "p": 1.0, "new": True, "top": []})
        raise stop
    left = ["t", "t.part"] if kind == "jsonl" else ["t"]
    assert (sorted(os.listdir(tmp_path)), (tmp_path / "t").read_text()) == (left, "old")
    assert hasattr(failure.value, "__notes__") == (kind == "jsonl")


def test_growing_json_is_what_is_written_at_once(tmp_path):
    for records in ([], [{"a": 1, "top": {"é": 0.5}}], [{"file": "\udcf1.jpg"}, {"b": [1, {"c": "\n"}]}]):
        write_json(tmp_path / "once", records)
        with growing_json(tmp_path / "grown") as write:
            for record in records:
                write(record)
        assert (tmp_path / "grown").read_bytes() == (tmp_path / "once").read_bytes()


def test_names_that_are_no_unicode_can_be_written_to_all(tmp_path):
    with growing_jsonl(tmp_path / "t.jsonl") as write:
        write({"file": "\udcf1.jpg"})
    assert json.loads((tmp_path / "t.jsonl").read_text()) == {"file": "\udcf1.jpg"}
    table = pytest.importorskip("pyarrow.parquet")
    with growing_parquet(tmp_path / "t.parquet", {"file": str}) as write:
        write({"file": "\udcf1.jpg"})
    assert table.read_table(tmp_path / "t.parquet").to_pylist() == [{"file": "\\udcf1.jpg"}]


def test_a_parquet_file_is_written_in_groups(tmp_path, monkeypatch):
    table = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parquet, "CELLS", 10)
    with growing_parquet(tmp_path / "t", {"a": float, "b": float}) as write:
        for n in range(12):
            write({"a": float(n), "b": 0.0})
    file = table.ParquetFile(tmp_path / "t")
    assert [file.metadata.row_group(n).num_rows for n in range(3)] == [5, 5, 2]


def test_a_binary_file_is_no_csv(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read as a CSV"):
        read_csv(tmp_path / "t.csv")


def test_fingerprint_depends_on_values_not_on_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1, "b": 3})


def test_sha256_of_a_known_file(tmp_path):
    (tmp_path / "abc").write_text("abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_cache_follows_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "ajuste_fino"


def test_a_missing_path_is_told_with_the_part_that_exists(tmp_path):
    with pytest.raises(UserError, match=f"data.root must be an existing path.*exists is {tmp_path}"):
        existing("data.root", tmp_path / "no" / "such")


@pytest.mark.parametrize(("word", "answer"), [("optimzer", "Did you mean optimizer?"), ("zzz", "Known: data, optimizer.")])
def test_nearest(word, answer):
    assert nearest(word, ["optimizer", "data"]) == answer


def test_the_grammar_of_an_error():
    error = UserError("features.pool", "must be 1, 2 or 4", got=3, fix="Pass features.pool=4.")
    assert str(error) == "features.pool must be 1, 2 or 4; got 3. Pass features.pool=4."
    assert error.exit_code == 2


@pytest.mark.parametrize("key", ["data.root", "data.split", "run"])
def test_an_empty_text_is_no_path(key):
    with pytest.raises(UserError, match=f"{key} must name a file or a folder; got an empty text"):
        existing(key, "")


def test_a_path_that_cannot_be_reached_is_told(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(UserError, match=r"can be reached \(Permission denied\)"):
        existing("data.root", tmp_path / "closed" / "photos")
    monkeypatch.undo()
    with pytest.raises(UserError, match="can be reached"):
        existing("data.root", tmp_path / ("x" * 300))


@pytest.mark.parametrize("kind", ["absent", "folder"])
def test_a_csv_that_the_system_does_not_give_is_not_one_of_another_encoding(tmp_path, kind):
    if kind == "folder":
        (tmp_path / "t.csv").mkdir()
    with pytest.raises(UserError, match=r"t.csv cannot be read \((No such file|Is a) .*\). Check that it is there"):
        read_csv(tmp_path / "t.csv")
    (tmp_path / "u.csv").write_bytes(b"a\n\xff\n")
    with pytest.raises(UserError, match="cannot be read as a CSV in UTF-8"):
        read_csv(tmp_path / "u.csv")
