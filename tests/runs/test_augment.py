"""`augment=NAME`: what each policy is, whose values win, and what is refused or warned of."""

import sys

import pytest
from omegaconf import OmegaConf

from ajuste_fino.data.transforms import Augmentation
from ajuste_fino.errors import UserError
from ajuste_fino.runs import conf
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.factories import augmentation
from ajuste_fino.runs.prepare import validate_numbers
from tests.conftest import FAST

FOLDER = ["data=folder", "data.root=photos"]
POLICIES = ["light", "standard", "strong"]


def made(*overrides):
    cfg = compose("train", ["features.views=2", *overrides])
    validate_numbers(cfg)
    return augmentation(cfg)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A package with two classes, of which one takes arguments named as ours."""
    text = "class Mirror:\n    def min_size(self, size): return size\n    def __call__(self, image, size, seed): ...\n"
    text += (
        "class Turned(Mirror):\n    def __init__(self, flip=0.1, erase=0.2, angle=5):\n        self.all = flip, erase, angle\n"
    )
    (tmp_path / "minevary.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda name, *rest: made("augment=own", f"data.augment._target_=minevary.{name}", "trust=[minevary]", *rest)
    sys.modules.pop("minevary", None)


def test_there_are_five_and_the_default_is_what_it_was():
    assert conf.options("augment") == ["light", "none", "own", "standard", "strong"]
    assert made(*FOLDER) == made(*FOLDER, "augment=light") == Augmentation() == Augmentation(0.6, 0.5, 0.2, False, 0.0)
    assert made() == Augmentation(0.8, 0.0, 0.2)


@pytest.mark.parametrize("policy", POLICIES)
def test_whatever_the_policy_a_digit_is_neither_mirrored_nor_turned(policy):
    digits, photos = made(f"augment={policy}"), made(*FOLDER, f"augment={policy}")
    assert (digits.scale, digits.flip, digits.trivial) == (0.8, 0.0, False)
    assert (digits.color, digits.erase) == (photos.color, photos.erase)
    told = made(f"augment={policy}", "data.augment.flip=0.3", "data.augment.scale=0.4", "data.augment.trivial=true")
    assert (told.scale, told.flip, told.trivial) == (0.4, 0.3, True)


def test_each_policy_varies_more_than_the_one_before():
    light, standard, strong = (made(*FOLDER, f"augment={policy}") for policy in POLICIES)
    assert light.scale > standard.scale > strong.scale
    assert light.erase < standard.erase < strong.erase
    assert strong.trivial and not standard.trivial


@pytest.mark.parametrize("order", [1, -1])
def test_a_key_on_the_command_line_wins_wherever_it_stands(order):
    varied = made(*FOLDER, *["augment=strong", "data.augment.scale=0.5", "data.augment.trivial=false"][::order])
    assert varied == Augmentation(0.5, 0.5, 0.0, False, 0.25)


@pytest.mark.parametrize("data", [[], FOLDER])
def test_none_is_for_one_view_alone(data):
    augmentation(compose("train", [*data, "augment=none", "features.views=1"]))
    with pytest.raises(UserError, match=r"features\.views=2\. Pass features\.views=1, or augment=light"):
        made(*data, "augment=none")


def test_none_is_refused_before_anything_is_written(cli, photos, tmp_path):
    keys = ("data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST, "augment=none", "features.views=3")
    code, _, err = cli("train", *keys)
    assert (code, (tmp_path / "run").exists()) == (2, False), err


@pytest.mark.parametrize("policy", ["standard", "strong"])
def test_a_policy_without_a_view_to_vary_is_told(caplog, capsys, policy):
    augmentation(compose("train", [*FOLDER, f"augment={policy}"]))
    said = caplog.text + capsys.readouterr().err
    assert "data.augment.erase can vary only" in said.replace("data.augment.color and ", "").replace(
        "data.augment.trivial and ", ""
    )
    assert "features.views=4" in said


@pytest.mark.parametrize("policy", ["light", "none"])
def test_nothing_is_told_where_none_was_chosen(caplog, capsys, policy):
    augmentation(
        compose("train", [*FOLDER, f"augment={policy}", "data.augment.flip=0"] if policy == "light" else ["augment=none"])
    )
    assert "can vary only" not in caplog.text + capsys.readouterr().err


def test_a_class_of_ones_own_gets_what_it_is_given_and_what_the_data_says(mine):
    assert mine("Mirror", *FOLDER).min_size(7) == 7
    assert mine("Mirror").min_size(7) == 7  # it takes no flip
    assert mine("Turned", *FOLDER).all == (0.1, 0.2, 5)
    assert mine("Turned").all == (0.0, 0.2, 5)  # the digits have a flip
    assert mine("Turned", *FOLDER, "+data.augment.erase=0.9", "+data.augment.angle=7").all == (0.1, 0.9, 7)
    with pytest.raises(UserError, match="is not accepted"):
        mine("Mirror", *FOLDER, "+data.augment.angle=7")


def test_a_class_beside_a_policy_gets_nothing_of_it(mine):
    assert made(*FOLDER, "+data.augment._target_=minevary.Turned", "trust=[minevary]").all == (0.1, 0.2, 5)
    assert made("+data.augment._target_=minevary.Turned", "trust=[minevary]").all == (0.1, 0.2, 5)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["augment=own"], "data.augment._target_ must be given. Pass for example data.augment._target_=mine.Augment"),
        (["augment=strnog"], "Did you mean strong?"),
        (["augment=own", "data.augment._target_=mine.X", "data.augment.flip=1"], "augment=light|standard|strong has it"),
        (["augment=strong", "data.augment.erase=2"], "data.augment.erase must be a number from 0 to 1"),
        (["data.augment.trivial=2"], "data.augment.trivial must be true or false"),
        (["data.augment=5"], "must have keys of its own"),
        (["augment=own", "data.augment=5"], "must have keys of its own"),
        (["data.augment.mixup=1"], "is unknown to train"),
        (["augment=own", "data.augment._target_=mine.X"], "pass trust=[mine]"),
    ],
)
def test_mistakes(cli, photos, tmp_path, overrides, message):
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *overrides)
    assert (code, (tmp_path / "run").exists()) == (2, False)
    assert message in err


def test_help_shows_the_values_that_are_in_force(cli):
    out = cli("train", "augment=strong", "--help")[1]
    assert "data.augment.erase=0.25" in out and "data.augment.scale=0.8" in out and "data.augment.scale=0.25" not in out
    assert "data.augment.scale=0.25" in cli("train", "augment=strong", "data=folder", "--help")[1]


@pytest.mark.parametrize("verb", ["choose", "audit"])
def test_verbs_that_vary_nothing_take_the_keys_they_took(verb):
    assert compose(verb, [*FOLDER, "data.augment.flip=0"]).data.augment.flip == 0


@pytest.mark.parametrize("named", [[], ["augment=light"], ["augment=none"]])
@pytest.mark.parametrize("first", [["augment=strong"], ["augment=standard", "data.augment.flip=0.1"], ["augment=none"]])
@pytest.mark.parametrize("data", [[], FOLDER])
def test_a_run_is_repeated_with_its_policy_unless_another_is_named(tmp_path, data, first, named):
    cfg = compose("train", [*data, *first, "out=x"])
    OmegaConf.save(cfg, tmp_path / "config.yaml")
    again = compose("train", [f"config={tmp_path / 'config.yaml'}", *named])
    assert again.data.augment == (compose("train", [*data, *named]) if named else cfg).data.augment
    assert {**again.data, "augment": 0} == {**cfg.data, "augment": 0}


def test_a_run_of_before_is_repeated(tmp_path):
    cfg = compose("train", [*FOLDER, "data.augment.flip=0.1", "out=x"])
    del cfg.data.augment.trivial, cfg.data.augment.erase
    OmegaConf.save(cfg, tmp_path / "config.yaml")
    again = compose("train", [f"config={tmp_path / 'config.yaml'}", "features.views=2"])
    assert augmentation(again) == Augmentation(flip=0.1)


@pytest.mark.parametrize("head", ["# @package data.augment\n", ""])
def test_a_policy_of_ones_own(tmp_path, cli, photos, head):
    (tmp_path / "my" / "augment").mkdir(parents=True)
    (tmp_path / "my" / "augment" / "mine.yaml").write_text(f"{head}# As I like it\ndefaults: [strong, _self_]\nerase: 0.5\n")
    keys = ("--config-dir", tmp_path / "my", "data=folder", f"data.root={photos}", "augment=mine", "features.views=2")
    code, _, err = cli("train", *keys, *FAST, f"out={tmp_path / 'run'}")
    assert code == (0 if head else 2), err
    if head:
        augment = OmegaConf.load(tmp_path / "run" / "config.yaml").data.augment
        assert (augment.erase, augment.trivial, augment.scale) == (0.5, True, 0.25)
    else:
        assert "Let its first line be: # @package data.augment" in err
