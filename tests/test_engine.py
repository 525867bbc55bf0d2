import copy
import sys

import pytest
import torch
from torch import nn

from ajuste_fino.backbone import build
from ajuste_fino.data.hashing import hash_files
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.scan import scan
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.errors import AjusteFinoError, UserError
from ajuste_fino.features import CachedFeatures, Extractor, engine, graph
from ajuste_fino.features.extractor import identity
from ajuste_fino.freezing import Frozen
from ajuste_fino.predict import no_progress

pytestmark = pytest.mark.skipif(not graph.is_installed(), reason="needs the extra openvino")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _own(own_cache):
    """No test sees another's features."""


@pytest.fixture
def samples(photos):
    return hash_files(scan(photos).samples, 0, no_progress)[0]


def extractor_of(name="embedded", precision="fp32", **cut):
    torch.manual_seed(0)
    backbone, _ = build(name, "none", **cut)
    return Extractor(Frozen(backbone), Preprocessing(**backbone.preprocessing), precision)


def cached_of(extractor, wanted="auto"):
    return CachedFeatures(extractor, Augmentation(), LoaderConfig(CPU, 8, 0, no_progress), engine=wanted)


def all_of(features, samples):
    return torch.cat(list(features.features_of(samples)))


CUTS = [("embedded", {}), ("squeezenet1_1", {"size": 64}), ("mobilenet_v2", {"layer": "4", "pool": 2, "size": 64})]


@pytest.mark.parametrize(("name", "cut"), CUTS, ids=["embedded", "squeezenet", "mobilenet"])
def test_a_graph_gives_the_features_of_torch(name, cut):
    extractor = extractor_of(name, **cut)
    pixels = torch.randint(0, 256, (5, 3, *[extractor.preprocessing.size] * 2), dtype=torch.uint8)
    compiled = graph.CompiledExtractor(extractor)
    ours, theirs = compiled(pixels), extractor(pixels)
    assert ours.dtype == torch.float32
    assert float((ours - theirs).abs().max()) <= 1e-5 * float(theirs.abs().max())
    assert torch.equal(compiled(pixels[3:]), ours[3:])  # whatever else is in the batch


def test_bf16_is_computed_about_as_roughly_as_by_torch():
    extractor = extractor_of(precision="bf16")
    pixels = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    exact = extractor.at("fp32")(pixels)
    ours, theirs = (
        float((found - exact).abs().max()) for found in (graph.CompiledExtractor(extractor)(pixels), extractor(pixels))
    )
    assert 0 <= ours <= 3 * theirs


def test_auto_takes_a_graph_where_the_images_are_worth_it(monkeypatch, samples):
    few = cached_of(extractor_of())
    few.missing([sample.sha256 for sample in samples])
    assert few.engine.name == "torch"
    monkeypatch.setattr(engine, "WORTH", 1)
    many = cached_of(extractor_of())
    features = all_of(many, samples)
    assert (many.engine.name, many.misses) == ("openvino", len(samples))
    assert torch.allclose(features, all_of(cached_of(extractor_of(), "torch"), samples), atol=1e-5)


@pytest.mark.parametrize("first", ["torch", "openvino"])
def test_what_has_all_features_already_is_taken_and_no_graph_is_made(monkeypatch, samples, first):
    features = all_of(cached_of(extractor_of(), first), samples)
    monkeypatch.setattr(engine, "WORTH", 1 if first == "torch" else 10**12)
    monkeypatch.setattr(graph, "Graph", None)
    again = cached_of(extractor_of())
    assert torch.equal(all_of(again, samples), features)
    assert (again.engine.name, again.misses) == (first, 0)


def test_a_rerun_makes_no_graph(monkeypatch, photos, tmp_path):
    from ajuste_fino import fine_tune

    monkeypatch.setattr(engine, "WORTH", 1)
    keys = {"backbone": "embedded", "features.precision": "fp32", "epochs": 1, "workers": 0}
    assert fine_tune(photos, out=str(tmp_path / "a"), **keys).metrics["features/engine"] == "openvino"
    monkeypatch.setattr(graph, "Graph", None)
    again = fine_tune(photos, out=str(tmp_path / "b"), **keys).metrics
    assert (again["features/engine"], again["cache/hit"], "time/graph_s" in again) == ("openvino", True, False)


def test_the_engine_is_part_of_the_key_and_torch_has_the_key_it_had():
    extractor = extractor_of()
    assert "engine" not in identity(extractor)
    assert identity(extractor, "openvino") == {**identity(extractor), "engine": "openvino"}


def test_a_model_in_bf16_predicts_by_the_engine_that_it_was_trained_with(monkeypatch, photos, tmp_path):
    """Whatever lies in the cache, and for one image as for many."""
    from ajuste_fino import fine_tune, load
    from ajuste_fino.files import read_csv

    keys = {"backbone": "embedded", "features.precision": "bf16", "epochs": 2, "workers": 0}
    for name in ("torch", "openvino"):
        fine_tune(photos, out=str(tmp_path / name), **keys, **{"features.engine": name})
    for name in ("torch", "openvino"):
        model = load(tmp_path / name)
        assert model.engine == name
        rows = read_csv(tmp_path / name / "predictions_test.csv")
        told = [float(row["probability"]) for row in rows]
        for found in (model.predict([photos / row["file"] for row in rows]), [model.predict(photos / r["file"]) for r in rows]):
            assert [one.probability for one in found] == pytest.approx(told, abs=2e-6)


def test_a_model_of_openvino_in_bf16_is_predicted_by_torch_where_there_is_no_graph(monkeypatch, caplog):
    extractor = extractor_of(precision="bf16")
    assert engine.engine_for(extractor, "torch", CPU) == "torch"
    monkeypatch.setattr(graph, "TOLERANCE", -1)
    monkeypatch.setattr(graph, "OF_BF16", 0)
    assert engine.engine_for(extractor, "openvino", CPU) == "torch"
    assert "rounds otherwise" in caplog.text
    assert engine.engine_for(extractor_of(), "openvino", CPU) == "auto"


def test_a_copy_of_a_model_makes_its_graph_anew():
    extractor = extractor_of()
    graph.CompiledExtractor(extractor)
    assert copy.deepcopy(extractor).backbone.graph is None


class Moody(nn.Module):
    """Sees one image otherwise than several, which a graph does not."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x if len(x) == 1 else x * 2)


def test_torch_computes_what_a_graph_computes_otherwise(monkeypatch, samples, caplog):
    monkeypatch.setattr(engine, "WORTH", 1)
    extractor = extractor_of()
    extractor.backbone.module.net = Moody(extractor.backbone.module.net)
    features = cached_of(extractor)
    all_of(features, samples)
    assert features.engine.name == "torch"
    assert "so torch does: its features differ" in caplog.text
    with pytest.raises(AjusteFinoError, match=r"its features differ.*Pass features\.engine=torch"):
        all_of(cached_of(extractor, "openvino"), samples)


def test_the_proof_of_freezing_covers_the_graph():
    extractor = extractor_of()
    compiled = graph.CompiledExtractor(extractor).graph
    extractor.backbone.verify_frozen()
    before = compiled.compiled
    compiled.compiled = lambda pixels: [before(pixels)[0] * (1 + 1e-6)]
    with pytest.raises(AjusteFinoError, match="gives other features than before"):
        extractor.backbone.verify_frozen()


def test_the_library_reports_nothing_of_its_use():
    assert "openvino" in sys.modules or graph._openvino()
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__ == "openvino.tools.ovc.telemetry_stub"
    assert "openvino_telemetry" not in sys.modules


def test_without_the_library(monkeypatch, samples, caplog):
    monkeypatch.setattr(engine, "is_installed", lambda: False)
    monkeypatch.setattr(engine, "WORTH", 1)
    with pytest.raises(UserError, match=r"needs the library openvino.*ajuste-fino\[openvino\]"):
        engine.require_engine("openvino", CPU, "cached", True)
    features = cached_of(extractor_of())
    caplog.set_level("INFO")
    all_of(features, samples)
    assert features.engine.name == "torch"
    assert "ajuste-fino[openvino]" in caplog.text


@pytest.mark.parametrize(
    ("wanted", "device", "mode", "frozen", "message"),
    [
        ("tensorrt", "cpu", "cached", True, "must be one of auto, torch, openvino"),
        ("openvino", "cuda", "cached", True, "on a CPU"),
        ("openvino", "cpu", "live", True, "features.mode=live"),
        ("openvino", "cpu", "cached", False, "all of the backbone trained"),
    ],
)
def test_what_an_engine_cannot_do_is_refused(wanted, device, mode, frozen, message):
    with pytest.raises(UserError, match=message):
        engine.require_engine(wanted, torch.device(device), mode, frozen)
