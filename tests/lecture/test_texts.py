"""The sentences of the experiments: the same in both languages, each one used, and none left in the code."""

import ast
import re
from functools import cache
from string import Formatter

import pytest

from ajuste_fino.lecture import NAMES, experiment, text
from ajuste_fino.lecture.findings import VERDICTS
from ajuste_fino.lecture.page import TEMPLATES
from ajuste_fino.lecture.text import COMMON, FOLDER, Texts
from ajuste_fino.report.html import FOLDER as FOLDER_OF_REPORTS
from ajuste_fino.texts import LANGUAGES

CODE = FOLDER.parent
OTHERS = (COMMON, "page", "screen")  # files that belong to no experiment
NAMES_IN_TABLES = {
    "SGD",
    "momentum",
    "AdaGrad",
    "RMSProp",
    "Adam",
    "ReLU",
    "tanh",
    "pooling",
    "stride",
    "conv",
    "m",
    "T",
    "ImageNet",
}
WRITERS = {"set_xlabel", "set_ylabel", "set_title", "set_text", "set_xticks", "suptitle", "text"}  # of matplotlib


@cache
def tree(name):
    return ast.parse((CODE / f"{name}.py").read_text(encoding="utf-8"))


def constants(node):
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def named(name):
    """The keys that the code spells out: in `texts(…)`, and those of a check and its explanation."""
    keys = set()
    for call in (n for n in ast.walk(tree(name)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)):
        if call.func.id in ("texts", "Check") and call.args:
            keys |= constants(call.args[0]) if not isinstance(call.args[0], ast.Name) else set()
        keys |= {key for word in call.keywords if word.arg == "explanation" for key in constants(word.value)}
    return keys


def shown():
    """The keys that the page's templates spell out; those of verdicts are not."""
    files = [*TEMPLATES.glob("*.j2"), FOLDER_OF_REPORTS / "templates" / "base.html.j2"]
    return {key for file in files for key in re.findall(r'\bt\("(\w+)"', file.read_text(encoding="utf-8"))}


def placeholders(sentence):
    return {(field, form) for _, field, form, _ in Formatter().parse(sentence) if field is not None}


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_both_languages_have_the_same_keys_and_placeholders(name):
    english, spanish = (text.read(name, lang) for lang in LANGUAGES)
    assert list(english) == list(spanish)
    assert {key: placeholders(english[key]) for key in english} == {key: placeholders(spanish[key]) for key in spanish}


def test_there_are_no_other_files():
    expected = {f"{name}.{lang}.toml" for name in (*NAMES, *OTHERS) for lang in LANGUAGES} | {"table.es.toml"}
    assert {path.name for path in FOLDER.iterdir()} == expected


def used(name, measured, drawn):
    """The keys of an experiment's figure, checks and code; `claim.json` and the list read `title`, `claim` and `note`."""
    checks = measured(name).checks
    keys = (
        {"title", "claim", "note"}
        | {check.name for check in checks}
        | {check.explanation for check in checks if check.explanation}
    )
    return keys | named(name) | drawn(name, "en")[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_text_is_used_and_every_text_used_exists(name, measured, drawn):
    keys = used(name, measured, drawn)
    own, common = text.read(name, "en").keys(), text.read(COMMON, "en").keys()
    assert own - keys == set()
    assert keys - own - common <= {"note"}
    assert drawn(name, "es")[1] == drawn(name, "en")[1]


def test_the_page_shows_its_texts_and_no_others():
    own, common = text.read("page", "en").keys(), text.read(COMMON, "en").keys()
    assert own <= shown() <= own | common


def test_common_texts_are_shared(measured, drawn):
    users = [*(used(name, measured, drawn) for name in NAMES), named("findings"), named("header"), shown()]
    for key in text.read(COMMON, "en").keys() - set(VERDICTS):
        assert sum(key in keys for keys in users) > 1, key


@pytest.mark.parametrize("name", NAMES)
def test_figures_take_their_words_from_the_texts(name):
    """No argument that matplotlib writes has a word in it, but for what `texts` gives."""
    for call in (n for n in ast.walk(tree(name)) if isinstance(n, ast.Call)):
        written = [word.value for word in call.keywords if word.arg in ("label", "title")]
        if isinstance(call.func, ast.Attribute) and call.func.attr in WRITERS:
            written += call.args
        words = [word for node in written for word in spelled(node) if re.search(r"[^\W\d_]{2}", word)]
        assert not words, f"line {call.lineno}"


def spelled(node):
    """The strings in an expression, without those in calls of `texts`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "texts":
        return set()
    own = {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()
    return own.union(*(spelled(child) for child in ast.iter_child_nodes(node)))


@pytest.mark.parametrize("path", sorted(CODE.glob("*.py")), ids=lambda path: path.stem)
def test_no_spanish_is_left_in_the_code(path):
    assert not re.search("[áéíóúñ¿¡]", path.read_text(encoding="utf-8"))


def words_in_tables(measured):
    """The headings of all tables, and their cells that are words; the names of networks and of their layers are not."""
    for name in NAMES:
        for row in measured(name).rows:
            yield from row
            yield from (
                str(cell) for key, cell in row.items() if isinstance(cell, str | bool) and key not in ("network", "layer")
            )


def test_every_word_of_a_table_is_known_in_spanish(measured):
    words = set(words_in_tables(measured)) - {""}
    known = text.read("table", "es").keys()
    assert words - known == NAMES_IN_TABLES
    assert known - words == set()
    assert (text.in_table("seed", "es"), text.in_table("seed", "en"), text.in_table("Adam", "es")) == (
        "semilla",
        "seed",
        "Adam",
    )


def test_an_own_text_comes_before_a_common_one_and_a_missing_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "FOLDER", tmp_path)
    (tmp_path / "common.en.toml").write_text('step = "step"\nerror = "error"\n', encoding="utf-8")
    (tmp_path / "one.en.toml").write_text('title = "A {kind} claim"\n[axes]\nerror = "error (%)"\n', encoding="utf-8")
    texts = Texts.load("one", "en")
    assert (texts("step"), texts("error"), texts("title", kind="bold")) == ("step", "error (%)", "A bold claim")
    assert "title" in texts and "note" not in texts
    with pytest.raises(KeyError, match=r"common\.en\.toml and one\.en\.toml have no text 'note'"):
        texts("note")
    (tmp_path / "two.en.toml").write_text('[checks]\nstep = "a"\n[axes]\nstep = "b"\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"two\.en\.toml has step twice"):
        Texts.load("two", "en")


def test_each_experiment_has_its_formulas_and_parts():
    assert all(experiment(name).FORMULAS and experiment(name).USES for name in NAMES)
