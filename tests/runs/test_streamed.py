"""`train features.from`: a head on extracted features, read block by block."""

import json
import shutil
from collections import Counter
from itertools import chain

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from ajuste_fino.calibration import Reliability, ece
from ajuste_fino.data.stream import BlockOrder, StreamedBlocks, StreamedTraining, StreamOrder
from ajuste_fino.features.extracted import Extracted
from ajuste_fino.features.streamed import SplitByKey, StreamedFeatures
from ajuste_fino.files import read_csv
from ajuste_fino.predict import no_progress
from tests.conftest import draw_folder
from tests.test_extract import FAST, extract

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_folder(tmp_path_factory.mktemp("streamed") / "photos", each=40)


@pytest.fixture(scope="module")
def features(photos, tmp_path_factory):
    from ajuste_fino.runs.configuration import compose
    from ajuste_fino.runs.extract import extract as run

    out = tmp_path_factory.mktemp("streamed") / "features"
    run(compose("extract", [f"data.root={photos}", f"out={out}", *FAST]), out)
    return out


def train(cli, features, out, *keys, code=0):
    found, _, err = cli("train", f"features.from={features}", f"out={out}", "epochs=4", "workers=0", *keys)
    assert found == code, err
    return err


def metrics(run):
    return json.loads((run / "metrics.json").read_text())


def table(run):
    return (run / "predictions_test.csv").read_text()


def test_it_is_as_accurate_as_on_images_and_predicts(features, photos, cli, tmp_path):
    out = tmp_path / "run"
    train(cli, features, out, "epochs=10")
    assert metrics(out)["test/accuracy"] == 1 and metrics(out)["frozen/unchanged"]
    rows = read_csv(out / "split.csv")
    assert len(rows) == 120 and {row["split"] for row in rows} == {"train", "val", "test"}
    code, _, err = cli("predict", f"run={out}", f"images={photos}", f"csv={tmp_path / 'all.csv'}", "workers=0")
    assert code == 0, err
    found = {row["file"].split("photos/")[-1]: row for row in read_csv(tmp_path / "all.csv")}
    for row in read_csv(out / "predictions_test.csv"):
        assert found[row["file"]]["label"] == row["predicted"] == row["label"]
    code, _, err = cli("evaluate", f"run={out}", f"out={tmp_path / 'evaluated'}", "workers=0")
    assert code == 0, err
    assert metrics(tmp_path / "evaluated")["test/accuracy"] == 1
    assert (out / "report.html").is_file()


def test_the_same_seed_gives_the_same_run(features, cli, tmp_path):
    for name, keys in (("a", []), ("b", []), ("small", ["features.buffer=7"]), ("seed", ["seed=1"])):
        train(cli, features, tmp_path / name, *keys)
    assert table(tmp_path / "a") == table(tmp_path / "b")
    assert len({table(tmp_path / name) for name in ("a", "small", "seed")}) == 3


@pytest.mark.parametrize("buffer", [7, 100_000])
@pytest.mark.parametrize("step", [5, 9])
def test_a_stopped_run_goes_on_to_the_same_end(features, cli, tmp_path, monkeypatch, buffer, step):
    from ajuste_fino.classifier import Classifier

    keys = ("batch_size=16", f"features.buffer={buffer}")
    train(cli, features, tmp_path / "whole", *keys)
    normal, steps = Classifier.training_step, iter(range(10**6))

    def stopping(self, batch, index):
        if next(steps) == step:
            raise KeyboardInterrupt
        return normal(self, batch, index)

    monkeypatch.setattr(Classifier, "training_step", stopping)
    cli("train", f"features.from={features}", f"out={tmp_path / 'run'}", "epochs=4", "workers=0", *keys)
    monkeypatch.setattr(Classifier, "training_step", normal)
    code, _, err = cli("train", f"resume={tmp_path / 'run'}")
    assert code == 0, err
    assert table(tmp_path / "run") == table(tmp_path / "whole")


def test_resume_is_refused_on_other_features(features, cli, tmp_path):
    shutil.copytree(features, tmp_path / "f")
    train(cli, tmp_path / "f", tmp_path / "run")
    shutil.move(tmp_path / "f", tmp_path / "moved")
    code, _, err = cli("train", f"resume={tmp_path / 'run'}", f"features.from={tmp_path / 'moved'}", "epochs=5")
    assert code == 0, err
    shutil.move(tmp_path / "moved", tmp_path / "f")
    about = json.loads((tmp_path / "f" / "about.json").read_text())
    (tmp_path / "f" / "about.json").write_text(json.dumps({**about, "listing": "other"}))
    code, _, err = cli("train", f"resume={tmp_path / 'run'}", f"features.from={tmp_path / 'f'}", "epochs=6")
    assert code == 2 and "needs the features that it began with" in err


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["phases=ladder"], "phases=head"),
        (["phases=full"], "phases=head"),
        (["features.mode=live"], "features.mode"),
        (["features.views=3"], "features.views"),
        (["augment=strong"], "augment"),
        (["ensemble=5"], "ensemble"),
        (["data.folds=3"], "data.folds"),
        (["head=logistic"], "head=linear"),
        (["imbalance=sampler"], "imbalance"),
        (["time=10m"], "time"),
        (["features.buffer=0"], "features.buffer"),
        (["backbone=squeezenet1_1", "backbone.weights=none"], "cut.name: embedded → squeezenet1_1"),
        (["features.pool=2"], "cut.pool: 4 → 2"),
        (["data.image_size=32"], "preprocessing.size: 64 → 32"),
        (["features.precision=bf16"], "precision: fp32 → bf16"),
        (["features.engine=openvino"], "engine: torch → openvino"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(features, cli, tmp_path, keys, said):
    assert said in train(cli, features, tmp_path / "run", *keys, code=2)
    assert not (tmp_path / "run").exists()


def test_features_that_are_none_or_not_finished(photos, cli, tmp_path):
    assert "extract" in train(cli, photos, tmp_path / "run", code=2)
    extract(cli, photos, tmp_path / "f", "shard=0/2")
    assert "Go on" in train(cli, tmp_path / "f", tmp_path / "run", code=2)
    assert cli("find-lr", f"features.from={photos}", f"out={tmp_path / 'lr'}")[0] == 2


@pytest.mark.parametrize(
    "keys", [["head=lecture"], ["imbalance=weights"], ["mixup=0.2"], ["optimizer=sgd", "monitor=val/accuracy"]]
)
def test_other_ways_to_train(features, cli, tmp_path, keys):
    train(cli, features, tmp_path / "run", *keys)
    assert metrics(tmp_path / "run")["test/accuracy"] > 0.9


@pytest.mark.parametrize("keys", [["backbone.weights=none", "seed=7"], ["features.pool=1", "data.resize=pad"]])
def test_the_keys_of_the_features_are_those_of_the_run(photos, cli, tmp_path, keys):
    extract(cli, photos, tmp_path / "f", *keys)
    train(cli, tmp_path / "f", tmp_path / "run")
    cfg = OmegaConf.load(tmp_path / "run" / "config.yaml")
    for key, _, value in (one.partition("=") for one in keys):
        assert str(OmegaConf.select(cfg, key)) == value


def test_the_splits_of_the_layout_are_kept(cli, tmp_path):
    for n, split in enumerate(("train", "val", "test")):
        draw_folder(tmp_path / "photos" / split, each=6, first=10 * n)
    extract(cli, tmp_path / "photos", tmp_path / "f")
    train(cli, tmp_path / "f", tmp_path / "run")
    rows = read_csv(tmp_path / "run" / "split.csv")
    assert all(row["file"].startswith(row["split"]) for row in rows) and len(rows) == 54
    about = Extracted.read("out", str(tmp_path / "f")).about
    kept = torch.load(tmp_path / "run/checkpoints/best.ckpt", weights_only=True)["state_dict"]["head.standardise.mean"]
    assert torch.allclose(kept, torch.tensor(about["statistics"]["train"]["mean"]), atol=1e-6)


def test_rows_are_each_in_one_split(features):
    rows = StreamedFeatures(Extracted.read("features.from", str(features)), 0.25, 0.25, 3, no_progress)
    seen = Counter()
    for split, blocks in rows.blocks.items():
        for block in blocks:
            x, y = rows.read(block)
            assert len(x) == len(y) == block.stop - block.start and torch.equal(y, rows.targets(block))
            seen.update(rows.texts(block, "key")[0])
        assert rows.total(split) == sum(rows.of(split).sizes)
    assert len(seen) == 120 and set(seen.values()) == {1}
    rows.close()


@pytest.mark.parametrize(("val", "test"), [(0.2, 0.2), (0.1, 0.0), (0.3, 0.5)])
def test_the_split_by_key_has_the_shares_that_are_asked_for(val, test):
    rng = np.random.default_rng(0)
    keys = [bytes(row).hex() for row in rng.integers(0, 256, (20_000, 32), dtype=np.uint8)]
    found = [SplitByKey(val, test, seed) for seed in (0, 1)]
    first, second = ([split(key, "") for key in keys] for split in found)
    count = Counter(first)
    assert count["val"] / 20_000 == pytest.approx(val, abs=0.02) and count["test"] / 20_000 == pytest.approx(test, abs=0.02)
    assert first != second
    assert found[0](keys[0], "test") == "test"


class Numbers:
    """Blocks of the numbers from 0 on."""

    width = 1

    def __init__(self, sizes):
        self.sizes = sizes
        self.starts = np.cumsum([0, *sizes])

    def each(self, order):
        for n in order:
            numbers = torch.arange(self.starts[n], self.starts[n + 1])
            yield numbers[:, None].float(), numbers


def batches(sizes, rows, size, epoch, first=0):
    blocks = Numbers(sizes)
    order = StreamOrder(sum(sizes), size, 5)
    order.set_epoch(epoch)
    data = StreamedTraining(blocks, order, 5, rows)
    return [data[n][1].tolist() for n in order.batches()[first:]]


@pytest.mark.parametrize("rows", [1, 3, 10, 1000])
@pytest.mark.parametrize("sizes", [[5], [4, 4, 4], [1, 7, 2, 9, 3], [50, 1]])
@pytest.mark.parametrize("size", [1, 4, 64])
def test_an_epoch_has_each_row_once_in_an_order_of_its_own(sizes, rows, size):
    first, second = (list(chain(*batches(sizes, rows, size, epoch))) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(sum(sizes)))
    assert list(chain(*batches(sizes, rows, size, 0))) == first
    assert first != second or sum(sizes) < 8 or rows == 1  # which moves no row out of its block
    lengths = list(map(len, batches(sizes, rows, size, 0)))
    assert all(one == size for one in lengths[:-1]) and (lengths[-1] > 1 or size == 1)


@pytest.mark.parametrize("rows", [3, 1000])
def test_an_epoch_is_gone_on_with_at_any_batch(rows):
    sizes = [9, 4, 30, 7]
    data = batches(sizes, rows, 4, 2)
    for first in (0, 1, 6):
        assert batches(sizes, rows, 4, 2, first) == data[first:]
    blocks, order = Numbers(sizes), StreamOrder(sum(sizes), 4, 5)
    whole = StreamedTraining(blocks, order, 5, rows)
    for epoch in (0, 1, 2):
        order.set_epoch(epoch)
        found = [whole[n][1].tolist() for n in order.batches()]
    assert found == data


@pytest.mark.parametrize("kept", [0, 10**6])
def test_validation_reads_blocks_in_their_order_again_and_again(kept):
    blocks = Numbers([3, 5, 2])
    data, order = StreamedBlocks(blocks, kept), BlockOrder(blocks)
    for _ in range(3):
        assert [data[n][1].tolist() for n in order] == [[0, 1, 2], [3, 4, 5, 6, 7], [8, 9]]


def test_the_calibration_error_of_pieces_is_that_of_the_whole():
    generator = torch.Generator().manual_seed(0)
    found = (3 * torch.randn(500, 4, generator=generator)).softmax(1)
    targets = torch.randint(4, (500,), generator=generator)
    pieces = Reliability()
    for part in torch.arange(500).split(64):
        pieces.update(found[part], targets[part])
    assert pieces.compute() == pytest.approx(ece(found, targets), abs=1e-5)
