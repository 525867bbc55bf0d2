"""The order in which people count, of names of any length."""

import random
import re

import pytest

from ajuste_fino.data.names import natural


def by_value(name):
    """The order by texts and the values of numbers; a number comes before a text."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.findall(r"\d+|\D+", name)], name


@pytest.mark.parametrize("signs", ["019", "0123456789", "\u0660\u0661\u0669", "01\u0661\u0967\uff12", "01ab", "0129a_ é"])
def test_numbers_are_ordered_by_value_then_as_texts(signs):
    draw = random.Random(0)
    names = ["".join(draw.choices(signs, k=draw.randint(1, 5))) for _ in range(300)]
    assert sorted(names, key=natural) == sorted(names, key=by_value)


@pytest.mark.parametrize(
    "names",
    [
        ["2", "10"],
        ["01", "1", "2"],
        ["0", "00", "1"],
        ["a1b2", "a1b10", "a01b11", "a2"],
        ["1", "1a", "a", "a1"],
        ["cat", "cat 1", "dog"],
        ["7", "1" + "0" * 5000, "2" + "0" * 5000],
        ["x9.png", f"x{'9' * 4301}.png", f"x1{'0' * 4301}.png"],
        ["0" * 5000 + "1", "2"],
    ],
)
def test_what_comes_first(names):
    backwards = names[::-1]
    assert sorted(backwards, key=natural) == names
