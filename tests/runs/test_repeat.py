"""`config=RUN` repeats a run; other keys come on top."""

import pytest
from omegaconf import OmegaConf

from ajuste_fino import fine_tune
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.data import data_config
from tests.conftest import draw_folder

OTHER = {
    "backbone": "embedded",
    "optimizer": "sgd",
    "optimizer.lr": 0.02,
    "schedule": "step",
    "head": "lecture",
    "data.val": 0.25,
    "callbacks.early_stopping": None,
    "backbone.weights": "none",
}


@pytest.fixture(scope="module")
def first(tmp_path_factory, cache):
    """A run whose optimizer, schedule and callbacks have other keys than the default ones."""
    root = draw_folder(tmp_path_factory.mktemp("repeat") / "photos")
    fine_tune(root, out=str(root.parent / "run"), epochs=2, workers=0, **OTHER)
    return root.parent / "run"


@pytest.fixture
def changed(first, tmp_path):
    """`changed(change)` → the folder of that run's configuration after a change."""

    def make(change):
        saved = OmegaConf.load(first / "config.yaml")
        change(saved)
        OmegaConf.save(saved, tmp_path / "config.yaml")
        return tmp_path

    return make


def table(folder):
    return (folder / "predictions_test.csv").read_text()


def differing(folder, *overrides):
    """The top-level keys in which a repetition would differ from its run."""
    before = OmegaConf.load(folder / "config.yaml")
    after = OmegaConf.to_container(compose("train", [f"config={folder}", "out=new", *overrides]), resolve=True)
    assert before.keys() == after.keys()
    return {key for key in after if before[key] != after[key]} - {"config", "out"}


def test_a_repeated_run_gives_the_same_predictions(cli, first, tmp_path):
    code, _, err = cli("train", f"config={first / 'config.yaml'}", f"out={tmp_path / 'second'}")
    assert code == 0, err
    assert table(tmp_path / "second") == table(first)
    assert differing(first) == set()


def test_the_digits_are_found_again_wherever_the_cache_is():
    cfg = compose("train", [])
    assert data_config(cfg).root.is_dir()
    assert cfg.data.root is None  # which is what a run saves


def test_overrides_come_on_top(first):
    assert differing(first, "head.hidden=8") == {"head"}
    assert differing(first, "optimizer=adam") == {"optimizer"}  # with Adam's own rate
    assert compose("train", [f"config={first}", "optimizer=adam"]).optimizer.lr == 0.001
    assert compose("train", [f"config={first}", "optimizer.impl=torch"]).optimizer._target_ == "torch.optim.SGD"


def test_what_follows_another_key_still_follows_it(first):
    cfg = compose("train", [f"config={first}", "schedule=cosine", "epochs=7", "callbacks=default", "patience=3"])
    assert (cfg.schedule.T_max, cfg.callbacks.early_stopping.patience) == (7, 3)


def test_a_new_folder_unless_one_is_given(first):
    assert compose("train", [f"config={first}"]).out != str(first)


def test_several_runs_of_one(cli, first, tmp_path):
    code, _, err = cli("train", f"config={first}", "-m", "optimizer.lr=0.02,0.5", f"out={tmp_path / 'm'}")
    assert code == 0, err
    assert table(tmp_path / "m" / "1") == table(first)


def test_from_python(first, tmp_path):
    fine_tune(config=str(first), out=str(tmp_path / "python"))
    assert table(tmp_path / "python") == table(first)


def test_the_arguments_of_a_class_are_those_of_the_run(changed):
    def other(saved):
        saved.optimizer = {"_target_": "torch.optim.SGD", "lr": 0.01, "dampening": 0.1}  # no name in conf has these

    assert differing(changed(other)) == set()


def test_a_run_of_an_older_version_takes_the_defaults_of_newer_keys(changed):
    def older(saved):
        for key in ("ensemble", "callbacks", "logger"):
            del saved[key]
        del saved.features["precision"]

    cfg = compose("train", [f"config={changed(older)}"])
    assert (cfg.ensemble, cfg.features.precision, "best" in cfg.callbacks, cfg.optimizer.lr) == (None, "auto", True, 0.02)


def test_a_file_written_by_hand_may_have_names_of_groups_and_lack_keys(tmp_path):
    (tmp_path / "mine.yaml").write_text("optimizer: adam\nhead: {hidden: 32}\nepochs: 3\n")
    cfg = compose("train", [f"config={tmp_path / 'mine.yaml'}"])
    assert (cfg.optimizer._target_, cfg.head.hidden, cfg.epochs, cfg.seed) == ("scratch.optim.Adam", 32, 3, 0)


def test_a_file_trusts_nobody(cli, changed, tmp_path):
    def trusting(saved):
        saved.optimizer._target_ = "mine.Optimizer"
        saved.trust = ["mine"]

    code, _, err = cli("train", f"config={changed(trusting)}", f"out={tmp_path / 'x'}")
    assert (code, "A class of your own needs trust=[PACKAGE]" in err) == (2, True), err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "epochs: 3\nepoch: 4\nfoo: 1\n",
            "has keys that are unknown to train; got epoch, foo. Did you mean epochs? Correct the file.",
        ),
        ("run: runs/x\nout: x\ntop: 3\n", "config must not be a configuration of predict"),
        ("data: {root: x, val: 0.1}\nout: x\nseed: 1\n", "config must not be a configuration of audit"),
        ("optimizer: {x@hydra.sweeper: 1}\n", "has keys that are unknown to train; got optimizer.x@hydra.sweeper"),
        ("hydra: {sweeper: {_target_: os.system}}\n", "has keys that are unknown to train; got hydra.sweeper._target_"),
        ("a: [", "config cannot be read"),
        ("[a]", "config must be a file of keys"),
        ("", "config must be a file of keys"),
        ("# nothing yet", "config must be a file of keys"),
        ("data: null", "must have the keys of data, or the name of one; got None"),
        ("optimizer: []", "must have the keys of optimizer, or the name of one"),
    ],
)
def test_what_is_no_configuration_of_train(cli, tmp_path, text, message):
    (tmp_path / "config.yaml").write_text(text)
    for path in (tmp_path, tmp_path / "config.yaml"):
        code, _, err = cli("train", f"config={path}", f"out={tmp_path / 'x'}")
        assert (code, message in err, (tmp_path / "x").exists()) == (2, True, False), err


def test_other_verbs_repeat_nothing(cli, tmp_path):
    assert "config must be an existing path" in cli("train", f"config={tmp_path / 'none'}")[2]
    assert "The key config is unknown to predict" in cli("predict", "config=x")[2]
