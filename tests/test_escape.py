import csv
import io
import random
import sys
import unicodedata

import pytest

from ajuste_fino.errors import UserError, preview
from ajuste_fino.escape import from_cell, lines, printable, quoted, to_cell

PIECES = [*"'=+-@\\\n\t\r,\"aé\x1b\x9b", "\udcf1", "\\udcf1", "\\u001b", "udcf1"]
SHOWN = [
    ("año 🐱 猫", "año 🐱 猫"),
    ("a\nb\tc\rd", r"a\nb\tc\rd"),
    ("\x1b[31mred", r"\x1b[31mred"),
    ("ni\udcf1o", r"ni\udcf1o"),
    ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
    ("x\u2028y\x85z", r"x\u2028y\x85z"),
    ("[red]$x$ {y} %s", "[red]$x$ {y} %s"),
    ("a\u200bb\xa0c\xadd\ufeff", r"a\u200bb\xa0c\xadd\ufeff"),
    ("a\U000e0041\U000e007f", r"a\U000e0041\U000e007f"),
    ("3.00\u202fPM\u3000x\u3164", r"3.00\u202fPM\u3000x\u3164"),
    ("a\u200db\u200cc\ufe0f", r"a\u200db\u200cc\ufe0f"),
    ("\u200d👩\u200d \ufe0f\u200d👩", r"\u200d👩\u200d \ufe0f\u200d👩"),
    *[
        (same, same)
        for same in (
            "👩🏽\u200d🚀",
            "❤\ufe0f\u200d🔥",
            "🏳\ufe0f\u200d🌈",
            "1\ufe0f\u20e3",
            "☎\ufe0e",
            "می\u200cروم",
            "क्\u200dष",
        )
    ],
    *[(same, same) for same in (r"a\n\\b", "cafe\u0301", "ｃａｔ", "กำ")],
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


def test_every_sign_without_a_look_and_every_blank_but_the_space_has_a_code():
    signs = [
        sign for n in range(sys.maxunicode + 1) if unicodedata.category(sign := chr(n)) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")
    ]
    assert [sign for sign in signs if printable(sign) == sign] == [" "]
    assert all(printable(f"a{sign}b").isascii() for sign in signs)


def test_what_was_shown_once_stays_as_it_is():
    draw = random.Random(0)
    pieces = [*PIECES, "👩", "\u200d", "\ufe0f", "\u20e3", "1", "❤", "\u200c", "ی", "م", "\xa0", " ", "\u200b", "\u0301"]
    for _ in range(20_000):
        once = printable("".join(draw.choices(pieces, k=draw.randint(1, 7))))
        assert printable(once) == once


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a b", "a b"), (" a", "' a'"), ("a ", "'a '"), ("a\\ ", r"'a\ '"), ("a\xa0", r"a\xa0"), ("\n a ", r"'\n a '"), ("", "")],
)
def test_spaces_around_a_name_are_shown_in_quotes(name, shown):
    assert quoted(name) == printable(quoted(name)) == shown
    assert preview([name]) == f"  {shown}"


def test_a_long_name_is_cut():
    assert printable("a" * 5, most=5) == "aaaaa"
    assert printable("\n" * 6, most=5) == r"\n" * 5 + "…"


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
