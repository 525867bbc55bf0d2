import pytest

from ajuste_fino.errors import UserError
from ajuste_fino.runs.words import gather, protect

KEYS = ["run", "images", "top", "csv"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run=r", "images=a.jpg"], ["run=r", "images=a.jpg"]),
        (["images=[a,b]"], ["images=[a,b]"]),
        (["a.jpg", "run=r", "b c.jpg"], ["run=r", "images=['a.jpg','b c.jpg']"]),
        (["images=a.jpg", "b.jpg"], ["images=['a.jpg','b.jpg']"]),
        (["images=[a,b]", "c"], ["images=[[a,b],'c']"]),
        (["images=a", "images=b"], ["images=['a','b']"]),
        (["imagse=a.jpg"], ["imagse=a.jpg"]),
        (["x=1.jpg", "top=2"], ["top=2", "images=['x=1.jpg']"]),
        (["./top=3.jpg"], ["images=['./top=3.jpg']"]),
        (["it's.jpg"], ["images=['it\\'s.jpg']"]),
    ],
)
def test_bare_words_are_images(tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x=1.jpg").touch()
    assert gather(words, "images", KEYS) == expected


def test_a_file_that_is_called_as_a_key_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "top=3.jpg").touch()
    with pytest.raises(UserError, match=r"Write \./top=3.jpg"):
        gather(["top=3.jpg"], "images", KEYS)


def test_a_file_may_begin_with_a_dash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-x.jpg", "-m"):
        (tmp_path / name).touch()
    assert protect(["-x.jpg", "-m", "-y.jpg"], ["-m"]) == ["./-x.jpg", "-m", "-y.jpg"]
