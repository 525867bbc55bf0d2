import csv
import io
import random

import pytest

from ajuste_fino.errors import UserError, preview
from ajuste_fino.escape import from_cell, lines, printable, to_cell

PIECES = [*"'=+-@\\\n\t\r,\"aé\x1b\x9b", "\udcf1", "\\udcf1", "\\u001b", "udcf1"]
SHOWN = [
    ("año 🐱 猫", "año 🐱 猫"),
    ("a\nb\tc\rd", r"a\nb\tc\rd"),
    ("\x1b[31mred", r"\x1b[31mred"),
    ("ni\udcf1o", r"ni\udcf1o"),
    ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
    ("x\u2028y\x85z", r"x\u2028y\x85z"),
    ("[red]$x$ {y} %s", "[red]$x$ {y} %s"),
]
CELLS = [
    ("cat", "cat"),
    ("-1", "'-1"),
    ("'-1", "''-1"),
    ("''=A", "'''=A"),
    ("'a'", "'a'"),
    (r"p\1.png", r"p\1.png"),
    ("ni\udcf1o", r"ni\udcf1o"),
    (r"ni\udcf1o", r"ni\\udcf1o"),
    ("\\\udcf1", r"\\\udcf1"),
    ("\x1b[0m", r"\u001b[0m"),
    ("a\nb", "a\nb"),
]


@pytest.mark.parametrize(("name", "shown"), SHOWN)
def test_a_name_is_shown_on_one_line(name, shown):
    assert printable(name) == shown


def test_our_own_line_breaks_stay_and_those_of_names_do_not():
    assert lines("one:\n  a\x1bb") == "one:\n  a\\x1bb"
    assert preview(["a\nb", "c"]) == "  a\\nb\n  c"
    error = UserError("x\ny", "is wrong", got="a\tb\udcf1", fix="See:\n  c\x1b")
    assert str(error) == "x\\ny is wrong; got a\\tb\\udcf1. See:\n  c\\x1b"


@pytest.mark.parametrize(("text", "cell"), CELLS)
def test_a_cell(text, cell):
    assert (to_cell(text), from_cell(cell)) == (cell, text)


def test_any_text_comes_back_and_no_two_are_one_cell():
    draw = random.Random(0)
    texts = {"".join(draw.choices(PIECES, k=draw.randint(1, 7))) for _ in range(20_000)}
    cells = {to_cell(text): text for text in texts}
    assert len(cells) == len(texts)
    assert all(from_cell(cell) == text for cell, text in cells.items())
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([cell] for cell in cells)
    read = csv.reader(io.StringIO(buffer.getvalue().encode().decode(), newline=""))
    assert [from_cell(cell) for (cell,) in read] == list(cells.values())
