"""Logistic regression in the place of training: the formula, the choice of C, and what does not go with it."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from ajuste_fino.data.module import DataModule
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.files import read_csv
from ajuste_fino.head import Head, HeadShape
from ajuste_fino.imbalance import weights
from ajuste_fino.logistic import fits
from ajuste_fino.runs import logistic


def drawn(classes=3, count=90, width=5, there=None):
    torch.manual_seed(0)
    y = torch.arange(count) % (there or classes)
    return torch.randn(count, width) + torch.randn(classes, width)[y], y


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_it_predicts_as_scikit_learn_does(classes):
    x, y = drawn(classes)
    for c, found in zip([0.01, 1.0], fits(x, y, classes, [0.01, 1.0], torch.ones(len(y))), strict=True):
        expected = torch.from_numpy(LogisticRegression(C=c, max_iter=1000).fit(x.numpy(), y.numpy()).predict_proba(x.numpy()))
        assert torch.allclose((x @ found.weight.T + found.bias).softmax(1), expected.float(), atol=2e-3)
        assert found.converged


@pytest.mark.parametrize("there", [2, 3])
def test_a_class_without_an_example_is_improbable_and_no_error(there):
    x, y = drawn(4, there=there)
    (found,) = fits(x, y, 4, [0.1], torch.ones(len(y)))
    chances = (x @ found.weight.T + found.bias).softmax(1)
    assert chances.isfinite().all()
    assert 0 < chances[:, there:].max() < 0.05


def test_weights_of_classes_are_scikit_learns_balanced_ones():
    x, y = drawn(2)
    x, y = torch.cat([x, x[y == 0]]), torch.cat([y, y[y == 0]])
    (found,) = fits(x, y, 2, [0.1], weights(y.tolist(), 2)[y])
    model = LogisticRegression(C=0.1, class_weight="balanced").fit(x.numpy(), y.numpy())
    assert torch.allclose(
        (x @ found.weight.T + found.bias).softmax(1), torch.from_numpy(model.predict_proba(x.numpy())).float(), atol=2e-3
    )


class Rows(torch.utils.data.Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __getitem__(self, positions):
        return self.x[positions], self.y[torch.tensor(positions) % len(self.y)]


@torch.no_grad()
@pytest.mark.parametrize("views", [1, 3])
def test_the_c_of_the_lowest_validation_loss_is_kept(tmp_path, views):
    x, y = drawn(count=120)
    train = Rows(x[:60].repeat(views, 1), y[:60]), EpochBatchSampler(60, 16, 0, views)
    data = DataModule([train], [(Rows(x[60:], y[60:]), EpochBatchSampler(60, 16))], 0)
    head = Head(HeadShape(5, 3, dropout=0))
    kept = logistic.fit(head, data, [0.001, 0.1, 10.0], cross_entropy, None, tmp_path)
    rows = read_csv(tmp_path / "metrics.csv")
    losses = [float(row["val/loss"]) for row in rows]
    assert [float(row["C"]) for row in rows] == [0.001, 0.1, 10.0]
    assert kept.validation["val/loss"] == min(losses) == losses[kept.number - 1]
    assert float(cross_entropy(head.eval()(x[60:]), y[60:])) == pytest.approx(min(losses), abs=1e-6)
    assert kept.metrics() == {"logistic/C": kept.C, **kept.validation}
    (alone,) = fits(x[:60], y[:60], 3, [0.1], torch.ones(60))  # views of one image count as that image
    assert losses[1] == pytest.approx(float(cross_entropy(x[60:] @ alone.weight.T + alone.bias, y[60:])), abs=1e-3)


def test_a_run_with_it_is_a_run_like_any_other(cli, photos, tmp_path):
    keys = ["data=folder", f"data.root={photos}", "head=logistic", "backbone.weights=none", "workers=0"]
    out = tmp_path / "run"
    code, shown, err = cli("train", *keys, f"out={out}", "data.folds=2", "imbalance=weights")
    assert code == 0, err
    assert "C = " in shown + err
    assert "batch_size and callbacks are not used" in shown + err
    assert not (out / "checkpoints").exists()
    assert (out / "plots" / "learning_curves.png").is_file()
    before = (out / "predictions_test.csv").read_text()
    assert cli("evaluate", f"run={out}")[0] == 0
    assert (out / "predictions_test.csv").read_text() == before


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["ensemble=5"], "ensemble has no meaning for logistic regression"),
        (["head.hidden=8"], "head.hidden has no meaning for logistic regression"),
        (["head.dropout=0.5"], "head.dropout has no meaning for logistic regression"),
        (["imbalance=sampler"], "imbalance=sampler draws batches"),
        (["features.mode=live"], "needs phases=head and features.mode=cached"),
        (["phases=full"], "needs phases=head and features.mode=cached"),
        (["head.C=0"], "head.C must be a number above 0"),
        (["head.C=[0.1,-1]"], "head.C must be a number above 0"),
        (["head.C=[]"], "head.C must be a number above 0"),
        (["head.C=strong"], "head.C must be a number above 0"),
    ],
    ids=str,
)
def test_what_does_not_go_with_it_is_one_message(cli, tmp_path, monkeypatch, keys, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli("train", "head=logistic", *keys)
    assert (code, list(tmp_path.iterdir())) == (2, []), err
    assert message in err


def test_a_search_of_what_it_does_not_use_is_refused(cli, tmp_path):
    code, _, err = cli("sweep", "head=logistic", f"out={tmp_path / 'search'}")
    assert code == 2
    assert "has no use for the others" in err
    assert not (tmp_path / "search").exists()
