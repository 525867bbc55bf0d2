import pytest
import torch

from ajuste_fino.backbone.taps import Cut
from ajuste_fino.choose.verdict import Row, Score, choose_cut, clearly_better, pareto, recommend


def right(of_hundred, first=0):
    """Which of 100 images are right."""
    return (torch.arange(100) >= first) & (torch.arange(100) < first + of_hundred)


def score(of_hundred, cut=("block1", 1), first=0, logme=0.0):
    return Score(Cut(*cut), right(of_hundred, first), logme, 8)


def row(label, of_hundred, milliseconds, chosen=True):
    return Row(label, score(of_hundred), milliseconds, 1000, chosen, chosen)


@pytest.mark.parametrize(
    ("one", "other", "clear"),
    [
        (right(90), right(85), True),  # five gained, none lost
        (right(90), right(87), False),
        (right(60, first=30), right(55), False),  # 35 gained, 30 lost
        (right(90), right(90), False),
        (right(80), right(90), False),
    ],
)
def test_what_is_clearly_better(one, other, clear):
    assert clearly_better(one, other) is clear


def test_another_cut_counts_where_it_is_clearly_better_than_the_default():
    default = score(80)
    assert choose_cut([default, score(82, ("block2", 2))], default) is default
    better = score(90, ("block2", 2))
    assert choose_cut([default, better, score(90, ("block2", 4), logme=-1.0)], default) is better


def test_the_fastest_that_is_not_clearly_worse_is_recommended():
    rows = [row("slow", 90, 9), row("near", 89, 3), row("fast", 70, 1), row("nearest", 88, 4), row("aside", 99, 0.5, False)]
    assert recommend(rows).label == "near"
    assert recommend(rows[2:3]).label == "fast"


def test_the_front_has_what_nothing_else_beats_in_both():
    rows = [row("slow", 90, 9), row("near", 89, 3), row("fast", 70, 1), row("beaten", 88, 4), row("aside", 99, 0.5, False)]
    assert [one.label for one in pareto(rows)] == ["fast", "near", "slow"]
    assert [one.label for one in pareto([row("a", 80, 1), row("b", 90, 1)])] == ["b"]
