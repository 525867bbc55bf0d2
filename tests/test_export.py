"""Files that run without this package: whether they say what the model says."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from ajuste_fino import bundle
from ajuste_fino.backbone import build
from ajuste_fino.data.images import load_image
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.errors import AjusteFinoError, UserError
from ajuste_fino.export import extras, measure
from ajuste_fino.export.formats import by_onnxruntime, by_torch, metadata, program, write_onnx
from ajuste_fino.export.network import Resize
from ajuste_fino.export.parity import CLEAR, Parity, of_several_sizes, outputs, reference
from ajuste_fino.export.state_dict import verify, write_state_dict
from ajuste_fino.head import Head, HeadShape
from ajuste_fino.predict import Predictor, load
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.export import export
from tests.conftest import draw_folder, shapes

needs_onnx = pytest.mark.skipif(bool(extras.missing()), reason="needs the extra export")
CPU = torch.device("cpu")
SIZES = [(64, 64), (1, 1), (1, 40), (40, 1), (7, 300), (300, 7), (31, 47), (128, 128), (129, 200), (250, 333), (90, 89)]
RULES = {"squash": {"squash": True}, "pad": {"pad": True}, "crop": {}}


def noise(height, width, seed=0):
    return np.random.default_rng([height, width, seed]).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("size", "resize"), [(64, 64), (37, 43)])
def test_the_resize_is_that_of_training_to_the_bit(size, resize, rule, interpolation):
    preprocessing = Preprocessing(size, resize, interpolation=interpolation, **RULES[rule])
    for height, width in SIZES:
        image = noise(height, width)
        found = Resize(preprocessing)(torch.from_numpy(image)[None])[0]
        assert torch.equal(found, preprocessing(Image.fromarray(image)).float()), (height, width)


def parts_of(rule="squash", members=0, backbone="embedded", layer=None, size=None, depth=None, **head):
    torch.manual_seed(0)
    net, _ = build(backbone, "none", layer=layer, size=size)
    shape = HeadShape(net.num_features, 4, **head)
    made = Ensemble(shape, members) if members else Head(shape)
    with torch.no_grad():  # else the classes are all as probable
        made(torch.zeros(1, net.num_features))
        for parameter in made.parameters():
            parameter.mul_(20)
    preprocessing = Preprocessing(**net.preprocessing, depth=depth).fitted(rule)
    return bundle.Bundle(net, made.eval(), list("abcd"), preprocessing, "fp32", temperature=1.7)


KINDS = {
    "crop": {"rule": "crop"},
    "pad of an ensemble": {"rule": "pad", "members": 3, "hidden": 5},
    "layers from scratch, the whole network": {"impl": "scratch", "hidden": 5, "backbone": "cnn"},
}


@needs_onnx
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gives_the_models_probabilities_at_any_size(kind, tmp_path):
    parts = parts_of(**KINDS[kind])
    write_onnx(program(parts), tmp_path / "m.onnx", metadata(parts, "0"))
    run, model = by_onnxruntime(tmp_path / "m.onnx"), Predictor(parts, CPU)
    images = [noise(*size) for size in SIZES]
    wanted = reference(model, images)
    assert float(wanted.std()) > 0.05
    assert Parity.of(outputs(run, images), wanted).largest < 1e-5
    batch = np.stack([noise(50, 60, seed) for seed in range(5)])
    assert Parity.of(torch.from_numpy(run(batch)), reference(model, list(batch))).largest < 1e-5


def photographs(folder):
    """Files of all modes and orientations, of several sizes."""
    folder.mkdir()
    for n, mode in enumerate(["RGB", "L", "LA", "RGBA", "P", "1", "I;16", "CMYK"]):
        image = shapes(n, n).resize((50 + 17 * n, 90 - 7 * n))
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        elif mode == "RGBA":
            image.putalpha(image.convert("L"))
        else:
            image = image.convert(mode)
        image.save(folder / f"{n}.{'tif' if mode == 'CMYK' else 'png'}")
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[274] = turn
        shapes(turn, 9).resize((60 + turn, 40)).save(folder / f"turned{turn}.jpg", exif=exif)
    return sorted(folder.iterdir())


def call(run, out, *keys):
    return export(compose("export", [f"run={run}", f"out={out}", *keys]), Path(out))


@pytest.fixture(scope="session")
def exported(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / "out"
    metrics = call(run[0], out, "format=[onnx,pt2]", "int8=true", "check=12", "calibration=6")
    return out, metrics


@needs_onnx
@pytest.mark.parametrize("name", ["model.onnx", "model.pt2"])
def test_files_of_all_modes_and_orientations_have_the_models_label(exported, run, tmp_path, name):
    images = [np.array(load_image(path)) for path in photographs(tmp_path / "all")]
    wanted = reference(load(run[0]), images)
    found = outputs((by_onnxruntime if name.endswith("onnx") else by_torch)(exported[0] / name), images)
    parity = Parity.of(found, wanted)
    assert parity.largest < 1e-5 and parity.clear == 0 and parity.images == 16


@needs_onnx
def test_what_is_measured_is_kept(exported, run):
    out, metrics = exported
    about = json.loads((out / "export.json").read_text())
    assert about["metrics"] == metrics and about["labels"] == ["1", "2", "10"]
    assert set(about["files"]) == {"model.onnx", "model.pt2", "model.int8.onnx"}
    assert metrics["onnx/largest_difference"] < 1e-5 and metrics["pt2/largest_difference"] < 1e-5
    assert metrics["onnx/sizes"] > 5  # the run's images are all of one
    assert ("onnx/own/largest_difference" in metrics) == (load(run[0]).extractor.precision != "fp32")
    assert {"int8/accuracy", "int8/accuracy_fp32", "int8/labels_differ"} <= metrics.keys()
    assert not [path for path in out.parent.iterdir() if path != out]


@needs_onnx
def test_a_file_says_what_it_is_and_nothing_of_this_machine(exported):
    import onnx

    model = onnx.load(exported[0] / "model.onnx")
    facts = {one.key: one.value for one in model.metadata_props}
    assert json.loads(facts["labels"]) == ["1", "2", "10"]
    assert json.loads(facts["preprocessing"])["size"] == 64
    assert [axis.dim_param or axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        "height",
        "width",
        3,
    ]
    here = str(Path(__file__).parents[1]).encode()
    for name in ("model.onnx", "model.int8.onnx", "model.pt2", "README.md", "export.json"):
        assert here not in (exported[0] / name).read_bytes()


@needs_onnx
def test_8_bits_are_a_quarter_as_large_and_nearly_as_good(exported):
    out, metrics = exported
    assert (out / "model.int8.onnx").stat().st_size < 0.6 * (out / "model.onnx").stat().st_size
    assert metrics["int8/accuracy"] > metrics["int8/accuracy_fp32"] - 0.2
    assert 1e-5 < metrics["int8/largest_difference"] < 0.5


@needs_onnx
def test_the_lines_of_the_card_run(exported, run, tmp_path, monkeypatch, capsys):
    out = exported[0]
    text = (out / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["pipeline_tag"] == "image-classification" and front["labels"] == ["1", "2", "10"]
    assert "95 % interval" in front["model-index"][0]["results"][0]["metrics"][0]["name"]
    exif = Image.Exif()
    exif[274] = 6
    shapes(1, 1).save(tmp_path / "photo.jpg", exif=exif)
    for name in ("model.onnx", "model.pt2"):
        shutil.copy(out / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall("```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2 and all(len([line for line in block.splitlines() if line]) <= 10 for block in blocks)
    wanted = reference(load(run[0]), [np.array(load_image("photo.jpg"))])[0]
    for block in blocks:
        with extras.quiet():
            exec(block, {})
        label, probability = capsys.readouterr().out.split()
        assert label == ["1", "2", "10"][wanted.argmax()]
        assert float(probability) == pytest.approx(float(wanted.max()), abs=1e-5)


@pytest.fixture(scope="session")
def graph(run):
    return program(bundle.read(run[0]))


@pytest.fixture
def quick(graph, monkeypatch):
    """The run's graph is made once for several tests."""
    monkeypatch.setattr("ajuste_fino.runs.export.program", lambda parts: graph)


def test_a_file_that_says_something_else_leaves_nothing(run, tmp_path, monkeypatch, cli, quick):
    real = measure.reference
    monkeypatch.setattr(measure, "reference", lambda *given: real(*given) + torch.tensor([0.0015, -0.0015, 0]))
    code, _, err = cli("export", f"run={run[0]}", "format=pt2", "check=3", f"out={tmp_path / 'sub' / 'out'}")
    assert code == 1 and "model.pt2 is not what the model is: largest difference 0.0015" in err
    assert list((tmp_path / "sub").iterdir()) == []


def test_parity_counts_clear_labels_apart():
    wanted = torch.tensor([[0.5, 0.5], [0.5005, 0.4995], [0.502, 0.498], [0.9, 0.1]])
    parity = Parity.of(wanted.flip(1), wanted)
    assert (parity.images, parity.labels, parity.clear) == (4, 4 - int(wanted[0].argmax() == wanted[0].flip(0).argmax()), 2)
    assert float(wanted[2, 0] - wanted[2, 1]) > CLEAR
    for bad in (wanted + 0.0011, wanted * float("nan"), wanted.flip(1)):
        with pytest.raises(AjusteFinoError, match="Nothing was written"):
            Parity.of(bad, wanted).require("x")
    Parity.of(wanted + 0.0009, wanted).require("x")


def test_images_of_one_size_are_compared_in_others_too():
    assert len(list(of_several_sizes([noise(8, 8), noise(8, 9)]))) == 2
    found = list(of_several_sizes([noise(8, 8, seed) for seed in range(20)]))
    assert len(found) == 28 and len({image.shape for image in found}) > 6


def test_depth_is_in_what_is_compared_and_in_the_card(tmp_path, run):
    from ajuste_fino.data.content import ImageFile
    from ajuste_fino.export.card import card
    from ajuste_fino.export.parity import arrays

    Image.fromarray((np.arange(64 * 60).reshape(60, 64) % 4096).astype(np.uint16)).save(tmp_path / "deep.png")
    source = ImageFile(tmp_path / "deep.png")
    assert [next(arrays([source], depth)).max() for depth in (None, 12)] == [15, 239]
    assert "divided by 16.0588, where 4095 is white" in card(parts_of(depth=12), ["model.onnx"], {}, [])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["format=tflite"], "format must be of onnx, pt2, state_dict; got tflite"),
        (["format=[]"], "must name at least one"),
        (["format=pt2", "int8=true"], "int8 is made of an ONNX file"),
        (["check=0", "format=pt2"], "check must be a whole number"),
        (["format=state_dict"], "needs a backbone of timm or torchvision; got embedded"),
        (["upload=flowers", "format=pt2"], "upload must be OWNER/NAME"),
        (["images=/no/where", "format=pt2"], "images must be an existing path"),
    ],
)
def test_mistakes_are_told_before_the_work(run, tmp_path, keys, message):
    with pytest.raises(UserError, match=message):
        call(run[0], tmp_path / "out", *keys)
    assert list(tmp_path.iterdir()) == []


def test_without_the_libraries(run, tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(UserError, match=r"format=onnx needs onnxscript.*ajuste-fino\[export\]"):
        call(run[0], tmp_path / "out")


@needs_onnx
def test_a_model_whose_images_are_gone(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "moved")
    config = (tmp_path / "moved" / "config.yaml").read_text()
    (tmp_path / "moved" / "config.yaml").write_text(config.replace(f"root: {run[0].parent}", "root: /gone"))
    for keys, message in ((["int8=true", "images=x"], "leave int8 out|existing path"), ([], "Pass images=FOLDER")):
        with pytest.raises(UserError, match=message):
            call(tmp_path / "moved", tmp_path / "out", *keys)
    with pytest.raises(UserError, match="has no images of its own. Pass images=FOLDER"):
        call(shutil.copytree(run[0] / "bundle", tmp_path / "alone"), tmp_path / "out")
    with pytest.raises(UserError, match="which has the images that int8 needs"):
        call(tmp_path / "alone", tmp_path / "out", "int8=true")


def test_a_bundle_alone_is_compared_on_images_that_are_given(run, tmp_path, quick):
    photos = draw_folder(tmp_path / "photos", each=2, first=70)
    shutil.copytree(run[0] / "bundle", tmp_path / "alone")
    metrics = call(tmp_path / "alone", tmp_path / "out", f"images={photos}", "check=4", "format=pt2")
    assert metrics["pt2/images"] == 4 + 4 and metrics["pt2/largest_difference"] < 1e-5


def test_an_image_that_cannot_be_decoded_is_named(run, tmp_path, quick):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match=r"cannot be decoded.*bad\.png"):
        call(run[0], tmp_path / "out", f"images={tmp_path}", "format=pt2")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.png"]


class FakeHub:
    """The hub's interface, without a network."""

    said: list

    def __init__(self):
        FakeHub.said = []

    def whoami(self):
        self.said.append("whoami")

    def create_repo(self, name, private, exist_ok):
        self.said.append(("create", name, private))

    def upload_folder(self, repo_id, folder_path, commit_message):
        self.said.append(("upload", repo_id, sorted(path.name for path in folder_path.iterdir())))


def test_files_are_uploaded_where_that_is_asked_for(run, tmp_path, monkeypatch, quick):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "HfApi", FakeHub)
    call(run[0], tmp_path / "out", "format=pt2", "check=2", "upload=me/flowers", "private=false")
    files = ["README.md", "export.json", "model.pt2"]
    assert FakeHub.said == ["whoami", ("create", "me/flowers", False), ("upload", "me/flowers", files)]


def refuse(*_arguments, **_keys):
    raise OSError("no token")


def test_a_hub_that_refuses_is_told(run, tmp_path, monkeypatch, cli, quick):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "HfApi", type("Anonymous", (FakeHub,), {"whoami": refuse}))
    with pytest.raises(UserError, match=r"logged in .no token."):
        call(run[0], tmp_path / "out", "format=pt2", "upload=me/flowers")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(huggingface_hub, "HfApi", type("Refusing", (FakeHub,), {"upload_folder": refuse}))
    code, _, err = cli("export", f"run={run[0]}", "format=pt2", "check=2", "upload=me/x", f"out={tmp_path / 'out'}")
    assert code == 1 and "me/x could not be written (no token). The files are in" in err
    assert (tmp_path / "out" / "model.pt2").is_file()


NETWORKS = [
    ("mobilenet_v3_small", None),
    ("mobilenet_v3_small", "features.4"),
    ("densenet121", None),  # which writes over the map that is its last
    ("timm/test_resnet", None),
    ("timm/test_vit", None),
]


@pytest.mark.parametrize(("name", "layer"), NETWORKS)
def test_a_backbone_goes_on_in_its_library(name, layer, tmp_path):
    size = 160 if name.startswith("timm/") else 64
    parts = parts_of("crop", backbone=name, layer=layer, size=size)
    write_state_dict(parts, tmp_path / "b.safetensors")
    verify(parts, tmp_path / "b.safetensors")
    tensors = load_file(tmp_path / "b.safetensors")
    if name == "timm/test_vit":
        import timm

        net = timm.create_model("test_vit", num_classes=0).eval()
        net.load_state_dict(tensors, strict=True)
        x = torch.randn(2, 3, 160, 160)
        torch.testing.assert_close(net(x), parts.backbone(x))
    first = next(parameter for parameter in parts.backbone.net.parameters() if parameter.ndim > 1)
    first.data += torch.rand_like(first)
    with pytest.raises(AjusteFinoError, match="does not give the model's features"):
        verify(parts, tmp_path / "b.safetensors")
