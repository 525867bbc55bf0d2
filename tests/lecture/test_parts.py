"""What the experiments share: splits, tables, curves, statistics, standardisation."""

import pytest
import torch
from matplotlib.figure import Figure

from ajuste_fino.lecture.data import Split, digits
from ajuste_fino.lecture.findings import Table
from ajuste_fino.lecture.frozen import standardise
from ajuste_fino.lecture.slide import curve
from ajuste_fino.lecture.stats import rank_correlation, standard_errors


def test_a_sample_has_so_many_of_each_class_and_none_twice():
    train = digits()[0]
    few = train.sample(3, seed=1)
    assert few.y.bincount().tolist() == [3] * 10
    assert len(few.flat.unique(dim=0)) == 30
    assert torch.equal(few.x, train.sample(3, seed=1).x)
    assert train.sample(0, seed=1) is train


def test_positions_and_masks_choose_samples():
    split = Split(torch.arange(4.0)[:, None], torch.tensor([0, 1, 0, 1]))
    assert split[torch.tensor([2, 0])].x[:, 0].tolist() == [2, 0]
    assert split[split.y == 1].x[:, 0].tolist() == [1, 3]


def test_a_column_may_be_of_some_rows_only():
    table = Table([{"a": 1, "b": 2.0}, {"a": 1, "b": 4.0}, {"a": 2, "b": 8.0}])
    assert table.column("b") == [2, 4, 8]
    assert (table.column("b", a=1), table.mean("b", a=1)) == ([2, 4], 3)


def test_a_feature_that_hardly_varies_is_not_blown_up():
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    x[:, 1] = 1
    other = torch.tensor([[0.0, 1.001]])
    assert float(standardise(x)(other)[0, 1]) == pytest.approx(0.001, rel=1e-3)


def test_a_curve_goes_through_the_means_and_its_band_holds_every_seed():
    axes = Figure().subplots()
    curve(axes, [0, 1], torch.tensor([[1.0, 3.0], [4.0, 8.0]]), color="C1")
    assert axes.lines[0].get_ydata().tolist() == [2, 6]
    assert axes.dataLim.intervaly.tolist() == [1, 8]


def test_statistics_are_those_of_the_books():
    assert rank_correlation([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert standard_errors([1.0, 2.0, 3.0]) == pytest.approx(2 / (1 / 3**0.5))
