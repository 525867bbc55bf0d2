import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import ajuste_fino
from tests.conftest import FAST

WRONG = [
    (["trian"], "Did you mean train?"),
    (["train", "optimzer=sgd"], "optimzer is unknown to train. Did you mean optimizer?"),
    (["train", "optimizer=adma"], "Did you mean adam"),
    (["train", "optimizer.lrr=1"], "Did you mean optimizer.lr?"),
    (["train", "+epoch=3"], "Did you mean epochs?"),
    (["train", "optimizer.momentum=0.9"], "optimizer=momentum|nesterov has it"),
    (["train", "epochs=many"], "epochs must be a whole number of at least 1; got many. Change it."),
    (
        ["train", "epochs=0", "seed=abc", "data.val=x", "workers=-1"],
        "workers must be a whole number from 0 to 64, or null; got -1.",
    ),
    (["train", "data.image_size=64.5"], "data.image_size must be a whole number from 8 to 4096, or null; got 64.5"),
    (["train", "head.hidden=2.5"], "head.hidden must be a whole number"),
    (["train", "schedule=step", "schedule.step_size=0"], "are not accepted"),
    (["train", "trainer.strategy=foo"], "trainer.strategy must be auto or ddp; got foo"),
    (["train", "backbone.weights=none", "features.tap=99"], "must name a block"),
    (["train", "data=folder", "data.root=[2024]"], "data.root must be an existing path"),
    (["train", "data=folder"], "data.root must be given"),
    (["train", "data=folder", "data.root="], "data.root must not be empty"),
    (["train", "data=folder", "data.root=.", "data.split="], "data.split must not be empty"),
    (["audit", "data.root="], "data.root must not be empty"),
    (["train", "data.root="], "data.root must not be empty"),
    (["train", "data=folder", "data.root=null"], "data.root must be a path; got null"),
    (["audit", "data.root=null"], "data.root must be a path; got null"),
    (["train", "out=null"], "out must be a path; got null"),
    (["train", "seed=null"], "got null"),
    (["train", "out=o${x}"], "or write \\${…} where it is meant as it stands"),
    (["train", "data=folder", "data.root=/no/such"], "data.root must be an existing path"),
    (["train", "backbone=resnet19"], "Did you mean resnet1"),
    (["train", "backbone.name=resnet19"], "backbone.name must be"),
    (["train", "backbone.weights=/no/file.pth"], "backbone.weights must be an existing path"),
    (["train", "features.mode=frozen"], "must be cached or live"),
    (["train", "features.precision=fp8"], "must be auto, fp32 or bf16"),
    (["train", "head.dropout=1.5"], "head.dropout must be a number from 0 to 0.999; got 1.5"),
    (["train", "optimizer.lr=-1"], "optimizer.lr must be a number above 0; got -1"),
    (
        ["train", "trainer.devices=2", "ensemble=3"],
        "ensemble=3 trains on one device, and trainer.devices × trainer.num_nodes is 2",
    ),
    (["evaluate", "run=.", "trainer.devices=2"], "evaluate works in one process; got trainer.devices=2"),
    (["train", "-m", "optimizer=sgd,adam", "trainer.devices=2"], "train -m works in one process"),
    (["train", "trainer.devices=0"], "trainer.devices must be a whole number of at least 1"),
    (["train", "trainer.devices=500", "trainer.accelerator=cpu"], "trainer.devices must be at most the number of cores"),
    (["train", "data.on_bad_image=ignore"], "must be error or skip"),
    (["train", "data.resize=squish"], "must be squash, crop or pad; got squish. Did you mean squash?"),
    (["train", "data.resize=224"], "The side in px is data.image_size=224."),
    (["train", "optimizer._target_=os.system"], "must be a class of torch.optim"),
    (["train", "optimizer._target_=torch.load"], "must be a class of torch.optim"),
    (["train", "optimizer._target_=torch.optim.lr_scheduler.StepLR"], "must be a class of torch.optim"),
    (["train", "schedule._target_=torch.optim.lr_scheduler.warnings"], "must be a class of"),
    (["evaluate"], "run must be given"),
    (["predict", "run=x"], "images must be given"),
    (["train", "photos"], "photos must be given as key=value. Pass data=folder data.root=photos."),
    (["train", "data=folder", "data.root", "photos"], "Write data.root=photos."),
    (["train", "data=folder", "data.root", "=", "photos"], "Leave out the spaces"),
    (["train", "optimizer.lr:0.01"], "Write optimizer.lr=0.01."),
    (["train", "data=folder", "data.root=my", "photos"], "put that in quotes: data.root='my photos'"),
    (["train", "data=photos"], "For images of your own, pass data=folder data.root=photos."),
    (["train", "data.root=/tmp"], "data.root cannot be given with data=digits; got /tmp. Pass data=folder data.root=/tmp."),
    (["train", "backbone=regnet_y_400mf"], "pass backbone.name=regnet_y_400mf"),
    (["train", "--epochs", "5"], "Keys are given as key=value, without dashes."),
    (
        ["evaluate", "run=x", "data=photos"],
        "data has keys of its own; got photos. Pass one of them: data.corrections, data.image_column",
    ),
    (["completion", "tcsh"], "completion must be followed by one of bash, zsh, fish; got tcsh"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_mistake_is_one_message_and_leaves_nothing(cli, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli(*arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == []


def test_an_old_run_is_not_written_over(cli, run, photos):
    before = sorted(run[0].rglob("*"))
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={run[0]}", *FAST)
    assert (code, "must be a new or an empty folder" in err) == (2, True)
    assert sorted(run[0].rglob("*")) == before


@pytest.mark.parametrize(
    "name", ["with space", "comma, and=equals", "hash #1", "tilde~é", "quote's", "[brackets]", "50%", "a:b"]
)
def test_paths_as_people_name_them(cli, photos, tmp_path, name):
    photos.rename(tmp_path / name)
    code, _, err = cli("train", "data=folder", f"data.root={tmp_path / name}", f"out={tmp_path / ('run ' + name)}", *FAST)
    assert code == 0, err
    code, out, err = cli("predict", f"run={tmp_path / ('run ' + name)}", f"images={tmp_path / name / '1'}")
    assert code == 0, err


def test_a_full_disk_is_told_with_exit_code_1_and_leaves_no_part(cli, photos, tmp_path, monkeypatch):
    from ajuste_fino import bundle, files

    def no_space(*_):
        raise OSError(28, "No space left on device")

    def full(path, content):
        with monkeypatch.context() as patch:
            patch.setattr(files.os, "fsync", no_space)
            files.write_bytes(path, content)

    monkeypatch.setattr(bundle, "write_bytes", full)
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST)
    assert code == 1
    assert f"{tmp_path / 'run' / 'bundle' / 'model.safetensors'}: No space left on device" in err
    assert os.listdir(tmp_path / "run" / "bundle") == []


def test_of_two_runs_with_one_folder_the_second_is_refused(cli, photos, tmp_path, monkeypatch):
    from ajuste_fino.runs import prepare

    monkeypatch.setattr(prepare, "require_empty", lambda *_: None)  # both looked before either wrote
    arguments = ("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST)
    assert cli(*arguments)[0] == 0
    before = (tmp_path / "run" / "metrics.json").read_text()
    code, _, err = cli(*arguments, "seed=1")
    assert (code, "Another run has just started there" in err) == (2, True)
    assert (tmp_path / "run" / "metrics.json").read_text() == before


def test_a_table_that_cannot_be_written_fails_the_multirun(cli, photos, tmp_path, monkeypatch):
    from ajuste_fino.runs import multirun

    def full(*_):
        raise OSError(28, "No space left on device", "multirun.csv")

    monkeypatch.setattr(multirun, "write_csv", full)
    code, _, err = cli("train", "-m", "data=folder", f"data.root={photos}", f"out={tmp_path / 'm'}", *FAST, "seed=1,2")
    assert (code, "multirun.csv: No space left" in err) == (1, True)


def test_list_shows_the_names(cli):
    code, out, _ = cli("list")
    assert code == 0
    for name in ("train", "evaluate", "predict", "embedded", "vit_b_16", "nesterov", "digits", "cosine", "lecture"):
        assert name in out


LIGHT = """
import sys
from ajuste_fino import cli
cli.leave = sys.exit
sys.argv = ["ajuste-fino", *sys.argv[1:]]
try:
    cli.main()
except SystemExit as stop:
    assert stop.code == 0
assert "torch" not in sys.modules and "hydra" not in sys.modules
"""


@pytest.mark.parametrize(
    "arguments", ["--help", "--version", "train optimizer=sgd --help", "lecture --help", "completion bash"]
)
def test_what_is_only_to_be_read_is_there_at_once_without_torch(arguments):
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", LIGHT, *arguments.split()], check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    assert min(times) < 1


def test_the_version_is_in_one_place(cli):
    assert cli("--version")[1] == f"ajuste-fino {ajuste_fino.__version__}\n"
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "ajuste_fino/__init__.py"
    assert {"__version__", "fine_tune", "load"} <= set(dir(ajuste_fino))


def test_importing_the_package_does_not_import_torch():
    subprocess.run([sys.executable, "-c", "import sys, ajuste_fino; assert 'torch' not in sys.modules"], check=True)


def test_a_pipe_that_is_closed_is_no_error(tmp_path):
    command = f"{sys.executable} -m ajuste_fino list | head -1"
    done = subprocess.run(["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] in ("0", "141")


def test_a_stop_that_is_no_closed_pipe_is_told(cli, monkeypatch):
    from ajuste_fino import cli as module

    def leave(*_):
        raise SystemExit("by a class of the user's own")

    monkeypatch.setattr(module, "_dispatch", leave)
    code, _, err = cli("list")
    assert (code, err) == (1, "ajuste-fino: Stopped.\n")
