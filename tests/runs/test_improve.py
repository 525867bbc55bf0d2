"""`data` and `suggest` from the command line: on runs of every kind, and what they refuse."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from ajuste_fino.files import read_csv
from tests.conftest import FAST, draw_folder

QUICK = ("draws=4", "workers=0", "suspects=5", "thumbnails=20")
pytest.importorskip("cleanlab")


class Page(HTMLParser):
    """What a page has: its tags, and texts of images."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.alts, self.addresses = [], [], []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.alts += [given.get("alt")] if tag == "img" else []
        self.addresses += [given[name] for name in ("src", "href") if name in given]


def report(out):
    return json.loads((out / "data.json").read_text(encoding="utf-8"))


def check_page(page):
    assert page.text.startswith("<!doctype html>") and "prefers-color-scheme: dark" in page.text
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not re.search(r"url\((?!data:|#)|@import|https?://(?!www\.w3\.org)", page.text)
    assert all(page.alts)
    assert "viewport" in page.text


def test_digits_from_end_to_end(cli, tmp_path):
    run, out = tmp_path / "run", tmp_path / "data"
    assert cli("train", f"out={run}", "epochs=3", "workers=0")[0] == 0
    code, _, err = cli("data", f"run={run}", f"out={out}", "draws=4", "workers=0", "thumbnails=50")
    assert code == 0, err
    found = report(out)
    curve = found["learning_curve"]
    assert curve["low"] < curve["twice"] < curve["high"] and 0.9 < curve["now"] < 1
    assert [len(point["accuracies"]) for point in curve["points"]] == [4, 4, 4, 4, 1]
    assert {row["label"] for row in curve["by_class"]} == set("0123456789")
    assert [row["gain"] for row in curve["by_class"]] == sorted((row["gain"] for row in curve["by_class"]), reverse=True)
    assert found["out_of_fold/accuracy"] > 0.9 and len(found["odd"]) == 24
    rows = read_csv(out / "suspects.csv")
    assert 0 < len(rows) <= 120 and {row["corrected"] for row in rows} == {""}
    assert all(row["label"] != row["suggested"] for row in rows)
    tested = {row["sha256"] for row in read_csv(run / "split.csv") if row["split"] == "test"}
    assert not tested & {row["sha256"] for row in rows}
    page = Page(out / "data.html")
    check_page(page)
    assert page.tags.count("circle") == 50
    assert "data.corrections=" in err
    assert (
        cli("train", f"config={run}", f"data.corrections={out / 'suspects.csv'}", f"out={tmp_path / 'n'}", "epochs=1")[0] == 0
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory, cache):
    """Runs of several kinds on the same drawn photographs."""
    from ajuste_fino import fine_tune

    folder = tmp_path_factory.mktemp("kinds")
    root = draw_folder(folder / "photos", each=16)
    kinds = {
        "head": {},
        "logistic": {"head": "logistic"},
        "hidden": {"head.hidden": 8},
        "ensemble": {"ensemble": 3},
        "ladder": {"phases": "ladder", "epochs": 1},
        "live": {"features.mode": "live"},
    }
    for kind, keys in kinds.items():
        given = {"backbone": "embedded", "epochs": 2, "workers": 0, **keys}
        fine_tune(root, out=str(folder / kind), **given)
    return folder


@pytest.mark.parametrize("kind", ["head", "logistic", "hidden", "ensemble", "ladder", "live"])
def test_runs_of_every_kind(cli, runs, tmp_path, kind):
    code, _, err = cli("data", f"run={runs / kind}", f"out={tmp_path / 'd'}", *QUICK)
    assert code == 0, err
    assert ("learnt by heart" in err) == (kind == "ladder")
    assert report(tmp_path / "d")["images"] == {"train": 30, "val": 9}
    unlabelled = draw_folder(tmp_path / "new", ("x",), each=12, first=500)
    code, _, err = cli("suggest", f"run={runs / kind}", unlabelled, f"out={tmp_path / 's'}", "k=5", "workers=0")
    assert code == 0, err
    rows = read_csv(tmp_path / "s" / "suggest.csv")
    assert [row["rank"] for row in rows] == list("12345") and len({row["file"] for row in rows}) == 5
    assert {row["predicted"] for row in rows} <= {"1", "2", "10"}
    check_page(Page(tmp_path / "s" / "suggest.html"))


def test_a_table_of_images_with_groups_and_a_name_that_is_no_plain_text(cli, tmp_path):
    root = draw_folder(tmp_path / "photos", ("a", "<b>&'"), each=10)
    lines = [f'"{p.relative_to(root)}",{p.parent.name},{p.parent.name}{int(p.stem) // 2}' for p in sorted(root.rglob("*.png"))]
    (root / "all.csv").write_text("\n".join(["file,label,person", *lines]))
    run, out = tmp_path / "run", tmp_path / "d"
    keys = ("data=folder", f"data.root={root / 'all.csv'}", "data.group=person")
    code, _, err = cli("train", *keys, f"out={run}", *FAST)
    assert code == 0, err
    code, _, err = cli("data", f"run={run}", f"out={out}", *QUICK, "map=pca")
    assert code == 0, err
    page = Page(out / "data.html")
    check_page(page)
    assert "<b>&'" not in page.text and "&lt;b&gt;&amp;&#39;" in page.text


def test_images_that_moved_are_found_where_one_says_and_others_are_refused(cli, runs, tmp_path):
    run, root = tmp_path / "run", tmp_path / "photos"
    shutil.copytree(runs / "head", run)
    shutil.copytree(runs / "photos", root)
    config = (run / "config.yaml").read_text().replace(str(runs / "photos"), str(tmp_path / "gone"))
    (run / "config.yaml").write_text(config)
    code, _, err = cli("data", f"run={run}", f"out={tmp_path / 'd'}", *QUICK)
    assert code == 2 and "must be where it was" in err and "data.root=FOLDER" in err, err
    assert cli("data", f"run={run}", f"out={tmp_path / 'd'}", f"data.root={root}", *QUICK)[0] == 0
    next(root.glob("1/*.png")).unlink()
    for verb in (("data", *QUICK), ("suggest", f"images={root}", "workers=0")):
        code, _, err = cli(*verb, f"run={run}", f"out={tmp_path / 'e'}", f"data.root={root}")
        assert code == 2 and "files that cannot be used" in err, err
        assert not (tmp_path / "e").exists()


def test_a_bundle_alone_has_no_images(cli, runs, tmp_path):
    shutil.copytree(runs / "head" / "bundle", tmp_path / "bundle")
    for verb in (("data", *QUICK), ("suggest", f"images={runs / 'photos'}", "workers=0")):
        code, _, err = cli(*verb, f"run={tmp_path / 'bundle'}", f"out={tmp_path / 'e'}")
        assert code == 2 and "is a bundle and has no images of its own" in err, err


@pytest.mark.parametrize(
    ("verb", "keys", "said"),
    [
        ("data", ["draws=3"], "draws must be a whole number from 4 to 200"),
        ("data", ["suspects=-1"], "suspects must be"),
        ("data", ["map=tsne"], "map must be pca or umap"),
        ("data", ["thumbnails=0"], "thumbnails must be"),
        ("suggest", ["k=0", "images=."], "k must be"),
        ("suggest", ["images=/nowhere"], "images must be an existing path"),
        ("suggest", [], "images"),
    ],
)
def test_what_is_refused_before_any_work(cli, runs, tmp_path, verb, keys, said):
    code, _, err = cli(verb, f"run={runs / 'head'}", f"out={tmp_path / 'o'}", *keys)
    assert code == 2 and said in err, err
    assert not (tmp_path / "o").exists()


def test_without_cleanlab_the_rest_can_be_had(cli, runs, tmp_path, monkeypatch):
    monkeypatch.setattr("ajuste_fino.insight.suspects.find_spec", lambda name: None)
    code, _, err = cli("data", f"run={runs / 'head'}", f"out={tmp_path / 'o'}", *QUICK)
    assert code == 2 and "ajuste-fino[data]" in err and not (tmp_path / "o").exists()
    code, _, err = cli("data", f"run={runs / 'head'}", f"out={tmp_path / 'o'}", *QUICK, "suspects=0")
    assert code == 0 and not (tmp_path / "o" / "suspects.csv").exists(), err
    assert "Which labels look wrong" not in (tmp_path / "o" / "data.html").read_text()


def test_what_is_known_is_not_suggested_and_what_cannot_be_read_is_said(cli, runs, tmp_path):
    pool = tmp_path / "pool"
    draw_folder(pool, ("x",), each=4, first=900)
    shutil.copy(runs / "photos" / "1" / "00.png", pool / "known.png")
    (pool / "bad.png").write_text("no")
    code, _, err = cli("suggest", f"run={runs / 'head'}", f"images={pool}", f"out={tmp_path / 's'}", "k=5", "workers=0")
    assert code == 2 and "bad.png" in err and "The others are done" in err
    rows = read_csv(tmp_path / "s" / "suggest.csv")
    assert len(rows) == 5 and (rows[-1]["file"] == str(pool / "known.png") or "known" in str(rows))


def test_folders_of_both_verbs_are_no_images_of_a_folder(cli, runs, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(runs / "photos", root)
    assert cli("data", f"run={runs / 'head'}", f"out={root / 'd'}", *QUICK)[0] == 0
    assert cli("suggest", f"run={runs / 'head'}", root, f"out={root / 's'}", "k=2", "workers=0")[0] == 0
    code, out, _ = cli("audit", f"data.root={root}", f"out={tmp_path / 'audit'}", "workers=0")
    assert code == 0 and "48 images of 3 classes" in out
