from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from ajuste_fino import imbalance
from ajuste_fino.data.order import BalancedBatchSampler
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.files import read_csv
from ajuste_fino.head import Head, HeadShape
from tests.conftest import FAST, draw_folder

TARGETS = [0] * 90 + [1] * 10


def test_weights_make_classes_count_the_same_and_images_one_at_the_mean():
    weights = imbalance.weights(TARGETS, 2)[TARGETS]
    assert weights.mean() == pytest.approx(1)
    assert weights[:90].sum() == pytest.approx(weights[90:].sum())


def test_the_weighted_loss_counts_in_a_batch_of_one_class_as_well():
    logits = torch.randn(5, 2)
    loss = imbalance.WeightedLoss(cross_entropy, imbalance.weights(TARGETS, 2))
    ones = torch.ones(5, dtype=torch.long)
    torch.testing.assert_close(loss(logits, ones), 5 * cross_entropy(logits, ones))


def test_the_sampler_draws_every_class_as_often_by_seed_and_epoch_alone():
    order = BalancedBatchSampler(TARGETS * 20, 64, seed=1, views=2)
    order.set_epoch(3)
    first, again = list(order), list(order)
    assert first == again
    drawn = torch.tensor([position % 2000 for batch in first for position in batch])
    assert len(drawn) == 2000
    assert 0.45 < torch.tensor(TARGETS * 20)[drawn].float().mean() < 0.55
    order.set_epoch(4)
    assert list(order) != first


@pytest.mark.parametrize("hidden", [0, 8])
@pytest.mark.parametrize("make", [Head, partial(Ensemble, members=3)])
def test_a_head_begins_with_the_classes_as_probable_as_they_are_frequent(make, hidden):
    head = make(HeadShape(6, 2, hidden=hidden)).eval()
    head.set_prior(imbalance.shares(TARGETS, 2))
    for parameter in head.parameters():
        if parameter.shape[-2:] == (2, hidden):  # the last layer's weights; those of a linear head are zero
            parameter.data.zero_()
    torch.testing.assert_close(head(torch.randn(4, 6)).softmax(1), torch.tensor([0.9, 0.1]).expand(4, 2))


def test_each_way_trains_otherwise(cli, tmp_path):
    root = draw_folder(tmp_path / "photos", ("a", "b"), 40)
    for path in sorted((root / "b").iterdir())[4:]:
        path.unlink()
    losses = set()
    for way in imbalance.WAYS:
        code, _, err = cli("train", "data=folder", f"data.root={root}", f"out={tmp_path / way}", f"imbalance={way}", *FAST)
        assert code == 0, err
        losses.add(read_csv(tmp_path / way / "metrics.csv")[-1]["train/loss"])
    assert len(losses) == 3


def test_what_is_no_way_is_refused(cli, photos, tmp_path):
    keys = ("data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", "imbalance=weight")
    code, _, err = cli("train", *keys)
    assert (code, (tmp_path / "run").exists()) == (2, False)
    assert "must be none, weights or sampler" in err
