import pytest
import torch

from ajuste_fino.backbone import build
from ajuste_fino.errors import AjusteFinoError
from ajuste_fino.freezing import Frozen


def test_train_does_not_wake_it_and_its_statistics_stay():
    backbone, _ = build("embedded", "none")
    frozen = Frozen(backbone)
    model = torch.nn.Sequential(frozen, torch.nn.Linear(2048, 2)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=0.1)
    for _ in range(3):
        model.train()
        model(torch.rand(4, 3, 64, 64)).sum().backward()
        optimizer.step()
    assert not any(module.training for module in backbone.modules())
    assert all(parameter.grad is None for parameter in backbone.parameters())
    assert frozen.verify_frozen() == frozen.before


def test_left_unfrozen_the_same_network_would_have_moved():
    backbone, _ = build("embedded", "none")
    frozen = Frozen(backbone)
    backbone.train()
    backbone(torch.rand(4, 3, 64, 64))
    with pytest.raises(AjusteFinoError, match="changed during the run"):
        frozen.verify_frozen()


def test_one_bit_is_seen():
    frozen = Frozen(build("embedded", "none")[0])
    next(frozen.parameters()).data[0, 0, 0, 0] += 1e-6
    with pytest.raises(AjusteFinoError, match="SHA-256"):
        frozen.verify_frozen()
