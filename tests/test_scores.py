import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, recall_score

from ajuste_fino.scores import read_predictions, score, write_predictions


@pytest.fixture
def table(tmp_path):
    torch.manual_seed(0)
    labels = ["=b", "a", "c, d"]
    chances = torch.randn(40, 3).softmax(1)
    targets = [labels[n] for n in torch.randint(3, (40,))]
    write_predictions(tmp_path / "t.csv", [f"{n}.png" for n in range(40)], targets, chances, labels)
    return tmp_path / "t.csv", labels, targets, [labels[n] for n in chances.argmax(1)]


def test_the_table_comes_back(table):
    path, labels, targets, predicted = table
    p, t = read_predictions(path, labels)
    assert ([labels[n] for n in p], [labels[n] for n in t]) == (predicted, targets)


def test_the_figures_are_scikit_learns(table):
    path, labels, targets, predicted = table
    metrics = score(path, labels)
    assert metrics["accuracy"] == pytest.approx(accuracy_score(targets, predicted))
    assert metrics["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"))
    recalls = recall_score(targets, predicted, labels=labels, average=None)
    assert [metrics[f"recall/{label}"] for label in labels] == pytest.approx(list(recalls))
