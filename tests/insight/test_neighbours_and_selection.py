"""Near duplicates, odd images, the map, and what to label next, on made features."""

import pytest
import torch

from ajuste_fino.choose.heads import basis
from ajuste_fino.errors import UserError
from ajuste_fino.insight import neighbours as near
from ajuste_fino.insight import projection, suspects
from ajuste_fino.insight.selection import select, uncertainty


def features(n=40, d=16):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("block", [7, 1024])
def test_pairs_and_the_odd_one(monkeypatch, block):
    monkeypatch.setattr(near, "BLOCK", block)
    x = features()
    x[20:] = x[20:21] + 0.6 * x[20:]  # a crowd
    x[31] = x[4] * 1.01
    found = near.neighbours(x)
    assert found.pairs[0][:2] == (4, 31) and found.pairs[0][2] > 0.99
    assert int(found.distance.argmin()) >= 20 and int(found.distance.argmax()) < 20
    assert all(a < b for a, b, _ in found.pairs)


def test_features_that_do_not_tell_images_apart_give_no_pairs():
    x = features(30)
    x[:] = x[:1] + torch.linspace(0, 1, 30)[:, None]
    assert near.neighbours(x).pairs is None


@pytest.mark.parametrize("n", [2, 3])
def test_fewer_images_than_neighbours(n):
    assert near.neighbours(features(n)).distance.isfinite().all()


def test_a_map_lies_in_the_unit_square_and_parts_what_differs():
    x = features(60)
    x[:30] += 5
    places = projection.project(basis(x), "pca", 0)
    assert places.shape == (60, 2) and float(places.min()) == 0 and float(places.max()) == 1
    assert abs(float(places[:30, 0].mean() - places[30:, 0].mean())) > 0.5
    assert projection.project(basis(torch.ones(5, 3)), "pca", 0).isfinite().all()


@pytest.mark.parametrize(("way", "said"), [("tsne", "must be pca or umap"), ("umap", "ajuste-fino[umap]")])
def test_ways_to_draw_that_there_are_not(monkeypatch, way, said):
    monkeypatch.setattr(projection, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=said.replace("[", r"\[")):
        projection.require_way(way)


def test_without_cleanlab_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(suspects, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"ajuste-fino\[data\]"):
        suspects.require_cleanlab()


def test_suspects_are_those_of_another_likeliest_label_the_least_probable_first():
    pytest.importorskip("cleanlab")
    p = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.05, 0.95], [0.6, 0.4], [0.3, 0.7]] * 4, dtype=torch.float64)
    targets = torch.tensor([0, 1, 0, 0, 0] * 4)
    found = suspects.suspects(p, targets, 5)
    assert set(found.order[:4]) == {2, 7, 12, 17} and found.order[4] == 4
    assert suspects.suspects(p, targets, 100).order[8:] == []
    assert found.scores[2] == pytest.approx(0.05)


def test_uncertainty_is_one_less_the_margin():
    assert uncertainty(torch.tensor([[0.5, 0.5], [0.9, 0.1], [1.0, 0.0]])).tolist() == pytest.approx([1, 0.2, 0])


def test_what_is_unsure_new_and_different_is_chosen_first():
    x = features(12)
    x[1] = x[0] + 0.001  # a copy of the first
    known = torch.cat([x[5:6], features(30, 16)[12:]])
    unsure = torch.full((12,), 0.1)
    unsure[[0, 1, 5, 7]] = 1.0
    order = [one.position for one in select(x, known, unsure, 12)]
    assert set(order[:2]) <= {0, 1, 7} and not {0, 1} <= set(order[:3])  # a copy adds nothing
    assert 5 not in order[:6]  # it is known
    assert sorted(order) == list(range(12))
