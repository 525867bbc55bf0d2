"""What there is to choose from, and what is on this machine."""

import threading

import pytest
import torch
from torchvision import models

from ajuste_fino import backbone
from ajuste_fino.backbone import published
from ajuste_fino.errors import UserError
from ajuste_fino.files import sha256
from ajuste_fino.runs.listing import _backbones, _blocks


@pytest.fixture
def torch_home(tmp_path, monkeypatch):
    """A torch cache of the test's own, which holds weights of squeezenet1_1 and of no other network."""
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(models.squeezenet1_1().state_dict(), folder / "new.pth")
    file = (folder / "new.pth").rename(folder / f"squeezenet1_1-{sha256(folder / 'new.pth')[:8]}.pth")
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(models.SqueezeNet1_1_Weights.DEFAULT.value, "url", f"https://localhost/{file.name}")
    return file


def listed():
    return {name: rest for name, *rest in zip(*(column.cells for column in _backbones().columns), strict=True)}


def test_list_says_what_each_backbone_is_and_whether_it_is_here(torch_home):
    rows = listed()
    assert rows["embedded"] == ["307,360", "2,048", "block3", "64 px", "in the package"]
    assert rows["squeezenet1_1"][-1] == "here"
    assert rows["resnet18"][:3] == ["11,176,512", "512", "layer4"]
    assert rows["resnet18"][-1] == "not here"


@pytest.mark.parametrize("spoil", [lambda c: c[:-9], lambda c: c[:-9] + b"x" + c[-8:], lambda c: b"", lambda c: b"<html>"])
def test_a_damaged_file_is_not_here_and_is_named_until_it_is_deleted(cli, torch_home, spoil):
    torch_home.write_bytes(spoil(torch_home.read_bytes()))
    assert listed()["squeezenet1_1"][-1] == "damaged"
    code, _, err = cli("fetch", "backbone=squeezenet1_1")
    assert code == 2
    assert str(torch_home) in err
    assert "delete it" in err


def test_a_file_of_another_size_is_damaged_without_being_read(torch_home, monkeypatch):
    torch_home.write_bytes(torch_home.read_bytes() + bytes(2**20))
    monkeypatch.setattr(published, "sha256", lambda path: pytest.fail(f"{path} was read"))
    assert listed()["squeezenet1_1"][-1] == "damaged"


def test_an_error_while_networks_are_built_leaves_no_thread(torch_home, monkeypatch):
    def broken(*_):
        raise RuntimeError("broken")

    before = set(threading.enumerate())
    monkeypatch.setattr(backbone, "build", broken)
    with pytest.raises(RuntimeError, match="broken") as caught:
        _backbones()
    assert caught.tb and not set(threading.enumerate()) - before


def test_list_shows_every_group(cli, torch_home):
    code, out, _ = cli("list")
    assert code == 0
    assert all(name in out for name in ("adamw", "lecture", "digits", "cosine", "scratch", "vit_b_16"))


def test_fetch_finds_what_is_there(cli, torch_home):
    code, _, err = cli("fetch", "backbone=squeezenet1_1")
    assert code == 0, err
    assert str(torch_home) in err
    assert cli("fetch")[0] == 0  # embedded: in the package


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["backbone=resnet18"], "cannot be fetched"),
        (["backbone=cnn"], "must be pretrained"),
        (["backbone=resnet18", "backbone.weights=none"], "must be pretrained"),
        (["backbone.name=resnet"], "must be a name that `list` shows"),
    ],
)
def test_fetch_says_what_cannot_be_had(cli, torch_home, monkeypatch, keys, message):
    def nothing(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", nothing)
    code, _, err = cli("fetch", *keys)
    assert code == 2
    assert message in err


def blocks(name):
    return {block: rest for block, *rest in zip(*(column.cells for column in _blocks(name).columns), strict=True)}


FIRST_AND_LAST = {
    "embedded": (5, "stem", ["928", "32 × 32 × 32", "65.5 kB", "yes"], "block4", "after the cut"),
    "resnet18": (8, "conv1", ["9,408", "64 × 112 × 112", "1,605.6 kB", "yes"], "layer4", "yes"),
    "mobilenet_v2": (19, "0", ["928", "32 × 112 × 112", "802.8 kB", "yes"], "18", "yes"),
    "cnn": (5, "block1", ["448", "16 × 16 × 16", "8.2 kB", "yes"], "grid.1", "yes"),
    "squeezenet1_0": (13, "0", ["14,208", "96 × 109 × 109", "2,281.2 kB", "yes"], "12", "yes"),
    "timm/vit_tiny_patch16_224": (18, "patch_embed", ["147,648", "196 × 192", "75.3 kB", "yes"], "fc_norm", "yes"),
    "timm/swin_tiny_patch4_window7_224": (6, "patch_embed", ["4,896", "56 × 56 × 96", "602.1 kB", "yes"], "norm", "yes"),
}


@pytest.mark.parametrize("name", FIRST_AND_LAST)
def test_the_blocks_of_a_backbone_are_listed_in_their_order(name):
    count, first, facts, last, begins = FIRST_AND_LAST[name]
    rows, before = blocks(name), torch.get_rng_state()
    assert (len(rows), next(iter(rows)), list(rows)[-1]) == (count, first, last)
    assert (rows[first], rows[last][-1]) == (facts, begins)
    blocks("embedded")
    assert torch.equal(before, torch.get_rng_state())


def test_the_blocks_are_those_that_a_phase_can_begin_at():
    network, _ = backbone.build("resnet18", "none")
    rows = blocks("resnet18")
    assert list(rows) == [name.removeprefix("features.") for name in network.blocks]
    assert sum(int(row[0].replace(",", "")) for row in rows.values()) == sum(p.numel() for p in network.parameters())


def test_where_a_network_cannot_be_divided_is_said(monkeypatch):
    divide = backbone.Backbone._divide

    def refused(self, last, train_from):
        if train_from.endswith("block2"):
            raise UserError("train_from", "must be another", fix="")
        return divide(self, last, train_from)

    monkeypatch.setattr(backbone.Backbone, "_divide", refused)
    assert [row[-1] for row in blocks("embedded").values()] == ["yes", "yes", "no", "yes", "after the cut"]


@pytest.mark.parametrize("key", ["backbone", "backbone.name"])
def test_list_takes_a_backbone(cli, key):
    code, out, err = cli("list", f"{key}=embedded")
    assert code == 0, err
    assert "block3" in out and "by default after" in out and "adamw" not in out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet8", "Did you mean resnet18"),
        ("timm/resnet8", "must be a model of timm"),
        ("own", "is a class of yours"),
        ("", "must not be empty"),
        ("[a]", "must be a name that `list` shows"),
    ],
)
def test_a_backbone_that_is_none_is_told(cli, name, message):
    code, _, err = cli("list", f"backbone={name}")
    assert (code, message in err) == (2, True), err
