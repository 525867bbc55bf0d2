"""The average is what is validated and saved, and training knows nothing of it."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ajuste_fino.callbacks import WeightAverage
from ajuste_fino.phases import Phase, Phases


def module(trains=False):
    """A model of one phase, which trains the head alone or more."""
    phases = Phases([Phase("all", backbone_lr_mult=1) if trains else Phase()], 9)
    plan = SimpleNamespace(phases=phases, trained=lambda _: [], batchnorm_frozen=True)
    return SimpleNamespace(head=nn.Linear(1, 1, bias=False), bodies=[nn.Identity()], plan=plan, moment=phases.at(0))


def epochs(callback, model, values):
    """The weight that is validated in each epoch, where training takes it to these values."""
    seen = []
    for number, value in enumerate(values):
        callback.on_train_epoch_start(SimpleNamespace(current_epoch=number), model)
        seen.append((model.head.weight.item(),))
        model.head.weight.data.fill_(value)
        callback.on_validation_start(SimpleNamespace(current_epoch=number), model)
        seen[-1] += (model.head.weight.item(),)
    return seen


@pytest.mark.parametrize("decay", [0.0, 0.1, 0.8])
def test_it_is_the_average_that_is_validated_and_the_weights_that_are_trained(decay):
    values = [1.0, 2.0, 0.0, 4.0]
    seen = epochs(WeightAverage(decay), module(), values)
    assert [began for began, _ in seen[1:]] == values[:-1]
    expected = [values[0]]
    for n, value in enumerate(values[1:], start=2):
        share = min(decay, n / (2 + n))
        expected.append(share * expected[-1] + (1 - share) * value)
    assert [validated for _, validated in seen] == pytest.approx(expected)


def test_where_the_body_is_trained_nothing_is_averaged():
    seen = epochs(WeightAverage(), module(trains=True), [1.0, 2.0, 3.0])
    assert [validated for _, validated in seen] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("decay", [-0.1, 1, 1.5])
def test_a_decay_that_is_none_is_refused(decay, cli, tmp_path):
    code, _, err = cli("train", f"callbacks.average.decay={decay}", f"out={tmp_path / 'run'}")
    assert code == 2, err
    assert "decay must be at least 0 and below 1" in err
    assert not (tmp_path / "run").exists()


def test_the_kept_weights_are_the_averaged_ones(cli, photos, tmp_path):
    kept = []
    for name, keys in (("average", []), ("none", ["callbacks.average=null"])):
        keys = ["data=folder", f"data.root={photos}", "backbone.weights=none", "workers=0", "epochs=3", *keys]
        assert cli("train", *keys, f"out={tmp_path / name}")[0] == 0
        kept.append(torch.load(tmp_path / name / "checkpoints" / "best.ckpt", weights_only=True))
    average, none = kept
    assert average["optimizer_states"][0]["state"][0]["exp_avg"].equal(none["optimizer_states"][0]["state"][0]["exp_avg"])
    assert not average["state_dict"]["head.layers.1.weight"].equal(none["state_dict"]["head.layers.1.weight"])
