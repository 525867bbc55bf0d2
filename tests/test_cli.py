import os
import subprocess
import sys
import time

import pytest

from tests.conftest import FAST

WRONG = [
    (["trian"], "Did you mean train?"),
    (["train", "optimzer=sgd"], "optimzer is unknown to train. Did you mean optimizer?"),
    (["train", "optimizer=adma"], "Did you mean adam"),
    (["train", "optimizer.lrr=1"], "Did you mean optimizer.lr?"),
    (["train", "+epoch=3"], "Did you mean epochs?"),
    (["train", "epochs=many"], "epochs must be whole numbers"),
    (["train", "epochs=0", "batch_size=-1"], "epochs, batch_size must be whole numbers"),
    (["train", "data=folder"], "data.root must be given"),
    (["train", "data=folder", "data.root=/no/such"], "data.root must be an existing path"),
    (["train", "backbone=resnet19"], "Did you mean resnet1"),
    (["train", "backbone.name=resnet19"], "backbone.name must be"),
    (["train", "backbone.weights=/no/file.pth"], "backbone.weights must be an existing path"),
    (["train", "features.mode=frozen"], "must be cached or live"),
    (["train", "features.precision=fp8"], "must be auto, fp32 or bf16"),
    (["train", "head.dropout=1.5"], "head.dropout must be at least 0"),
    (["train", "optimizer.lr=-1"], "are not accepted"),
    (["train", "trainer.devices=2"], "must be 1"),
    (["train", "data.on_bad_image=ignore"], "must be error or skip"),
    (["train", "optimizer._target_=os.system"], "must be a class of torch.optim"),
    (["train", "optimizer._target_=torch.load"], "must be a class of torch.optim"),
    (["train", "optimizer._target_=torch.optim.lr_scheduler.StepLR"], "must be a class of torch.optim"),
    (["train", "schedule._target_=torch.optim.lr_scheduler.warnings"], "must be a class of"),
    (["evaluate"], "run must be given"),
    (["predict", "run=x"], "images must be given"),
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


def test_a_full_disk_is_told_with_exit_code_1(cli, photos, tmp_path, monkeypatch):
    from ajuste_fino import bundle

    def full(*_):
        raise OSError(28, "No space left on device", "model.safetensors")

    monkeypatch.setattr(bundle, "write", full)
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST)
    assert code == 1
    assert "model.safetensors: No space left on device" in err


def test_list_shows_the_names(cli):
    code, out, _ = cli("list")
    assert code == 0
    for name in ("train", "evaluate", "predict", "embedded", "vit_b_16", "nesterov", "digits", "cosine", "lecture"):
        assert name in out


HELP = """
import sys
from ajuste_fino.cli import main
sys.argv = ["ajuste-fino", "--help"]
try:
    main()
except SystemExit as stop:
    assert stop.code == 0
assert "torch" not in sys.modules and "hydra" not in sys.modules
"""


def test_help_is_there_without_torch_in_under_a_second():
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", HELP], check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    assert min(times) < 1


def test_importing_the_package_does_not_import_torch():
    subprocess.run([sys.executable, "-c", "import sys, ajuste_fino; assert 'torch' not in sys.modules"], check=True)


def test_the_help_of_a_verb_shows_its_keys(cli):
    code, out, _ = cli("train", "--help")
    assert code == 0
    assert "epochs: 40" in out
