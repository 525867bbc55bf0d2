from math import inf, nan

import pytest
from omegaconf import OmegaConf

from ajuste_fino.errors import Range, UserError
from ajuste_fino.runs import conf, kinds, typed
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.experiment import default_settings, read_settings
from ajuste_fino.runs.prepare import validate_numbers
from ajuste_fino.verbs import VERBS

WRONG = [inf, -inf, nan, True, "many", "0,5", [1], {"a": 1}]
CHOICES = [
    [],
    *([f"optimizer={name}"] for name in conf.options("optimizer")),
    *([f"schedule={name}"] for name in conf.options("schedule")),
    ["head=lecture"],
    ["data=folder", "data.root=photos"],
]
EXPERIMENTS = [name for name in conf.options("lecture") if name not in ("all", "list")]


@pytest.mark.parametrize("choice", CHOICES, ids=" ".join)
def test_no_number_of_train_takes_anything_else(choice):
    cfg = compose("train", choice)
    numbers = kinds.number_ranges("train", cfg)
    assert {"optimizer.lr", "epochs", "head.dropout"} <= numbers.keys()
    for key in numbers:
        before = OmegaConf.to_container(cfg)
        for wrong in WRONG:
            OmegaConf.update(cfg, key, wrong, merge=False)
            with pytest.raises(UserError, match=key.replace(".", r"\.")):
                validate_numbers(cfg)
            cfg = OmegaConf.create(before)


def test_a_designed_network_takes_numbers_of_its_kind_alone():
    from ajuste_fino.backbone.designed import Design

    for wrong in (inf, True, "many", {"a": 1}):
        with pytest.raises(UserError, match="filters"):
            Design(filters=wrong)
    cfg = compose("train", ["backbone=cnn", "backbone.filters=[4,8,16]"])
    validate_numbers(cfg)
    OmegaConf.update(cfg, "backbone.stride", True)
    with pytest.raises(UserError, match=r"backbone\.stride"):
        validate_numbers(cfg)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_number_of_an_experiment_takes_anything_else(name):
    cfg = compose(f"lecture/{name}", [])
    for key, default in default_settings(name).items():
        for wrong in (inf, nan, True, "many", {"a": 1}) if type(default) in (int, float) else ():
            changed = OmegaConf.create({**OmegaConf.to_container(cfg, resolve=False), key: wrong, "out": "x"})
            with pytest.raises(UserError, match=key):
                read_settings(changed, name)


@pytest.mark.parametrize("verb", [name for name, verb in VERBS.items() if not verb.names])
def test_no_key_is_empty(verb):
    for key in ("out", "images", "run", "csv", "data.root", "backbone.weights", "optimizer.lr", "seed", "config", "storage"):
        if key in conf.keys(verb):
            with pytest.raises(UserError, match=f"{key} must not be empty"):
                compose(verb, [f"{key}="])
            with pytest.raises(UserError, match=f"{key} must not be empty"):
                compose(verb, [f"{key}=' '"])


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ("data.augment=5", "must have keys of its own"),
        ("optimizer.nesterov=no", "must be true or false"),
        ("features.mode=[cached]", "must be one value"),
        ("epochs=${nothing}", "cannot be read"),
        ("optimizer.lr=0,001", r"optimizer\.lr=0\.001\. For several runs pass -m"),
    ],
)
def test_a_value_of_another_kind_is_refused(override, rule):
    with pytest.raises(UserError, match=rule):
        compose("train", ["optimizer=nesterov", override])


@pytest.mark.parametrize(
    ("value", "allowed", "way_out"),
    [
        ("0,001", Range(float, 0), "Write k=0.001."),
        ("20%", Range(float, 0, 1), "Write k=0.2."),
        ("12,5 %", Range(float, 0, 1), "Write k=0.125."),
        ("5", Range(int, 1), "Write k=5."),
        ("1,000", Range(int, 1), "Write k=1000."),
        ("−1", Range(int, -2), "Write k=-1."),
        (5.0, Range(int, 1), "Write k=5."),
        ([0.1], Range(float, 0), "Write k=0.1."),
        ([1, 2], Range(int, 1), "For several runs pass -m k=1,2."),
        (True, Range(float, 0), "Change it."),
        ("0", Range(float, 0, above=True), "Change it."),
    ],
)
def test_what_was_meant(value, allowed, way_out):
    assert kinds.meant("k", value, allowed) == way_out


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (["--epochs", "5"], "Pass epochs=5"),
        (["--epochs=5"], "Pass epochs=5"),
        (["–epochs", "5"], "Pass epochs=5"),
        (["--batch-size", "--epochs"], "Pass batch_size=VALUE"),
        (["—m"], "typographic dash"),
    ],
)
def test_keys_with_dashes(words, way_out):
    with pytest.raises(UserError, match=way_out):
        typed.refuse_dashes(words, ["epochs", "batch_size"])
    typed.refuse_dashes(["-m", "--help", "epochs=5", "-"], ["epochs"])


def test_typographic_signs_and_keys_given_twice():
    with pytest.raises(UserError, match="Write optimizer='sgd'"):
        typed.refuse_typographic(["optimizer=“sgd”"])
    with pytest.raises(UserError, match="Write lr=-1"):
        typed.refuse_typographic(["lr=−1"])
    assert typed.twice(["a=1", "b=2", "a=1"]) == []
    assert typed.twice(["a=1", "a=2"]) == ["a is given twice; the last value counts: 2"]
