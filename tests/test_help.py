"""`VERB --help`: every key with the comment beside it in `conf/`, in 80 columns."""

import re

import pytest

from ajuste_fino.runs import conf
from ajuste_fino.runs.conf_file import read
from ajuste_fino.verbs import VERBS

CONFIGS = [name for name, verb in VERBS.items() if not verb.names] + [f"cache/{name}" for name in conf.options("cache")]


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("config", CONFIGS)
def test_every_key_of_every_name_is_explained(config):
    for topic in conf.topics(config, {}):
        keys = [key for name in topic.names for key in conf.members(topic.name, name)] or topic.keys
        mute = {key.name for key in keys if not key.comment and not key.inside and key.default}
        assert not mute, f"{topic.name}: keys without a comment in conf"
        assert topic.description


@pytest.mark.parametrize("config", CONFIGS)
def test_help_shows_each_key_once_and_cuts_nothing(cli, config):
    code, out, _ = cli(*config.split("/"), "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) < 80
    shown = [re.split("[= ]", line[2:])[0] for line in out.splitlines() if re.match("  [^ ]", line)]
    for topic in conf.topics(config, {}):
        keys = [key for key in topic.keys if not key.inside]
        assert all(shown.count(key.name) == 1 for key in keys if key.name != topic.name)
        assert all(key.comment in " ".join(out.split()) for key in keys)


def test_help_shows_the_keys_of_the_name_that_is_chosen(cli):
    assert "optimizer=adamw             one of adadelta, adagrad" in cli("train", "--help")[1]
    out = cli("train", "optimizer=sgd", "head=lecture", "--help")[1]
    assert "optimizer.formulation=torch" in out and "optimizer=sgd " in out and "head.hidden=256" in out
    code, _, err = cli("train", "optimizer=sdg", "--help")
    assert (code, "Did you mean sgd?" in err) == (2, True)
    assert cli("train", "epoch=3", "--help")[0] == 2


def test_help_of_a_verb_with_names_shows_them(cli):
    assert "  relu                        how much gradient is left" in cli("lecture", "--help")[1]
    assert "limit_gb=…" in cli("cache", "prune", "--help")[1]


def test_a_job_is_shown_as_yaml(cli):
    from omegaconf import OmegaConf

    cfg = OmegaConf.create(cli("train", "epochs=3", "--cfg", "job")[1])
    assert (cfg.epochs, cfg.optimizer.lr) == (3, 0.001)


def test_a_file_is_read_as_it_stands(tmp_path):
    head = "# @package _global_\n# What it is\ndefaults: [base]\n"
    (tmp_path / "x.yaml").write_text(f'{head}a: 1.0e-4 # px: 1 # 2\nb: # below\n  c: "x"\nd: {{ e: [1, 2], f: }} # both\n')
    file = read(tmp_path / "x.yaml")
    assert (file.description, file.bases) == ("What it is", ["base"])
    assert [key[:3] for key in file.keys if not key.inside] == [
        ("a", "1.0e-4", "px: 1 # 2"),
        ("b", "", "below"),
        ("b.c", "'x'", ""),
        ("d", "{e: [1, 2], f: null}", "both"),
    ]
