"""`backbone.weights=RUN`: go on from the backbone of a run."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from ajuste_fino import bundle
from ajuste_fino.backbone import Backbone, build
from ajuste_fino.backbone.continued import go_on_from
from ajuste_fino.bundle_files import is_of_run
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.head import Head, HeadShape
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.own_weights import trained_backbone
from tests.conftest import draw_folder
from tests.test_bundle import zipped

NAMES = {
    "embedded": {},
    "resnet18": {"layer": "layer2", "pool": 2, "size": 64},
    "squeezenet1_1": {"size": 64},
    "timm/vit_tiny_patch16_224": {},
}


def write(folder, name, **keys):
    """The bundle of a backbone of random weights in a run folder."""
    torch.manual_seed(5)
    backbone, _ = build(name, "none", **keys)
    backbone.origin = "of somebody; MIT"
    parts = Head(HeadShape(backbone.num_features, 2)), ["a", "b"], Preprocessing(**backbone.preprocessing), "fp32"
    bundle.write(bundle.Bundle(backbone, *parts), folder / "bundle")
    (folder / "config.yaml").touch()
    return backbone


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_with_the_tensors_cut_and_preprocessing_of_the_run(tmp_path, name):
    trained = write(tmp_path, name, **NAMES[name])
    before = {key: tensor.clone() for key, tensor in trained.net.state_dict().items()}
    new, notes = trained_backbone(str(tmp_path), [], name=name)
    assert (new.spec, new.origin) == (trained.spec, "of somebody; MIT")
    assert Preprocessing(**new.preprocessing).metadata() | {"mean": 0, "std": 0} == (
        Preprocessing(**trained.preprocessing).metadata() | {"mean": 0, "std": 0}
    )
    assert list(new.preprocessing["mean"]) == list(trained.preprocessing["mean"])
    assert all(torch.equal(tensor, before[key]) for key, tensor in new.net.state_dict().items())
    x = torch.rand(2, 3, new.preprocessing["size"], new.preprocessing["size"])
    with torch.inference_mode():
        assert torch.equal(new(x), trained(x))
    assert "the head is new" in notes[0] and "a, b" in notes[0]


@pytest.mark.parametrize(("layer", "pool"), [("block1", 2), ("block3", 1), ("features.block2", None)])
def test_it_may_end_earlier(tmp_path, layer, pool):
    trained = write(tmp_path, "embedded")
    new, _ = trained_backbone(str(tmp_path), [], name="embedded", layer=layer, pool=pool)
    assert new.spec.layer == f"features.{layer.removeprefix('features.')}" and new.spec.pool == (pool or trained.spec.pool)
    assert all(torch.equal(tensor, trained.net.state_dict()[key]) for key, tensor in new.net.state_dict().items())


@pytest.mark.parametrize(
    ("name", "keys", "later", "end"),
    [("embedded", {}, "block4", "block3"), ("resnet18", {"layer": "layer2", "size": 64}, "layer3", "layer2")],
)
def test_blocks_that_the_run_does_not_have_are_told(tmp_path, name, keys, later, end):
    write(tmp_path, name, **keys)
    with pytest.raises(UserError, match=rf"features.tap must not lie behind {end}(.|\n)*Pass features.tap={end} or an earlier"):
        trained_backbone(str(tmp_path), [], name=name, layer=later)
    assert trained_backbone(str(tmp_path), [], name=name, layer=end)


def test_the_preprocessing_is_the_runs_unless_keys_say_otherwise(tmp_path):
    trained = write(tmp_path, "resnet18", size=96)
    trained.preprocessing = {**trained.preprocessing, "squash": True, "depth": 12}
    found = go_on_from(trained, "x", "resnet18").preprocessing
    assert (found["size"], found["squash"], "depth" in found) == (96, True, False)
    assert go_on_from(trained, "x", "resnet18", size=64).preprocessing["size"] == 64


def test_a_size_that_the_tensors_do_not_fit_is_told():
    """As the positions of a vision transformer, one for each part of an image, would not."""
    trained, _ = build("embedded", "none")
    conv = next(part for part in trained.net.modules() if isinstance(part, torch.nn.Conv2d))
    conv.weight = torch.nn.Parameter(conv.weight[:, :1])
    with pytest.raises(UserError, match=r"data.image_size=96 does not suit the weights of x"):
        go_on_from(trained, "x", "embedded", size=96)


DESIGN = {"layers": 2, "filters": 4, "kernel": 3}


def test_a_design_of_ones_own_must_be_the_same(tmp_path):
    trained = write(tmp_path, "cnn", design=DESIGN)
    new, _ = trained_backbone(str(tmp_path), [], name="cnn", design={**DESIGN, "dropout": 0.5, "impl": "torch"})
    assert new.spec.design["dropout"] == 0.5
    assert all(torch.equal(a, b) for a, b in zip(new.net.state_dict().values(), trained.net.state_dict().values(), strict=True))
    for other in ({"kernel": 5}, {"pooling": "average"}, {"layers": 3}):
        with pytest.raises(UserError, match=rf"another design \(.*{next(iter(other))}(.|\n)*backbone.filters=\[4,8\]"):
            trained_backbone(str(tmp_path), [], name="cnn", design=DESIGN | other)


def test_another_backbone_is_told_by_the_name_of_the_right_one(tmp_path):
    write(tmp_path, "embedded")
    with pytest.raises(UserError, match=r"is a run of embedded(.|\n)*got resnet18. Pass backbone.name=embedded"):
        trained_backbone(str(tmp_path), [], name="resnet18")


@pytest.mark.parametrize("spoil", ["tensor", "sums", "none"])
def test_what_is_damaged_is_told_by_the_key(tmp_path, spoil):
    write(tmp_path, "embedded")
    if spoil == "none":
        shutil.rmtree(tmp_path / "bundle")
    else:
        file = tmp_path / "bundle" / ("model.safetensors" if spoil == "tensor" else "SHA256SUMS")
        file.write_bytes(file.read_bytes()[:-1] + b"\0")
    with pytest.raises(UserError, match="backbone.weights|is not as it was written") as caught:
        trained_backbone(str(tmp_path), [], name="embedded")
    assert "run=" not in str(caught.value)


def test_what_is_a_run(tmp_path, run):
    assert is_of_run(run[0]) and is_of_run(run[0] / "bundle") and is_of_run(zipped(tmp_path / "z.zip", run[0]))
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    (tmp_path / "bad.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    for other in (tmp_path, tmp_path / "w.pth", tmp_path / "bad.zip", tmp_path / "nothing", tmp_path / ("x" * 300)):
        assert not is_of_run(other)


@pytest.mark.parametrize("word", ["pretrained", "none"])
def test_words_stay_words_whatever_lies_here(tmp_path, monkeypatch, word):
    write(tmp_path / word, "resnet18", size=64)
    monkeypatch.chdir(tmp_path)
    assert trained_backbone(word, [], name="embedded") is None
    assert compose("train", [f"backbone.weights={word}"]).backbone.name == "embedded"


FOLDER = ["data=folder", "data.root=x"]


@pytest.mark.parametrize("verb", ["train", "sweep"])
@pytest.mark.parametrize("data", [[], FOLDER])
@pytest.mark.parametrize("form", ["run", "bundle", "zip"])
def test_the_backbone_is_that_of_the_run_unless_one_is_named(tmp_path, verb, data, form):
    write(tmp_path / "my $run, a", "squeezenet1_1", size=64)
    path = tmp_path / "my $run, a"
    path = zipped(tmp_path / "z.zip", path) if form == "zip" else path / "bundle" if form == "bundle" else path
    weights = f"backbone.weights={path}"
    assert compose(verb, [*data, weights]).backbone.name == "squeezenet1_1"
    assert compose(verb, [*data, weights, "backbone=resnet18"]).backbone.name == "resnet18"
    assert compose(verb, [*data, "backbone.name=alexnet", weights]).backbone.name == "alexnet"


def test_so_is_a_design(tmp_path):
    write(tmp_path, "cnn", design=DESIGN)
    cfg = compose("train", [f"backbone.weights={tmp_path}"]).backbone
    assert (cfg.name, cfg.layers, list(cfg.filters), cfg.grid) == ("cnn", 2, [4, 8], 4)


NONE = ["{", "[]", '{"backbone": 1}', '{"backbone": {"name": 3}}', '{"backbone": {"name": "cnn", "design": 3}}', "[" * 10**5]


@pytest.mark.parametrize("content", NONE)
def test_what_is_no_bundle_names_no_backbone(tmp_path, content):
    write(tmp_path, "resnet18", size=64)
    (tmp_path / "bundle" / "bundle.json").write_text(content)
    assert compose("train", [f"backbone.weights={tmp_path}"]).backbone.name == "embedded"


def test_trained_on_and_on_is_said_once():
    torch.manual_seed(0)
    backbone, _ = build("embedded", "none")
    backbone.origin = "of somebody"
    _, tail = backbone.split("block3")
    for _ in range(2):
        backbone.adopt(tail)
    assert backbone.origin == "trained on from those of somebody"
    assert isinstance(go_on_from(backbone, "x", "embedded"), Backbone)


def test_a_run_goes_on_from_a_run_with_other_classes(cli, tmp_path, run):
    root = draw_folder(tmp_path / "photos", classes=("x", "y"), first=50)
    out = tmp_path / "second"
    keys = ["epochs=1", "workers=0", "features.views=1", "backbone.weights=" + str(run[0])]
    code, _, err = cli("train", "data=folder", f"data.root={root}", f"out={out}", *keys)
    assert code == 0, err
    assert "the head is new, also for classes that the run knows (1, 2, 10)" in " ".join(err.split())
    first, second = bundle.read(run[0]), bundle.read(out)
    assert second.labels == ["x", "y"] and second.preprocessing == first.preprocessing
    assert all(torch.equal(t, first.backbone.net.state_dict()[k]) for k, t in second.backbone.net.state_dict().items())
    assert json.loads((out / "metrics.json").read_text())["frozen/unchanged"] is True
    again = tmp_path / "third"
    code, _, err = cli("train", f"config={out}", f"out={again}")
    assert code == 0, err
    assert (again / "predictions_test.csv").read_bytes() == (out / "predictions_test.csv").read_bytes()
    code, _, err = cli("train", "data=folder", f"data.root={root}", f"out={tmp_path / 'no'}", *keys, "features.tap=block4")
    assert (code, "must not lie behind block3" in err, (tmp_path / "no").exists()) == (2, True, False)


def test_padding_is_kept(run, tmp_path):
    parts = bundle.read(run[0])
    bundle.write(replace(parts, preprocessing=parts.preprocessing.fitted("pad")), tmp_path / "padded")
    new, _ = trained_backbone(str(tmp_path / "padded"), [], name="embedded")
    assert new.preprocessing["pad"] is True
