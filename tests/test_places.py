import errno
import os
import resource
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from ajuste_fino import places
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.info import ImageInfo, ImageInfoCache
from ajuste_fino.errors import UserError
from ajuste_fino.files import cache_folder, in_cache, writable, write_text
from ajuste_fino.growing import growing_csv
from ajuste_fino.runs.run_folder import require_empty

CFG = OmegaConf.create({"out": "x"})


@pytest.fixture
def odd(tmp_path):
    """Places where nothing can be written, also for root."""
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["file/run", "dangling", "dangling/run", "loop", "n" * 300, "d" * 200 + ("/" + "d" * 200) * 20]
)
def test_a_run_folder_that_cannot_be_is_refused_first(odd, name):
    before = sorted(odd.iterdir())
    with pytest.raises(UserError, match="out must.*Pass out=FOLDER"):
        require_empty(odd / name, CFG)
    assert sorted(odd.iterdir()) == before


@pytest.mark.parametrize("name", ["file/t.csv", "no/t.csv", "n" * 300, ".", "~nobody-of-that-name/t.csv"])
def test_a_table_that_cannot_be_written_is_refused_first(odd, monkeypatch, name):
    monkeypatch.chdir(odd)
    with pytest.raises(UserError, match="csv must"):
        writable("csv", name)


@pytest.mark.parametrize("value", ["", "relative", "./r", "~/c"])
def test_a_cache_that_is_not_absolute_is_that_of_the_home_folder(monkeypatch, tmp_path, value):
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "ajuste_fino"


def test_what_reads_the_cache_goes_on_without_one(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    assert in_cache("*") == []
    with ImageInfoCache() as infos:
        infos.update({"a" * 64: ImageInfo("PNG", "RGB", 1, 1, None, "-")})
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        digits_folder()


def test_a_full_cache_keeps_no_audit_from_its_end(monkeypatch, own_cache):
    from ajuste_fino.data import info

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", str(own_cache / "x"))

    monkeypatch.setattr(info, "write_text", full)
    with ImageInfoCache() as infos:
        infos.update({"a" * 64: ImageInfo("PNG", "RGB", 1, 1, None, "-")})
    assert not (own_cache / "x").exists()


def test_too_little_space_is_told_with_what_is_needed_and_free(monkeypatch, tmp_path):
    monkeypatch.setattr(places, "free_bytes", lambda _: 3 * 2**20)
    with pytest.raises(UserError, match=r"the features: 2\.0 GiB are needed, 3\.0 MiB are free"):
        places.require_space(tmp_path / "not yet", 2**31, "the features", "Make room.")
    places.require_space(tmp_path, 2**20, "the features", "Make room.")


@pytest.mark.parametrize("number", places.FULL)
def test_a_full_disk_names_the_file_and_the_way_out(tmp_path, number):
    error = OSError(number, os.strerror(number))
    with pytest.raises(OSError, match="t.csv") as stop, places.naming(tmp_path / "t.csv"):
        raise error
    told = places.told(stop.value)
    assert str(tmp_path / "t.csv") in told
    assert "out=" in told
    assert "are free on the disk" in told


@pytest.fixture
def small_files():
    """No file may be larger than 4 KiB, as with a quota."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_quota_leaves_the_old_file_whole_and_names_it(tmp_path, small_files):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(OSError, match="a.txt"):
        write_text(tmp_path / "a.txt", "x" * 10_000)
    assert ((tmp_path / "a.txt").read_text(), os.listdir(tmp_path)) == ("old", ["a.txt"])
    with pytest.raises(OSError, match="t.csv.part"), growing_csv(tmp_path / "t.csv", ("file",)) as write:
        for _ in range(1000):
            write(["x" * 100])
    assert not (tmp_path / "t.csv").exists()


def test_a_working_directory_that_is_gone(cli, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    code, _, err = cli("list")
    monkeypatch.chdir(tmp_path)
    assert (code, "The working directory must exist" in err) == (2, True)


@pytest.mark.parametrize("streams", ["PYTHONIOENCODING=ascii", "PYTHONIOENCODING=cp1252", "LC_ALL=C PYTHONUTF8=0", "COLUMNS=0"])
@pytest.mark.parametrize("verb", ["--help", "list", "train --help"])
def test_any_terminal_can_show_it(tmp_path, streams, verb):
    command = f"{streams} {sys.executable} -m ajuste_fino {verb}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout) > 500


@pytest.mark.parametrize(
    ("redirection", "code"),
    [(">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0), ("| true", 141), (">/dev/full", 1), ("| head -1", None)],
)
def test_streams_that_are_closed_or_full(tmp_path, redirection, code):
    command = f"{sys.executable} -m ajuste_fino list {redirection}; echo ${{PIPESTATUS[0]}} >&3"
    done = subprocess.run(["bash", "-c", f"exec 3>code; {command}"], capture_output=True, text=True, cwd=tmp_path)
    found = int((tmp_path / "code").read_text())
    assert found in ((code,) if code is not None else (0, 141))
    assert "Traceback" not in done.stderr
    assert ("No space left" in done.stderr) == (code == 1)
