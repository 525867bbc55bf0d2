"""`--config-dir`: names of one's own, built on those of `conf/` or not."""

import pytest
from omegaconf import OmegaConf

from tests.conftest import FAST

FILES = {
    "optimizer/mine.yaml": "# SGD as I like it\ndefaults: [momentum, _self_]\nlr: 0.01\n",
    "data/photos.yaml": "defaults: [folder]\nroot: {photos}\nval: 0.3\n",
    "data/lost.yaml": "defaults: [foldr]\n",
    "data/broken.yaml": "root: [photos\nname: x\n",
}


@pytest.fixture
def mine(photos, tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "my_conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{photos}", str(photos)))
    return ("--config-dir", tmp_path / "my_conf")


def test_a_run_with_them_its_evaluation_and_its_repetition(cli, mine, photos, tmp_path):
    code, _, err = cli("train", *mine, "data=photos", "backbone=embedded", "optimizer=mine", *FAST, f"out={tmp_path / 'a'}")
    assert code == 0, err
    cfg = OmegaConf.load(tmp_path / "a" / "config.yaml")
    assert (cfg.data.name, cfg.data.root, cfg.data.val, cfg.data.augment.flip) == ("folder", str(photos), 0.3, 0.5)
    assert (cfg.optimizer.lr, cfg.optimizer.momentum) == (0.01, 0.9)
    assert cli("evaluate", f"run={tmp_path / 'a'}", "workers=0", f"out={tmp_path / 'b'}")[0] == 0
    assert cli("train", f"config={tmp_path / 'a'}", f"out={tmp_path / 'c'}")[0] == 0  # the saved file is whole
    tables = [(tmp_path / name / "predictions_test.csv").read_text() for name in "abc"]
    assert tables[0] == tables[1] == tables[2]


def test_help_shows_them_with_the_comments_they_inherit(cli, mine):
    out = cli("train", *mine, "optimizer=mine", "--help")[1]
    assert "optimizer: SGD as I like it" in out
    assert "optimizer.lr=0.01           learning rate" in out


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data=photo", "Did you mean photos?"),
        ("optimizer.momentums=0", "Did you mean optimizer.momentum?"),
        ("data=lost", "The defaults list of data/lost.yaml must name one of"),
        ("data=broken", "broken.yaml must be YAML (line 2:"),
    ],
)
def test_mistakes_in_them(cli, mine, tmp_path, override, message):
    code, _, err = cli("train", *mine, override, f"out={tmp_path / 'x'}")
    assert (code, message in err) == (2, True), err


def test_a_key_that_nothing_reads_and_a_file_that_builds_on_nothing(cli, photos, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "typo.yaml").write_text(f"defaults: [folder]\nroot: '{photos}'\nvl: 0.3\n")
    (tmp_path / "data" / "bare.yaml").write_text(f"root: '{photos}'\n")
    for name, message in (("typo", "Did you mean data.val?"), ("bare", "defaults: [folder]")):
        code, _, err = cli("train", "--config-dir", tmp_path, f"data={name}", f"out={tmp_path / 'run'}")
        assert (code, (tmp_path / "run").exists()) == (2, False)
        assert message in err
