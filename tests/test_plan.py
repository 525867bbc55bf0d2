"""What is trained, at which rate, is a function of the epoch and the step."""

import math

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW, lr_scheduler

from ajuste_fino.errors import UserError
from ajuste_fino.phases import Moment, Phase, Phases
from ajuste_fino.plan import Plan, share_buffers
from ajuste_fino.rates import Rates
from ajuste_fino.schedules import WarmupCosine

THREE = Phases([Phase(epochs=2), Phase("b", 3, backbone_lr_mult=0.5), Phase("all", 1, 0.01, 0.1)], epochs=9)


def test_the_phase_of_each_epoch():
    found = [THREE.at(epoch) for epoch in range(7)]
    assert found == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    assert THREE.epochs == 6


def test_epochs_and_views_of_phases_that_do_not_say_them():
    phases = Phases([Phase(), Phase("all", backbone_lr_mult=1, views=3)], epochs=9, views=2)
    assert [(phase.epochs, phase.views) for phase in phases] == [(9, 2), (9, 3)]


@pytest.mark.parametrize("counts", [[0, 2, 1], [3, 0]])
def test_a_phase_that_trains_less_than_the_one_before_is_refused(counts):
    with pytest.raises(UserError, match="must train at least the blocks of the one before"):
        THREE.require_nested(counts)


SCHEDULES = {
    "constant": lambda o: lr_scheduler.ConstantLR(o, 1.0),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
    "step": lambda o: lr_scheduler.StepLR(o, 2, 0.3),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=6),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_those_of_the_schedule_stepped_once_an_epoch(name):
    groups = [lambda lr: lr, lambda lr: lr / 10]
    rates = Rates(lambda parts: AdamW(parts, lr=0.1), SCHEDULES[name], groups, epochs=5)
    real = AdamW([{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.01)], lr=0.1)
    schedule = SCHEDULES[name](real)
    for epoch in range(5):
        for mine, theirs in zip(rates.at(epoch, 0.7), real.param_groups, strict=True):
            assert (mine["lr"], mine["betas"]) == (pytest.approx(theirs["lr"]), theirs["betas"])
        real.step()
        schedule.step()


def test_the_warm_up_rises_and_the_cosine_falls_with_every_step():
    rates = Rates(lambda parts: SGD(parts, lr=0.2), lambda o: WarmupCosine(o, 4, warmup=0.25), [lambda lr: lr], epochs=4)
    found = [rates.at(epoch, batch / 10)[0]["lr"] for epoch in range(4) for batch in range(10)]
    assert found[0] == pytest.approx(0.2 * 0.04)
    assert found[10] == pytest.approx(0.2)
    assert found == [*sorted(found[:11]), *sorted(found[11:], reverse=True)]
    assert found[25] == pytest.approx(0.2 * (1 + math.cos(math.pi / 2)) / 2)
    assert rates.at(3, 1.0)[0]["lr"] == pytest.approx(0)


@pytest.mark.parametrize("wrong", [{"warmup": 1}, {"start": -0.1}, {"end": 2}])
def test_a_warm_up_that_is_none(wrong):
    with pytest.raises(ValueError, match="warmup must be"):
        WarmupCosine(SGD([nn.Parameter(torch.zeros(1))], lr=1), 3, **wrong)


def plan(**keys):
    """Two blocks; the second phase trains the last one, the third both."""
    blocks = [[nn.Parameter(torch.zeros(2))], [nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(4))]]
    schedules = [lambda o: lr_scheduler.ConstantLR(o, 1.0)] * 3
    return Plan(THREE, [None] * 3, blocks, [0, 1, 2], lambda parts: AdamW(parts, lr=0.1), schedules, **keys)


def test_all_groups_exist_from_the_first_step_each_with_its_rate():
    found = plan(lr_decay=0.5)
    optimizer = found.optimizer(nn.Linear(1, 1))
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 1, 2]
    assert [len(found.trained(number)) for number in range(3)] == [0, 1, 3]
    rates = [[group["lr"] for group in found.settings(Moment(number, 0), 0.0)] for number in range(3)]
    assert rates[1] == pytest.approx([0.1, 0.05, 0.025])
    assert rates[2] == pytest.approx([0.01, 0.001, 0.0005])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.BatchNorm2d(2))

    def forward(self, x):
        return self.net(x)


def test_buffers_are_shared_again_after_a_move():
    first, second = Net(), nn.Sequential(Net())
    share_buffers([first, second])
    second.train()(torch.ones(2, 2, 2, 2))
    assert first.net[0].running_mean.tolist() == second[0].net[0].running_mean.tolist() != [0, 0]
