"""Names of files and classes that hold anything: shown as codes, written so that they come back."""

import json
import logging
import sys

import pytest

from ajuste_fino.console import screen
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.escape import quoted
from ajuste_fino.files import read_csv
from ajuste_fino.model_card import ModelCard
from ajuste_fino.runs.console import start_log
from tests.conftest import FAST, draw, draw_folder

LABELS = [
    "'-1",
    "-1",
    "''=A",
    "[red]x",
    "$x$ $",
    "a\nb",
    "\x1b[31mz",
    ":cat:",
    "<b>&",
    "{x} %s",
    "${oc.env:HOME}",
    "\u202ex",
    "_y",
]
linux = pytest.mark.skipif(sys.platform != "linux", reason="names that are not Unicode")


@pytest.fixture(scope="module")
def odd(tmp_path_factory, cache):
    from ajuste_fino import fine_tune

    root = draw_folder(tmp_path_factory.mktemp("odd") / "photos", LABELS, each=3)
    return (
        root,
        root.parent / "run",
        fine_tune(
            root, out=str(root.parent / "run"), epochs=1, workers=0, **{"backbone": "embedded", "backbone.weights": "none"}
        ),
    )


def test_labels_come_back_from_every_file_of_a_run(odd, cli, tmp_path):
    root, run, model = odd
    assert set(model.labels) == set(LABELS)
    assert {row["label"] for row in read_csv(run / "split.csv")} == set(LABELS)
    assert {row["label"] for row in read_csv(run / "predictions_test.csv")} == set(LABELS)
    assert cli("evaluate", f"run={run}", f"out={tmp_path / 'again'}")[0] == 0
    assert read_csv(tmp_path / "again" / "predictions_test.csv") == read_csv(run / "predictions_test.csv")
    again = ("data=folder", f"data.root={root}", f"data.split={run / 'split.csv'}", f"out={tmp_path / 'run'}", *FAST)
    code, _, err = cli("train", *again)
    assert (code, (tmp_path / "run" / "split.csv").read_bytes()) == (0, (run / "split.csv").read_bytes())
    for text in (err, (tmp_path / "run" / "log.txt").read_text(), (run / "split.csv").read_text()):
        assert "\x1b" not in text


def test_what_is_shown_has_no_codes_of_a_terminal(odd, cli, tmp_path):
    root, run, model = odd
    code, out, err = cli("predict", f"run={run}", f"images={root}", f"csv={tmp_path / 't.csv'}", f"json={tmp_path / 't.json'}")
    assert code == 0, err
    assert not {"\x1b", "\u202e"} & set(out)
    assert all(shown in out for shown in ("[red]x", ":cat:", r"a\nb/00.png", r"\x1b[31mz", r"\u202ex"))
    files = {str(root / label / f"{n:02}.png") for label in LABELS for n in range(3)}
    assert {row["file"] for row in read_csv(tmp_path / "t.csv")} == files
    assert {one["file"] for one in json.loads((tmp_path / "t.json").read_text())} == files
    assert "<b>" not in ModelCard("net", 8, "fp32", ["<b>\x1b"], {}, None).html()
    assert "\x1b" not in repr(model)


@linux
def test_files_whose_names_are_not_unicode(run, cli, tmp_path):
    root = draw_folder(tmp_path / "photos", ("1", "2"), each=4)
    (root / "1" / "00.png").rename(root / "1" / "ni\udcf1o.png")
    (root / "a\udcf1o.txt").touch()
    (root / "2" / ".h\udcf1").touch()
    assert cli("audit", f"data.root={root}", f"out={tmp_path / 'audit'}")[0] == 2
    findings = json.loads((tmp_path / "audit" / "audit.json").read_text())["findings"]
    files = [file for finding in findings for file in finding["files"]]
    assert {"1/ni\udcf1o.png: a name that is not Unicode", "a\udcf1o.txt", "2/.h\udcf1"} <= set(files)
    code, out, _ = cli("predict", f"run={run[0]}", f"images={root / '1'}", f"csv={tmp_path / 't.csv'}")
    assert (code, r"ni\udcf1o.png" in out) == (0, True)
    assert str(root / "1" / "ni\udcf1o.png") in {row["file"] for row in read_csv(tmp_path / "t.csv")}
    assert len(read_csv(tmp_path / "t.csv")) == 4


UNSEEN = ["a\u200bb", "x\xa0y", "so\xadft", "bom\ufeff", "tag\U000e0041", " outer ", "back\\slash ", "new\nline", "e\u0301"]


def test_audit_json_has_the_plain_names_and_the_screen_the_codes(cli, tmp_path):
    root = draw_folder(tmp_path / "photos", ("1", "2", "1\u200b"), each=4)
    for name in UNSEEN:
        (root / f".{name}").touch()
        (root / f"{name}.txt").touch()
    code, out, err = cli("audit", f"data.root={root}", f"out={tmp_path / 'audit'}")
    files = {one["trap"]: one["files"] for one in json.loads((tmp_path / "audit" / "audit.json").read_text())["findings"]}
    assert set(files["hidden entries"]) == {f".{name}" for name in UNSEEN}
    assert set(files["stray files"]) == {f"{name}.txt" for name in UNSEEN}
    assert files["names alike"] == ["1, 1\u200b"]
    assert r"'1', '1\u200b'" in out
    assert not {"\u200b", "\xa0", "\xad", "\ufeff", "\U000e0041"} & set(out + err)


@pytest.mark.parametrize("label", ["a\u200bb", " outer", "back\\slash ", "x\xa0y"])
def test_a_finding_shows_a_name_with_one_code_a_sign(label):
    name = quoted(label)
    finding = Finding("trap", "warning", "data.root", f"has {name}", "See:", name, files=[label])
    assert str(finding) == f"data.root has {name}; got {name}. See:\n  {name}"
    assert finding.metadata()["files"] == [label]


@linux
def test_a_class_whose_name_is_not_unicode_is_named(cli, tmp_path):
    root = draw_folder(tmp_path / "photos", ("1", "ni\udcf1o"), each=3)
    code, _, err = cli("train", "data=folder", f"data.root={root}", f"out={tmp_path / 'run'}", *FAST)
    assert (code, (tmp_path / "run").exists()) == (2, False)
    assert r"got ni\udcf1o. Rename that folder" in err


def test_the_log_has_codes_for_what_a_name_brings_along(tmp_path, capsys):
    start_log(tmp_path / "log.txt")
    logging.getLogger("ajuste_fino").warning("see\n  [red]a\x1b[2Jb\udcf1 :cat: %s")
    start_log()
    assert (tmp_path / "log.txt").read_text().endswith("see\n  [red]a\\x1b[2Jb\\udcf1 :cat: %s\n")
    assert "[red]a\\x1b[2Jb\\udcf1 :cat: %s" in capsys.readouterr().err


def test_markup_in_a_title_is_text(capsys):
    from rich.table import Table

    screen(width=60).print(Table("[red]a", title="x[/]:cat:"))
    assert "x[/]:cat:" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["$x$", "$", "a$b", r"a\$", "_x", "x\n\x1b", "ni\udcf1o", "{x}^2", "🐱", "\u202eabc"])
def test_names_are_drawn_as_they_are(tmp_path, name, recwarn):
    from ajuste_fino.report.plots import confusion, plain

    confusion([0, 1], [0, 1], [name, "b"], tmp_path / "c.png", "test")
    assert (tmp_path / "c.png").stat().st_size > 1000
    assert plain(name).replace(r"\$", "").count("$") == 0


def test_a_terminal_that_lacks_signs_loses_nothing(odd, tmp_path, monkeypatch):
    import io

    from ajuste_fino import cli

    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "argv", ["ajuste-fino", "audit", f"data.root={odd[0]}", f"out={tmp_path / 'audit'}"])
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    monkeypatch.setattr(cli, "leave", sys.exit)
    monkeypatch.setattr(cli.gc, "freeze", lambda: None)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    assert (tmp_path / "audit" / "audit.json").is_file()


def test_a_path_that_looks_like_an_interpolation(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE", "elsewhere")
    root = draw_folder(tmp_path / "${oc.env:WHERE}" / "photos", ("1", "2"), each=4)
    runs = tmp_path / "${oc.env:WHERE}"
    monkeypatch.chdir(runs)
    code, _, err = cli("train", "data=folder", f"data.root={root}", "out=run", *FAST)
    assert code == 0, err
    assert cli("evaluate", f"run={runs / 'run'}", f"out={tmp_path / 'again'}")[0] == 0
    assert cli("train", f"config={runs / 'run'}", f"out={tmp_path / 'more'}")[0] == 0
    monkeypatch.setenv("WHERE", str(root))
    assert cli("audit", "data.root=${oc.env:WHERE}", f"out={tmp_path / 'audit'}")[0] == 0  # nothing has that name here


def test_images_that_look_like_interpolations(run, cli, tmp_path, monkeypatch):
    draw(0, 1).save(tmp_path / "${x}.png")
    draw(1, 1).save(tmp_path / "b.png")
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("predict", f"run={run[0]}", "${x}.png", "b.png", "csv=p.csv")
    assert code == 0, err
    assert "${x}.png" in out
    code, _, err = cli("predict", f"run={run[0]}", r"images=[\${x}.png,b.png]")
    assert code == 0, err
