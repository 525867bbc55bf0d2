import json

import pytest
import torch
from torch.nn.functional import cross_entropy

from ajuste_fino import bundle, ensemble
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.head import Head, HeadShape
from tests.conftest import FAST


def data(count=60, width=6, classes=3):
    torch.manual_seed(0)
    return torch.randn(count, width), torch.randint(classes, (count,))


def epochs(x, y, number=3):
    for _ in range(number):
        yield ((x[p], y[p], p) for p in torch.arange(len(y)).split(16))


@pytest.mark.parametrize("hidden", [0, 5])
def test_members_trained_at_once_are_those_trained_one_by_one(hidden):
    x, y = data()
    shape = HeadShape(6, 3, dropout=0, hidden=hidden, hidden_dropout=0)
    together = Ensemble(shape, 4)
    alone = []
    for t in range(4):
        head = Head(shape)
        for parameter, stacked in zip(head.parameters(), together.weights, strict=True):
            parameter.data.copy_(stacked[t])
        alone.append(head)
    counts = ensemble.bootstrap(4, len(y), seed=1)
    ensemble.fit(together, epochs(x, y), counts, torch.optim.Adam(together.parameters(), lr=0.01), lambda: None)
    for t, head in enumerate(alone):
        optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
        for batches in epochs(x, y):
            for a, b, p in batches:
                optimizer.zero_grad()
                (cross_entropy(head(a), b, reduction="none") * counts[t, p]).mean().backward()
                optimizer.step()
        torch.testing.assert_close(together.logits(x)[t], head(x), rtol=1e-4, atol=1e-5)


def test_it_gives_the_mean_of_the_members_probabilities():
    x, _ = data()
    bag = Ensemble(HeadShape(6, 3), 5).eval()
    torch.testing.assert_close(bag(x).softmax(1), bag.logits(x).softmax(2).mean(0))


def test_a_bootstrap_sample_is_as_large_as_the_set_and_misses_37_percent():
    counts = ensemble.bootstrap(20, 1000, seed=0)
    assert (counts.sum(1) == 1000).all()
    assert float((counts == 0).float().mean()) == pytest.approx(0.368, abs=0.01)


def test_out_of_bag_asks_only_those_that_did_not_see_it():
    logits = torch.tensor([[[0.0, 9]], [[5, 0.0]], [[4, 0.0]]])  # three members, one example, two classes
    assert ensemble.out_of_bag(logits, torch.tensor([[1.0], [0], [0]])).tolist() == [0]
    assert ensemble.out_of_bag(logits, torch.tensor([[0.0], [1], [2]])).tolist() == [1]
    assert ensemble.out_of_bag(logits, torch.tensor([[1.0], [1], [1]])).tolist() == [-1]


def test_votes_and_disagreement():
    logits = torch.tensor([[[3.0, 0], [3, 0]], [[2, 0.0], [0, 1]], [[1, 0.0], [0, 1]]])
    assert ensemble.majority(logits).tolist() == [0, 1]
    assert ensemble.disagreement(logits).tolist() == pytest.approx([0, 1 / 3])


def test_a_run_with_an_ensemble_keeps_it_in_its_bundle(photos, cli, tmp_path):
    out = tmp_path / "run"
    assert cli("train", "data=folder", f"data.root={photos}", f"out={out}", *FAST, "ensemble=7")[0] == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["ensemble/members"] == 7
    assert {"ensemble/out_of_bag_error", "ensemble/disagreement", "ensemble/single_accuracy"} <= metrics.keys()
    head = bundle.read(out).head
    assert isinstance(head, Ensemble) and head.members == 7 and not head.training
    assert cli("evaluate", f"run={out}", f"out={tmp_path / 'again'}")[0] == 0
    tables = [(folder / "predictions_test.csv").read_bytes() for folder in (out, tmp_path / "again")]
    assert tables[0] == tables[1]
    code, shown, _ = cli("predict", f"run={out}", f"images={photos}", f"csv={tmp_path / 'p.csv'}")
    assert code == 0 and "disagreement" in shown
    assert (tmp_path / "p.csv").read_text().splitlines()[0] == "file,label,probability,disagreement,unknown,distance"


@pytest.mark.parametrize("key", ["ensemble=1", "ensemble=x", "ensemble=5 features.mode=live", "ensemble=5 head=backprop"])
def test_what_it_cannot_be(photos, cli, tmp_path, key):
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST, *key.split())
    assert code == 2 and "ensemble" in err
    assert not (tmp_path / "run").exists()
