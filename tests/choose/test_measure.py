"""A candidate over a sample: what is scored, and what lies in the cache afterwards."""

import pytest
import torch

from ajuste_fino.backbone.taps import Cut
from ajuste_fino.choose import measure
from ajuste_fino.choose.candidate import Candidate
from ajuste_fino.choose.trial import Trial
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.data.loading import LoaderConfig

EMBEDDED = Candidate("embedded", "embedded", "pretrained", ("backbone=embedded",))


@pytest.fixture
def trial(photos, own_cache, monkeypatch):
    monkeypatch.setattr(measure, "TIMED", 0)
    config = DataConfig(photos, None, 0.2, 0.2, "error", 0.01, None, 0)
    loading = LoaderConfig(torch.device("cpu"), 16, 0, lambda items, *_: iter(items))
    samples = inspect_folder(config, 0, loading.progress).with_splits().samples
    targets = torch.tensor([["1", "2", "10"].index(sample.label) for sample in samples])
    return Trial(samples, targets, torch.arange(len(samples)) % 4, loading, "fp32", len(samples), config)


@pytest.mark.parametrize("chosen", [Cut("features.block3", 4), Cut("features.block2", 2)])
def test_what_train_would_compute_is_in_the_cache(trial, monkeypatch, chosen):
    monkeypatch.setattr(measure, "choose_cut", lambda scores, _: next(one for one in scores if one.cut == chosen))
    monkeypatch.setattr(measure, "best", lambda scores: next(one for one in scores if one.cut == chosen))
    rows, scores = measure.measure(EMBEDDED, trial)
    assert len(scores) == 12 and len(rows) == 1 + (chosen.pool != 4)
    assert [row.score.cut for row in rows if row.chosen] == [chosen]
    assert [row.score.cut for row in rows if row.default] == [Cut("features.block3", 4)]
    for row in rows:
        source = trial.cached(EMBEDDED.build(row.score.cut))
        assert not source.missing([sample.sha256 for sample in trial.samples])
        kept = source.rows(trial.samples)[slice(None)]
        fresh = torch.cat([batch.features for batch in source.images.features(trial.samples, every(trial))])
        assert torch.equal(torch.from_numpy(kept), fresh)


def every(trial):
    from ajuste_fino.data.order import EpochBatchSampler

    return EpochBatchSampler(len(trial.samples), 16)


def test_again_nothing_is_written_twice(trial):
    measure.measure(EMBEDDED, trial)
    files = {path: path.stat().st_mtime for path in trial.cached(EMBEDDED.build()).store.folder.glob("*")}
    measure.measure(EMBEDDED, trial)
    assert files == {path: path.stat().st_mtime for path in trial.cached(EMBEDDED.build()).store.folder.glob("*")}


def test_the_cost_is_that_of_all_images(trial):
    assert 0 < measure.estimate(EMBEDDED, trial) < 60
