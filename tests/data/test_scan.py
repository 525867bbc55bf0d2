import pytest

from ajuste_fino.data.scan import scan
from ajuste_fino.errors import UserError


def touch(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def seen(root):
    return {(s.file, s.label, s.split) for s in scan(root).samples}


def test_a_folder_a_class(tmp_path):
    touch(tmp_path, "cat/1.jpg", "cat/deep/2.PNG", "dog/1.webp")
    assert seen(tmp_path) == {("cat/1.jpg", "cat", ""), ("cat/deep/2.PNG", "cat", ""), ("dog/1.webp", "dog", "")}


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation"])
def test_folders_of_splits(tmp_path, name):
    touch(tmp_path, "train/a/1.png", f"{name}/a/2.png", "test/a/3.png", "README.md")
    assert {(label, split) for _, label, split in seen(tmp_path)} == {("a", "train"), ("a", "val"), ("a", "test")}


def test_a_csv(tmp_path):
    touch(tmp_path, "x/1.png", "x/2.png")
    (tmp_path / "t.csv").write_text("\ufefffile,label,split\nx/1.png,a,train\nx/2.png,b,validation\n", encoding="utf-8")
    assert seen(tmp_path / "t.csv") == {("x/1.png", "a", "train"), ("x/2.png", "b", "val")}


def test_hidden_files_links_to_folders_and_strangers_are_not_images(tmp_path):
    touch(
        tmp_path,
        "a/1.png",
        "a/._1.png",
        "a/.ipynb_checkpoints/1.png",
        "a/notes.txt",
        ".ipynb_checkpoints/x.png",
        "__MACOSX/y.png",
    )
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found = scan(tmp_path)
    assert [s.file for s in found.samples] == ["a/1.png"]
    assert found.classes == {"a"}
    assert [other.file for other in found.non_images] == ["a/notes.txt"]
    assert found.links == ["a/loop"]
    assert {"a/._1.png", "a/.ipynb_checkpoints", ".ipynb_checkpoints", "__MACOSX"} <= set(found.hidden)


def test_an_empty_class_is_a_class(tmp_path):
    touch(tmp_path, "a/1.png")
    (tmp_path / "b").mkdir()
    assert scan(tmp_path).classes == {"a", "b"}


WRONG = [
    (["photos/train/a/1.png", "photos/test/a/2.png"], "lies above the splits"),
    (["train/a/1.png", "other/b/1.png"], "side by side"),
    (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "two folders for one split"),
    (["valid/a/1.png", "test/a/1.png"], "splits but none for training"),
    (["1.png"], "must hold images"),
    (["a/notes.txt"], "hold no file that ends in"),
]


@pytest.mark.parametrize(("files", "message"), WRONG)
def test_other_layouts_are_told(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        scan(touch(tmp_path, *files))


TABLES = [
    ("name,class\nx.png,a\n", "needs the columns"),
    ("file,label\nx.png,a\nx.png,b\n", "one label"),
    ("file,label\nx.png,cat|dog\ny.png,cat\n", "several classes"),
    ("file,label\nx.png,a;b\ny.png,b;c\n", "several classes"),
    ("file,label,split\nx.png,a,tset\n", "line 2 has an unknown split"),
    ("file,label\nz.png,a\n", "do not exist"),
    ("file,label\n", "no rows"),
]


@pytest.mark.parametrize(("text", "message"), TABLES)
def test_other_tables_are_told(tmp_path, text, message):
    touch(tmp_path, "x.png", "y.png")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        scan(tmp_path / "t.csv")


def test_a_label_may_hold_a_comma(tmp_path):
    touch(tmp_path, "x.png", "y.png")
    (tmp_path / "t.csv").write_text('file,label\nx.png,"hat, red"\ny.png,shoe\n')
    assert {label for _, label, _ in seen(tmp_path / "t.csv")} == {"hat, red", "shoe"}
