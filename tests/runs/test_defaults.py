"""What a run takes where nothing is said."""

import json

import pytest
from PIL import Image

from ajuste_fino import load
from ajuste_fino.files import read_csv
from ajuste_fino.runs.configuration import compose
from tests.conftest import draw

FOLDER = ["data=folder", "data.root=x"]


@pytest.mark.parametrize("verb", ["train", "sweep"])
@pytest.mark.parametrize(
    ("overrides", "backbone"),
    [
        ([], "embedded"),
        (["data=digits"], "embedded"),
        (FOLDER, "efficientnet_lite0"),
        ([*FOLDER, "backbone=resnet18"], "resnet18"),
        (["backbone=resnet18"], "resnet18"),
        (["backbone.name=resnet50"], "resnet50"),
    ],
)
def test_the_backbone_follows_the_data_unless_it_is_named(verb, overrides, backbone):
    assert compose(verb, overrides).backbone.name == backbone


@pytest.mark.parametrize("verb", ["audit", "choose"])
def test_verbs_without_a_backbone_take_any_data(verb):
    assert "backbone" not in compose(verb, ["data=digits"])


def test_ones_own_name_for_the_digits_has_their_backbone(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text("defaults:\n  - digits\n  - _self_\nval: 0.3\n")
    assert compose("train", ["data=mine"], str(tmp_path)).backbone.name == "embedded"


def test_a_run_by_all_defaults_from_photographs_to_predictions(cli, tmp_path):
    for label in range(2):
        (tmp_path / "photos" / "ab"[label]).mkdir(parents=True)
        for n in range(6):
            draw(label, n, 240).resize((300, 240), Image.Resampling.BICUBIC).save(
                tmp_path / "photos" / "ab"[label] / f"{n}.jpg"
            )
    keys = ("backbone=efficientnet_lite0", "epochs=2", "workers=0", f"out={tmp_path / 'run'}")
    code, _, err = cli("train", "data=folder", f"data.root={tmp_path / 'photos'}", *keys)
    assert code == 0, err
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["frozen/unchanged"] is True
    model = load(tmp_path / "run")
    assert (model.spec.name, model.preprocessing.size, model.spec.pool) == ("efficientnet_lite0", 224, 2)
    assert "Apache-2.0" in model.origin and "Apache-2.0" in model._repr_html_()
    assert cli("evaluate", f"run={tmp_path / 'run'}", "workers=0", f"out={tmp_path / 'again'}")[0] == 0
    tables = [read_csv(tmp_path / name / "predictions_test.csv") for name in ("run", "again")]
    assert tables[0] == tables[1]
    rows = tables[0]
    found = model.predict([tmp_path / "photos" / row["file"] for row in rows])
    assert [one.probability for one in found] == pytest.approx([float(row["probability"]) for row in rows], abs=1e-5)
