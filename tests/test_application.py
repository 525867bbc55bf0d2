"""The package inside somebody else's program: a Hydra application, several calls, their own configurations."""

import json

import pytest

from ajuste_fino import fine_tune
from tests.conftest import FAST


def test_inside_a_hydra_application(photos, tmp_path):
    """Their Hydra is theirs again afterwards."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "app.yaml").write_text("x: 1\n")
    keys = {"backbone": "embedded", "backbone.weights": "none"}
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        theirs = GlobalHydra.instance().hydra
        for name in ("a", "b"):
            fine_tune(photos, out=str(tmp_path / name), epochs=1, workers=0, **keys)
        assert GlobalHydra.instance().hydra is theirs
        assert compose("app").x == 1


def test_one_device_however_many_there_are(monkeypatch, photos, tmp_path):
    import lightning.pytorch as pl

    seen, real = [], pl.Trainer
    monkeypatch.setattr(pl, "Trainer", lambda **given: (seen.append(given), real(**given))[1])
    fine_tune(photos, out=str(tmp_path / "run"), epochs=1, workers=0, **{"backbone": "embedded", "backbone.weights": "none"})
    assert (seen[0]["devices"], seen[0]["num_nodes"]) == (1, 1)


def test_a_search_with_configurations_of_ones_own(cli, photos, tmp_path):
    pytest.importorskip("optuna")
    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    mine = "_target_: torch.optim.SGD\nlr: 0.01\nmomentum: 0.5\n"
    (tmp_path / "conf" / "optimizer" / "mine.yaml").write_text(mine)
    out = tmp_path / "search"
    keys = ["optimizer=mine", "trials=2", "~space.head", "data=folder", f"data.root={photos}", f"out={out}", *FAST]
    code, _, err = cli("sweep", "--config-dir", tmp_path / "conf", *keys)
    assert code == 0, err
    assert "sweep/best/optimizer.lr" in json.loads((out / "metrics.json").read_text())


def test_a_wrong_name_of_a_later_run_is_found_before_the_first(cli, photos, tmp_path):
    keys = ["data=folder", f"data.root={photos}", f"out={tmp_path / 'm'}", *FAST, "optimizer=sgd,admm"]
    code, _, err = cli("train", *keys, "-m")
    assert (code, "Did you mean adam" in err, (tmp_path / "m").exists()) == (2, True, False), err


def test_several_runs_by_a_pattern(cli, photos, tmp_path):
    keys = ["data=folder", f"data.root={photos}", f"out={tmp_path / 'm'}", *FAST, "optimizer=glob(adam*)"]
    code, out, err = cli("train", "-m", *keys)
    assert code == 0, err
    assert [name for name in ("adam", "adamw", "adamax") if f"optimizer={name} " in out] == ["adam", "adamw", "adamax"]


def test_help_of_a_verb_with_names_shows_them(cli):
    assert "momentum" in cli("lecture", "--help")[1]
    assert "condition" in cli("lecture", "momentum", "--help")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config-dir", "/no/such"], "--config-dir must be an existing path"),
        (["-m", "out=a,b"], "out must be one folder"),
        (["-m", "optimizer.lr=interval(0,1)"], "cannot read its arguments"),
        (["callbacks=null"], "callbacks must be one of default; got null"),
        (["+callbacks.best.save_top_k=0"], "must not move a checkpoint or leave it out"),
    ],
)
def test_a_mistake_of_the_command_line(cli, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli("train", *arguments)
    assert (code, message in err, list(tmp_path.iterdir())) == (2, True, []), err


def test_the_runs_before_a_mistake_have_their_table(cli, photos, tmp_path):
    keys = ["data=folder", f"data.root={photos}", f"out={tmp_path / 'm'}", *FAST, "batch_size=8,0"]
    code, _, err = cli("train", "-m", *keys)
    assert (code, "batch_size" in err) == (2, True)
    assert len((tmp_path / "m" / "multirun.csv").read_text().splitlines()) == 2


def test_lost_infos_are_no_lost_features(cli, photos, tmp_path, own_cache):
    keys = ["data=folder", f"data.root={photos}", *FAST]
    assert cli("train", *keys, f"out={tmp_path / 'a'}")[0] == 0
    next(own_cache.rglob("image-infos-*.txt")).unlink()
    assert cli("train", *keys, f"out={tmp_path / 'b'}")[0] == 0
    assert json.loads((tmp_path / "b" / "metrics.json").read_text())["cache/misses"] == 0
    assert next(own_cache.rglob("image-infos-*.txt")).stat().st_size > 0
