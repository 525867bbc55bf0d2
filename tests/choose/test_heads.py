"""The head of all folds at once against scikit-learn's, one fold at a time."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ajuste_fino.choose import heads


def clouds(n, d, classes, apart):
    generator = torch.Generator().manual_seed(d)
    y = torch.arange(n) % classes
    return torch.randn(n, d, generator=generator) + apart * torch.randn(classes, d, generator=generator)[y], y


@pytest.mark.parametrize(("d", "classes", "apart"), [(8, 2, 1.0), (8, 5, 1.0), (300, 3, 0.2)])
def test_it_agrees_with_scikit_learn(monkeypatch, d, classes, apart):
    monkeypatch.setattr(heads, "STEPS", 2000)
    x, y = clouds(90, d, classes, apart)
    folds = torch.arange(90) // 30
    found, z = heads.out_of_fold(x, y, folds), heads._standardised(x)
    for fold in range(3):
        seen = folds != fold
        theirs = LogisticRegression(C=1 / heads.PENALTY, tol=1e-8, max_iter=5000).fit(z[seen], y[seen]).predict(z[~seen])
        assert (found[~seen] == torch.from_numpy(theirs)).double().mean() > 0.97


def test_sixty_steps_are_enough(monkeypatch):
    x, y = clouds(120, 500, 4, 0.15)
    folds = torch.arange(120) % 5
    short = heads.out_of_fold(x, y, folds)
    monkeypatch.setattr(heads, "STEPS", 3000)
    assert (short == heads.out_of_fold(x, y, folds)).double().mean() > 0.98


def test_no_image_helps_to_judge_itself():
    """Labels of chance, and features that tell every image apart: a head that saw an image would know it."""
    x, y = torch.eye(60), torch.randint(0, 2, (60,), generator=torch.Generator().manual_seed(1))
    assert (heads.out_of_fold(x, y, torch.arange(60) % 5) == y).double().mean() < 0.7


def test_features_that_never_vary_and_a_class_of_one_fold_do_no_harm():
    x, y = clouds(40, 4, 2, 3.0)
    x[:, 2] = 5.0
    y[-1] = 2
    assert (heads.out_of_fold(x, y, torch.arange(40) % 4) == y).double().mean() > 0.8
