"""What a folder of images is read without: folders that this program wrote, what systems leave; and what cannot be read."""

import os
from contextlib import nullcontext

import pytest

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.folder import images_below
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.data.scan import scan
from ajuste_fino.errors import UserError
from ajuste_fino.predict import no_progress
from tests.data.folders import classes, fill, found

# what this program writes into the files by which its folders are known
OURS = {
    "config.yaml": "trust: []\nout: runs/1\ndata:\n  name: folder\n  on_bad_image: error\nworkers: null\n",
    "split.csv": "file,label,split,sha256\na/0.png,a,train,0f\n",
    "audit.json": '{\n  "root": "photos",\n  "images": 9,\n  "classes": {},\n  "findings": []\n}\n',
    "SHA256SUMS": f"{'0f' * 32}  model.safetensors\n{'0f' * 32}  bundle.json\n",
    "multirun.csv": "run,overrides,val/accuracy\n",
    "compare.csv": "run,overrides,val/accuracy\n",
    "journal.log": '{"op_code":0,"worker_id":"1","study_name":"sweep","directions":[2]}\n',
    "trials.csv": "trial,val/accuracy,optimizer.lr\n",
    "claim.json": '{\n  "name": "relu",\n  "claim": "so",\n  "verdict": "pass",\n  "checks": []\n}\n',
}
THEIRS = {"config.yaml": "model: resnet\nout: 3\n", "audit.json": "{}", "multirun.csv": "a,b\n", "claim.json": '{"name": 1}'}
RESULTS = [
    ("config.yaml", "metrics.json"),
    ("config.yaml", "log.txt"),
    ("config.yaml", "log.txt", "split.csv"),
    ("config.yaml", "audit.json"),
    ("bundle.json", "SHA256SUMS"),
    ("trials.csv", "search.png", "trials/1/config.yaml"),
    ("journal.log",),
    ("multirun.csv", "multirun.png", "1/config.yaml"),
    ("compare.csv", "differences.csv", "compare.png"),
    ("claim.json", "figure.png"),
]


def results(folder, *files, contents=OURS):
    for file in (*files, "plots/confusion.png"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(contents.get(file, ""))


@pytest.mark.parametrize("contents", [THEIRS, {}])
@pytest.mark.parametrize("files", RESULTS)
def test_folders_with_such_names_that_another_program_wrote_are_classes(tmp_path, files, contents):
    results(fill(tmp_path, "a", "b", "c") / "c", *files, contents=contents)
    assert {label for label, _ in classes(tmp_path)} == {"a", "b", "c"}
    assert "folders of results" not in found(tmp_path)


def test_a_pipe_called_as_a_file_of_a_run_is_not_waited_for(tmp_path):
    os.mkfifo(fill(tmp_path, "a", "b") / "b" / "config.yaml")
    (tmp_path / "b" / "log.txt").touch()
    assert scan(tmp_path).classes == {"a", "b"}


@pytest.mark.parametrize("unread", ["1.psd", "1.dng"])
def test_a_class_of_images_that_are_not_read_is_not_passed_over_for_a_run_in_it(tmp_path, unread):
    results(fill(tmp_path, "a", "b") / "c" / "run", "config.yaml", "log.txt")
    (tmp_path / "c" / unread).write_text("")
    assert "none of c" in str(found(tmp_path)["empty classes"])


@pytest.mark.parametrize("files", RESULTS)
@pytest.mark.parametrize("place", ["runs/1", "eval", "a/out", "deep/er/r"])
def test_folders_that_this_program_wrote_are_passed_over_and_named(tmp_path, place, files):
    results(fill(tmp_path, "a", "b") / place, *files)
    assert classes(tmp_path) == {("a", ""), ("b", "")}
    (named,) = found(tmp_path)["folders of results"].files
    assert place.startswith(named)


def test_a_figure_beside_the_runs_makes_no_class_of_them(tmp_path):
    results(fill(tmp_path, "a", "b", "runs") / "runs/1", "config.yaml", "metrics.json")
    assert classes(tmp_path) == {("a", ""), ("b", "")}


def test_a_class_may_be_called_runs(tmp_path):
    assert classes(fill(tmp_path, "runs", "eval", "audit", "walks")) == {(n, "") for n in ("runs", "eval", "audit", "walks")}


def test_a_folder_of_results_alone_is_said(tmp_path):
    results(tmp_path / "runs/1", "config.yaml", "metrics.json")
    with pytest.raises(UserError, match="nothing but folders that this program wrote"):
        scan(tmp_path)


@pytest.mark.parametrize("label", ["b", "deep"])
@pytest.mark.parametrize("verb", ["scan", "images"])
def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch, label, verb):
    fill(tmp_path, "a/deep", "b")
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith(label):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=rf"{label} cannot be read \(Permission denied\)"):
        (scan if verb == "scan" else images_below)(tmp_path)


def test_a_folder_of_which_only_the_names_can_be_read_is_named(tmp_path, monkeypatch):
    fill(tmp_path, "a", "b")
    scandir = os.scandir

    class Closed:
        name, path = "0.png", str(tmp_path / "b" / "0.png")

        def is_dir(self):
            return False

        def stat(self, follow_symlinks=True):
            raise PermissionError(13, "Permission denied", self.path)

    monkeypatch.setattr(os, "scandir", lambda path: nullcontext([Closed()]) if os.fspath(path).endswith("b") else scandir(path))
    with pytest.raises(UserError, match=r"b cannot be read \(Permission denied\)"):
        scan(tmp_path)


def test_a_link_that_leads_in_a_circle_is_a_file_that_cannot_be_read(tmp_path):
    fill(tmp_path, "a", "b")
    (tmp_path / "a" / "round.png").symlink_to("round.png")
    inspection = inspect_folder(DataConfig(tmp_path), 0, no_progress)
    assert [bad.path for bad in inspection.bad["unreadable files"]] == ["a/round.png"]


CLUTTER = [
    *("@eaDir", "@EADIR", ".Trash", ".Trash-1000", "lost+found", "#recycle", "$RECYCLE.BIN", "$Recycle.Bin", "@Recycle"),
    *("__pycache__", "__MACOSX", ".AppleDouble", ".@__thumb", "@__thumb", ".picasaoriginals", "node_modules"),
    *("Previews.lrdata", "System Volume Information"),
]
FILES = [
    "Thumbs.db",
    "thumbs.db",
    "desktop.ini",
    "Desktop.ini",
    "Icon\r",
    "._0.png",
    "ehthumbs.db",
    ".picasa.ini",
    "Picasa.ini",
]


@pytest.mark.parametrize("name", ["recycler", "RECYCLER", "node_modules", "Temporary Items"])
@pytest.mark.parametrize("file", ["1.png", "1.psd"])
def test_a_word_of_systems_that_may_be_a_class_is_one_where_it_holds_images(tmp_path, name, file):
    fill(tmp_path, "a", "b", f"{name}/S-1-5-21")
    assert scan(tmp_path).classes == {"a", "b"}
    (tmp_path / name / file).write_text("")
    assert scan(tmp_path).classes == {"a", "b", name}


@pytest.mark.parametrize("place", ["", "a", "a/deep"])
def test_what_systems_leave_is_passed_over_and_named(tmp_path, place):
    fill(tmp_path, "a/deep", "b")
    fill(tmp_path / place, *(f"{name}/0.png" for name in CLUTTER))
    for name in FILES:
        (tmp_path / place / name).write_text("")
    assert classes(tmp_path) == {("a", ""), ("b", "")}
    assert len(scan(tmp_path).samples) == 8
    assert not scan(tmp_path).non_images and not scan(tmp_path).stray
    inside = [f"{place}/{name}".lstrip("/") for name in CLUTTER + FILES]
    assert set(found(tmp_path)["hidden entries"].files) == set(inside)
    images, others = images_below(tmp_path)
    assert len(images) == 8
    assert {one.path for one in others} == set(inside)


def test_prediction_passes_over_folders_of_results_below_but_not_the_one_that_is_given(tmp_path):
    results(fill(tmp_path, "a") / "runs/1", "config.yaml", "metrics.json")
    assert [path.parent.name for path in images_below(tmp_path)[0]] == ["a"] * 4
    assert [path.name for path in images_below(tmp_path / "runs" / "1")[0]] == ["confusion.png"]


def test_folders_without_end_are_refused(tmp_path):
    fill(tmp_path, "a", "b/" + "/".join("x" * 120))
    with pytest.raises(UserError, match="more than 100 levels deep"):
        scan(tmp_path)


@pytest.mark.parametrize(
    ("folders", "name"), [(["a", "b"], "bird"), (["a", "b"], "v1.2"), (["train/a", "train/b"], "train/bird")]
)
def test_a_class_that_is_a_broken_link_is_refused(tmp_path, folders, name):
    (fill(tmp_path, *folders) / name).symlink_to("/not/mounted/bird")
    with pytest.raises(UserError, match=rf"leads nowhere.*{name} → /not/mounted/bird"):
        scan(tmp_path)
    assert len(images_below(tmp_path)[0]) == 8


@pytest.mark.parametrize("name", ["readme.txt", "list.csv", ".hidden", "a/0.jpg"])
def test_a_broken_link_that_is_no_class_is_not_refused(tmp_path, name):
    (fill(tmp_path, "a", "b") / name).symlink_to("/not/mounted")
    assert scan(tmp_path).classes == {"a", "b"}
