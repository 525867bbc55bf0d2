"""Nothing but classes of a known kind, from known or trusted places, is ever made from a `_target_`."""

import json
import pickle
import sys

import pytest
import torch

from ajuste_fino.errors import UserError
from ajuste_fino.files import sha256
from ajuste_fino.predict import load
from ajuste_fino.trust import own_class, packages
from tests.conftest import FAST, draw

TARGETS = [
    "os.system",
    "subprocess.Popen",
    "builtins.eval",
    "builtins.exec",
    "builtins.__import__",
    "importlib.import_module",
    "pickle.loads",
    "numpy.load",
    "joblib.load",
    "torch.load",
    "torch.hub.load",
    "runpy.run_path",
    "shutil.rmtree",
    "hydra.utils.instantiate",
    "torch.optim.sgd.torch.load",  # a known place, and through it another
    "ajuste_fino.scratch.optim.adam.torch.hub.load",
    "canary.Optimizer",
]
PLACES = ["optimizer", "schedule", "head.engine", "backbone", "data.augment"]


@pytest.fixture(autouse=True)
def canary(tmp_path, monkeypatch):
    """A package whose import leaves a mark."""
    package = tmp_path / "path" / "canary"
    package.mkdir(parents=True)
    mark = tmp_path / "mark"
    package.joinpath("__init__.py").write_text(
        f"""from pathlib import Path
import torch
from collections import OrderedDict as Borrowed
Path({str(mark)!r}).touch()
class Optimizer(torch.optim.SGD): pass
class Net(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.body, self.fc = torch.nn.Conv2d(3, width, 3, 8), torch.nn.Linear(width, 2)
    def forward(self, x): return self.fc(self.body(x).mean((2, 3)))
class Mirror:
    def __init__(self, shift=0): self.shift = shift
    def min_size(self, size): return size
    def __call__(self, image, size, seed):
        return torch.full((3, size, size), (seed + self.shift) % 200, dtype=torch.uint8)
def function(*_, **__): Path({str(mark)!r}).touch()
"""
    )
    monkeypatch.syspath_prepend(str(package.parent))
    yield mark
    sys.modules.pop("canary", None)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("place", PLACES)
def test_a_target_from_an_override(cli, photos, tmp_path, canary, target, place):
    keys = [f"{place}._target_={target}"]
    if place in ("head.engine", "data.augment"):
        keys = [f"+{place}={{_target_: {target}}}" if place == "head.engine" else f"+{place}._target_={target}"]
        keys = [key.replace("+head", "head") for key in keys]
    if place == "backbone":
        keys.append("backbone=own")
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST, *keys)
    assert code == 2, err
    assert "must" in err
    assert not canary.exists()
    assert not (tmp_path / "run").exists()


HYDRA = [
    "hydra.callbacks.summary._target_=canary.function",
    "+hydra.callbacks.more._target_=canary.function",
    "+hydra.callbacks.more={_target_: canary.function}",
    "hydra.sweeper._target_=canary.function",
    "hydra.launcher._target_=canary.function",
    "hydra/launcher=other",
    "optimizer@hydra.sweeper=adam",
    "hydra.searchpath=[pkg://canary]",
    "--experimental-rerun=x.pickle",
    "--exp=x.pickle",
    "--config-path=/tmp",
    "--config-name=evil",
]


@pytest.mark.parametrize("argument", HYDRA)
def test_hydra_is_not_made_to_run_anything(cli, tmp_path, canary, argument):
    code, _, err = cli("train", f"out={tmp_path / 'run'}", argument)
    assert code == 2
    assert "not" in err
    assert not canary.exists()


GLOBAL = "# @package _global_\n"
FILES = {
    "optimizer/evil.yaml": ("optimizer=evil", "_target_: canary.Optimizer\nlr: 0.1\n", "needs trust="),
    "backbone/evil.yaml": ("backbone=evil", "name: own\nweights: none\n_target_: canary.Net\narguments: {}\n", "trusted"),
    "schedule/evil.yaml": ("schedule=evil", "_target_: os.system\n", "must be a class"),
    "head/evil.yaml": (
        "head=evil",
        "# @package _global_\nhydra:\n  callbacks:\n    x:\n      _target_: canary.function\n",
        "Hydra's own",
    ),
    "data/evil.yaml": ("data=evil", f"{GLOBAL}trust: [canary]\ndata:\n  name: digits\n", "command line only"),
}


@pytest.mark.parametrize("file", FILES)
def test_a_target_from_a_file(cli, tmp_path, canary, file):
    override, text, message = FILES[file]
    (tmp_path / "conf" / file).parent.mkdir(parents=True)
    (tmp_path / "conf" / file).write_text(text)
    code, _, err = cli("train", "--config-dir", tmp_path / "conf", override, f"out={tmp_path / 'run'}", "epochs=1")
    assert code == 2, err
    assert message in err
    assert not canary.exists()


class Payload:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("suffix", [".pth", ".ckpt", ".pt"])
def test_a_checkpoint_runs_nothing(cli, tmp_path, canary, suffix):
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        path.write_bytes(pickle.dumps({"a": Payload(canary)}))
    else:
        torch.save({"state_dict": {"a": torch.zeros(1)}, "callbacks": Payload(canary)}, path)
    code, _, err = cli("train", f"backbone.weights={path}", f"out={tmp_path / 'run'}")
    assert code == 2, err
    assert "cannot be read as weights" in err
    assert not canary.exists()


@pytest.mark.parametrize("target", TARGETS)
def test_a_bundle_runs_nothing(run, tmp_path, canary, target):
    import shutil

    folder = tmp_path / "bundle"
    shutil.copytree(run[0] / "bundle", folder)
    facts = json.loads((folder / "bundle.json").read_text())
    facts["backbone"] |= {"name": "own", "design": {"_target_": target, "arguments": {}}}
    (folder / "bundle.json").write_text(json.dumps(facts))
    (folder / "SHA256SUMS").write_text("".join(f"{sha256(folder / n)}  {n}\n" for n in ("model.safetensors", "bundle.json")))
    with pytest.raises(UserError, match="trust"):
        load(folder)
    assert not canary.exists()


def test_what_is_trusted_works(cli, photos, tmp_path, canary):
    keys = ("backbone=own", "backbone._target_=canary.Net", "+backbone.arguments.width=6", "data.image_size=32")
    keys += ("optimizer._target_=canary.Optimizer", "~optimizer.weight_decay", "~optimizer.impl")
    keys += ("+data.augment._target_=canary.Mirror", "features.views=2", "epochs=2", "workers=0", "trust=[canary]")
    out = tmp_path / "run"
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={out}", *keys)
    assert code == 0, err
    assert cli("evaluate", f"run={out}", f"out={tmp_path / 'again'}", "workers=0")[0] == 2
    assert cli("evaluate", f"run={out}", f"out={tmp_path / 'again'}", "workers=0", "trust=[canary]")[0] == 0
    assert load(out, trust=["canary"]).predict(draw(0, 0)).label in {"1", "2", "10"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("canary.Borrowed", "must be a Module of the package"),
        ("canary.function", "must be a Module of the package"),
        ("canary.Missing", "cannot be imported"),
        ("canary.deeper.Net", "cannot be imported"),
        ("Net", "trusted"),
    ],
)
def test_trust_reaches_classes_of_that_package_and_kind_alone(target, message):
    with pytest.raises(UserError, match=message):
        own_class(target, torch.nn.Module, ["canary"], "backbone._target_")


@pytest.mark.parametrize("value", [["a b"], ["os.path"], {"a": 1}, [1]])
def test_trust_is_a_list_of_packages(value):
    with pytest.raises(UserError, match="list of packages"):
        packages(value)
