"""What a table of predictions says of a model."""

import numpy as np
import pytest
import torch

from ajuste_fino.report.judged import DRAWS, Confused, Judged
from ajuste_fino.scores import write_predictions

LABELS = ["cat", "dog", "=1+1"]


@pytest.fixture
def judged(tmp_path):
    """Ten images: two cats taken for dogs, one dog for =1+1; the surest wrong one is the third."""
    true = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    said = [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    sure = [0.9, 0.8, 0.95, 0.6, 0.7, 0.75, 0.85, 0.5, 0.99, 1.0]
    rows = torch.zeros(10, 3)
    for n, (label, p) in enumerate(zip(said, sure, strict=True)):
        rows[n] = (1 - p) / 2
        rows[n, label] = p
    table = tmp_path / "predictions_test.csv"
    write_predictions(table, [f"{n}.png" for n in range(10)], [LABELS[n] for n in true], rows, LABELS)
    return Judged.read(table)


def test_what_is_read_is_what_was_written(judged):
    assert list(judged.labels) == LABELS
    assert judged.true.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert judged.counts.tolist() == [[2, 2, 0], [0, 2, 1], [0, 0, 3]]
    assert judged.probability[2] == 0.95


def test_pairs_and_wrong_predictions_come_worst_first(judged):
    assert judged.confused(5) == [Confused("cat", "dog", 2, 0.5), Confused("dog", "=1+1", 1, 1 / 3)]
    assert judged.confused(1) == [Confused("cat", "dog", 2, 0.5)]
    assert judged.most_wrong(2) == [2, 6]
    assert judged.most_wrong(9) == [2, 6, 3]


def test_the_surest_right_ones_come_of_each_class_in_turns(judged):
    assert judged.surest(4) == [0, 5, 9, 1]
    assert judged.surest(99) == [0, 5, 9, 1, 4, 8, 7]


def test_the_interval_is_that_of_a_bootstrap_done_by_hand(judged):
    rng = np.random.default_rng(3)
    drawn = [judged.right[rng.integers(0, 10, 10)].mean() for _ in range(DRAWS)]
    assert np.allclose(judged.interval(), np.quantile(drawn, [0.025, 0.975]), atol=0.11)  # a step of ten images
    assert judged.interval() == judged.interval()


def test_bins_hold_every_image_once(judged):
    bins = judged.bins()
    assert sum(one.images for one in bins) == 10
    assert (bins[0].images, bins[0].accuracy) == (1, 1.0)  # 0.5 alone
    assert bins[-1].images == 4  # 0.9, 0.95, 0.99 and 1
    assert bins[-1].accuracy == 0.75
