"""Several processes that train together: how work is divided, and what one says of another that failed.

That they count every image once, and stop together, is tried by hazards `several-ranks` and `ranks-signals`.
"""

import json
import subprocess
import sys

import pytest
import torch

from ajuste_fino import ranks
from ajuste_fino.classifier import _share_of
from ajuste_fino.data.order import EpochBatchSampler, PhasedBatchSampler, SubsetBatchSampler, seed_of_step
from ajuste_fino.errors import UserError
from ajuste_fino.runs import launch
from tests.conftest import draw_folder

VARIABLES = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID")


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def process(monkeypatch):
    """`process(1, 4)`: this is the second of four processes."""

    def be(number, count):
        monkeypatch.setattr(ranks, "number", lambda: number)
        monkeypatch.setattr(ranks, "count", lambda: count)

    return be


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("images, size", [(103, 32), (97, 32), (64, 16), (9, 8), (65, 64), (33, 8)])
@pytest.mark.parametrize("seed", [None, 5])
def test_each_image_is_for_one_process_and_each_has_one_of_every_batch(process, count, images, size, seed):
    found, lengths = [], set()
    for number in range(count):
        process(number, count)
        order = PhasedBatchSampler([EpochBatchSampler(images, size, seed)], lambda _: 0)
        batches = [positions for _, positions in order]
        assert len(batches) == len(order) and all(batches)
        assert all(len(batch) <= -(-(size + count) // count) for batch in batches)
        lengths.add(len(batches))
        found += [position for batch in batches for position in batch]
    assert sorted(found) == list(range(images)) and len(lengths) == 1


@pytest.mark.parametrize("count", [2, 3])
def test_the_mean_of_the_processes_is_that_of_the_batch(process, count):
    values = [float(n * n) for n in range(103)]
    process(0, 1)
    whole = EpochBatchSampler(103, 32, seed=1).batches()
    for step, batch in enumerate(whole):
        total = 0.0
        for number in range(count):
            process(number, count)
            order = PhasedBatchSampler([EpochBatchSampler(103, 32, seed=1)], lambda _: 0)
            mine = list(order)[step][1]
            total += order.weight(step) * sum(values[position] for position in mine) / len(mine) / count
        assert total == pytest.approx(sum(values[position] for position in batch) / len(batch))


def test_what_is_computed_for_the_cache_is_in_batches_as_they_are(process):
    process(1, 4)
    order = SubsetBatchSampler(list(range(33)), 16)
    assert [len(batch) for batch in order] == [16, 16, 1] and len(order) == 3


def test_dropout_of_each_process_is_its_own(process):
    seeds = set()
    for number in range(3):
        process(number, 3)
        seeds.add(seed_of_step(0, 1, 2))
    process(0, 1)
    assert len(seeds) == 3 and seed_of_step(0, 1, 2) in seeds


def test_one_process_alone_sends_nothing():
    assert (ranks.number(), ranks.count(), ranks.is_first()) == (0, 1, True)
    assert ranks.share("abc") == ["a", "b", "c"] and ranks.largest(2, True) == [2, True] and ranks.gather("x") == ["x"]
    assert ranks.from_first(lambda: 5) == ranks.together(lambda: 5) == 5


@pytest.mark.parametrize(
    "variables, follows",
    [
        ({}, False),
        ({"RANK": "0", "LOCAL_RANK": "0"}, False),
        ({"RANK": "1", "LOCAL_RANK": "1"}, True),
        ({"RANK": "8", "LOCAL_RANK": "0"}, True),
        ({"SLURM_PROCID": "3"}, True),
        ({"LOCAL_RANK": "1"}, True),
    ],
)
def test_who_follows_is_told_by_the_launcher(monkeypatch, variables, follows):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ranks.follows(2) is follows and ranks.follows(1) is False


def test_another_number_than_torchrun_started_is_refused(monkeypatch, cli, tmp_path):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    code, _, err = cli("train", f"out={tmp_path / 'run'}")
    assert code == 2 and "must be what torchrun started, 4 processes; got 1" in err
    assert "trainer.devices=2 trainer.num_nodes=2" in err and not (tmp_path / "run").exists()


def command(*words):
    return subprocess.run([sys.executable, "-m", "ajuste_fino", *map(str, words)], capture_output=True, text=True, timeout=200)


def test_two_processes_give_the_table_of_one_and_a_mistake_one_message(tmp_path, own_cache):
    """Their features are computed by both; what is wrong with the folder is said by the first alone."""
    root = draw_folder(tmp_path / "photos", each=13)
    keys = ("data=folder", f"data.root={root}", "backbone=embedded", "workers=0", "epochs=2", "head.dropout=0")
    for number in (2, 1):
        done = command("train", f"out={tmp_path / str(number)}", *keys, f"trainer.devices={number}")
        assert done.returncode == 0, done.stderr
    tables = [(tmp_path / number / "predictions_test.csv").read_text().splitlines() for number in "12"]
    assert [row.rsplit(",", 1)[0] for row in tables[0]] == [row.rsplit(",", 1)[0] for row in tables[1]]
    metrics = json.loads((tmp_path / "1" / "metrics.json").read_text())
    assert metrics["cache/misses"] == 0  # the two computed all,
    first = json.loads((tmp_path / "2" / "metrics.json").read_text())["cache/misses"]
    assert 0 < first < 39  # and the first not what the second did
    (root / "1" / "bad.png").write_text("no image")
    done = command("train", f"out={tmp_path / '3'}", *keys, "trainer.devices=2")
    assert (done.returncode, done.stderr.count("bad.png"), (tmp_path / "3").exists()) == (2, 1, False), done.stderr


def test_a_program_that_was_typed_in_is_refused_before_anything_is_started(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    for name in ("-c", "-", ""):
        monkeypatch.setattr(sys, "argv", [name])
        with pytest.raises(UserError, match="starts the program again for each device, which must be a file"):
            launch._require_script()
    monkeypatch.setattr(sys, "argv", [__file__])
    launch._require_script()


@pytest.mark.parametrize("others", ["another token", "other keys"])
def test_processes_of_two_runs_are_refused(monkeypatch, others):
    from omegaconf import OmegaConf

    cfg = OmegaConf.create({"epochs": 2, "out": "a"})
    monkeypatch.setenv(launch.TOGETHER, "token")
    found = []
    monkeypatch.setattr(ranks, "gather", lambda value: found.append(value) or [value, value])
    launch._require_one_run(cfg)
    (token, keys) = found[0]
    other = ("another", keys) if others == "another token" else (token, keys.replace("2", "3"))
    monkeypatch.setattr(ranks, "gather", lambda value: [value, other])
    with pytest.raises(UserError, match="must be of one run, with the same keys"):
        launch._require_one_run(cfg)


def test_the_loss_so_far_of_other_processes_is_the_first_ones(process):
    states = [
        {"mean_value": torch.tensor(3.0), "weight": torch.tensor(2.0)},
        {"mean_value": torch.tensor(1.0), "weight": torch.tensor(1.0)},
    ]
    process(1, 2)
    assert _share_of(states) == states[1]
    process(0, 1)
    assert _share_of(states) == {"mean_value": torch.tensor(4.0), "weight": torch.tensor(3.0)}
    process(1, 3)
    assert _share_of(states[0]) == {"mean_value": torch.tensor(0.0), "weight": torch.tensor(0.0)}


def test_keys_of_an_older_run_mean_one_process():
    from omegaconf import OmegaConf

    assert launch.processes(OmegaConf.create({"trainer": {"accelerator": "cpu"}})) == 1
    assert launch.processes(OmegaConf.create({})) == 1
