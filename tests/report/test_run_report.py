"""`report.html`: what it says, in both languages, and that nothing from outside can change it."""

import json
import re
import shutil
from pathlib import Path
from string import Formatter

import pytest

from ajuste_fino import texts
from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.sample import Sample
from ajuste_fino.files import read_csv, write_csv, write_json
from ajuste_fino.report import html
from ajuste_fino.report.run_report import PARTS, Extras, write
from ajuste_fino.runs.insight_parts import PARTS as INSIGHTS
from ajuste_fino.texts import LANGUAGES

NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def copy(run, tmp_path):
    """The folder of the session's run, to be changed."""
    return Path(shutil.copytree(run[0], tmp_path / "run"))


def samples(folder, root):
    rows = read_csv(folder / "split.csv")
    return {r["file"]: Sample(ImageFile(root / r["file"]), r["file"], r["label"], r["split"], r["sha256"]) for r in rows}


def change(folder, **values):
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    write_json(folder / "metrics.json", metrics | {key.replace("__", "/"): value for key, value in values.items()})


def words_of(name):
    return {lang: texts.sentences(html.FOLDER / "texts" / f"{name}.{lang}.toml") for lang in LANGUAGES}


def test_train_writes_it(run):
    page = (run[0] / "report.html").read_text(encoding="utf-8")
    accuracy = run[1].metrics["test/accuracy"]
    assert f'<span class="figure">{100 * accuracy:.1f} %</span>' in page
    assert all(f'<section id="{part}"' in page for part in PARTS)
    assert run[1].metrics["frozen/sha256"] in page
    assert "ajuste-fino predict run=" in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)  # nothing is fetched
    assert "seed: 0" in page and json.loads((run[0] / "environment.json").read_text())["torch"] in page


@pytest.mark.parametrize("name", ["page", "report", "data"])
def test_both_languages_have_the_same_keys_and_placeholders(name):
    english, spanish = words_of(name).values()
    assert list(english) == list(spanish)
    for key in english:
        fields = [{f for _, f, _, _ in Formatter().parse(sentence[key]) if f} for sentence in (english, spanish)]
        assert fields[0] == fields[1], key


@pytest.mark.parametrize("name", ["page", "report", "data"])
def test_every_sentence_is_used(name):
    files = [path for path in html.FOLDER.rglob("*") if path.suffix in (".py", ".j2")]
    code = "".join(path.read_text(encoding="utf-8") for path in (*files, *html.FOLDER.parent.glob("runs/i*.py")))
    known = words_of(name)["en"]
    assert [key for key in known if f'"{key}"' not in code and not key.startswith("accuracy_")] == []


def test_spanish(copy):
    page = write(copy, "es").read_text(encoding="utf-8")
    assert '<html lang="es">' in page and "Veredicto" in page and "época conservada" in page
    assert "Verdict<" not in page


def test_names_from_outside_are_text(copy, run):
    table = copy / "predictions_test.csv"
    rows = read_csv(table)
    for row in rows:
        row["file"] = f"{NASTY}/{row['file']}"
        row["predicted"] = "10" if row["label"] != "10" else "1"
    write_csv(table, list(rows[0]), [list(row.values()) for row in rows])
    page = write(copy).read_text(encoding="utf-8")
    assert NASTY not in page and "&lt;img src=x" in page


def test_images_that_are_gone_or_changed_are_told(copy, run, tmp_path):
    root = run[0].parent / "photos"
    table = copy / "predictions_test.csv"
    rows = read_csv(table)
    for row in rows:
        row["predicted"] = "2" if row["label"] != "2" else "1"
    write_csv(table, list(rows[0]), [list(row.values()) for row in rows])
    page = write(copy, extras=Extras(samples(copy, root))).read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == len(rows) and "not there any more" not in page
    assert write(copy, extras=Extras(samples(copy, tmp_path))).read_text(encoding="utf-8").count("not there any more") == len(
        rows
    )


def test_of_several_phases_each_has_its_proof_once(copy):
    change(copy, frozen__1__sha256="aa11", frozen__2__sha256="bb22", frozen__sha256="bb22")
    page = write(copy).read_text(encoding="utf-8")
    assert "phase 1: aa11" in page and page.count("bb22") == 1


@pytest.mark.parametrize(
    "values, sentence",
    [
        ({"val__accuracy": 0.01}, "outside of that interval"),
        ({"images__skipped": 3}, "3 files could not be decoded"),
        ({"test__majority_accuracy": 1.0}, "Not shown to be better"),
        ({"stopped": True}, "ajuste-fino train resume="),
    ],
)
def test_what_one_should_know_is_said(copy, values, sentence):
    assert sentence not in write(copy).read_text(encoding="utf-8")
    change(copy, **values)
    assert sentence in write(copy).read_text(encoding="utf-8")


def test_a_run_of_an_older_version_has_a_report(copy):
    (copy / "audit.json").unlink()
    (copy / "environment.json").unlink()
    assert "an older version wrote the run" in write(copy).read_text(encoding="utf-8")


def test_the_verb_shows_where_the_model_looks(copy, cli, tmp_path):
    pytest.importorskip("captum")
    code, _, error = cli("report", f"run={copy}", "attribution=4", f"out={tmp_path / 'page'}", "lang=es", "insights=false")
    assert code == 0, error
    page = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    assert page.count("partes que hablan a favor de") == 4 and "mapa de los datos" not in page


def test_the_verb_shows_what_features_tell_of_the_data(copy, cli):
    pytest.importorskip("cleanlab")
    given = ("attribution=0", "draws=4", "workers=0", "lang=es")
    code, _, error = cli("report", f"run={copy}", *given)
    assert code == 0, error
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)"', page)[-8:-3] == list(INSIGHTS)
    assert "¿Ayudarían más fotos?" in page and "Would more" not in page
    assert page.count("<circle") > 10 and not (copy / "suspects.csv").exists()


def test_images_that_are_gone_leave_the_report_without_what_needs_them(copy, cli, tmp_path):
    pytest.importorskip("cleanlab")
    config = (copy / "config.yaml").read_text().replace("photos", "gone")
    (copy / "config.yaml").write_text(config)
    code, _, error = cli("report", f"run={copy}", "attribution=0")
    assert code == 0 and "does not say what the features tell" in error and "must be where it was" in error
    assert '<section id="map"' not in (copy / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["lang=fr"], "lang must be en or es; got fr."),
        (["draws=1"], "draws must be"),
        (["attribution=-1"], "attribution must be a whole number from 0 to 100; got -1."),
        (["run=."], "must be the folder of a run"),
        (["data.root=nowhere"], "data.root must be an existing path"),
    ],
)
def test_mistakes_are_refused(run, cli, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = cli("report", *([] if arguments[0].startswith("run") else [f"run={run[0]}"]), *arguments)
    assert code == 2 and said in error


def test_without_captum_the_extra_is_named(run, cli, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "captum", None)
    code, _, error = cli("report", f"run={run[0]}")
    assert code == 2 and "ajuste-fino[explain]" in error
