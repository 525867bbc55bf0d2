from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from ajuste_fino.backbone import build
from ajuste_fino.data.hashing import hash_files
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.data.scan import scan
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.features import CachedFeatures, Extractor, LiveFeatures, resolve_precision
from ajuste_fino.freezing import Frozen
from ajuste_fino.predict import no_progress

CPU = torch.device("cpu")


@pytest.fixture
def samples(photos):
    return hash_files(scan(photos).samples, 0, no_progress)[0]


@pytest.fixture(autouse=True)
def _own(own_cache):
    """No test sees another's features."""


@pytest.fixture
def extractor():
    torch.manual_seed(0)
    backbone, _ = build("embedded", "none")
    return Extractor(Frozen(backbone), Preprocessing(**backbone.preprocessing), "fp32")


def live_of(extractor):
    return LiveFeatures(extractor, Augmentation(), LoaderConfig(CPU, 8, 0, no_progress))


def cached_of(extractor, progress=no_progress):
    return CachedFeatures(extractor, Augmentation(), LoaderConfig(CPU, 8, 0, progress))


def all_of(features, samples):
    return torch.cat(list(features.features_of(samples)))


def test_cached_and_live_features_are_the_same(extractor, samples):
    assert torch.allclose(all_of(cached_of(extractor), samples), all_of(live_of(extractor), samples), atol=1e-5)


def test_the_second_time_nothing_is_computed(extractor, samples):
    first = all_of(cached_of(extractor), samples)
    again = cached_of(extractor)
    assert torch.equal(all_of(again, samples), first)
    assert again.metrics() == {"cache/hit": True, "cache/misses": 0, "features/engine": "torch"}


def test_one_changed_pixel_is_one_miss_and_a_new_name_none(extractor, samples, photos):
    list(cached_of(extractor).features_of(samples))
    path = samples[5].content.path
    stat = path.stat()
    image = Image.open(path).convert("RGB")
    image.putpixel((3, 3), (1, 2, 3))
    image.save(path)
    samples[7].content.path.rename(photos / "1" / "renamed.png")
    import os

    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    cached = cached_of(extractor)
    list(cached.features_of(hash_files(scan(photos).samples, 0, no_progress)[0]))
    assert cached.misses == 1


def changed(extractor, what):
    if what == "weights":
        next(extractor.backbone.module.parameters()).data.add_(1e-3)
        return Extractor(Frozen(extractor.backbone.module), extractor.preprocessing, "fp32")
    if what == "precision":
        return Extractor(extractor.backbone, extractor.preprocessing, "bf16")
    if what == "preprocessing":
        return Extractor(extractor.backbone, replace(extractor.preprocessing, size=48), "fp32")
    pool = {"pool": 2} if what == "pool" else {"layer": "block1"}
    torch.manual_seed(0)
    return Extractor(Frozen(build("embedded", "none", **pool)[0]), extractor.preprocessing, "fp32")


@pytest.mark.parametrize("what", ["weights", "precision", "preprocessing", "pool", "layer"])
def test_everything_that_decides_a_feature_is_in_the_key(extractor, samples, what):
    list(cached_of(extractor).features_of(samples))
    other = cached_of(changed(extractor, what))
    list(other.features_of(samples))
    assert other.misses == len(samples)


def test_views_are_the_plain_one_and_others_and_the_same_live(extractor, samples):
    rows = cached_of(extractor).rows(samples, 3)
    count = len(samples)
    assert len(rows) == 3 * count
    assert np.array_equal(rows[slice(0, count)], all_of(live_of(extractor), samples).numpy())
    assert not np.allclose(rows[slice(0, count)], rows[slice(count, 2 * count)], atol=1e-2)
    again = [
        batch.features for batch in live_of(extractor).images.features(samples, EpochBatchSampler(count, 8)) if batch.positions
    ]
    assert len(torch.cat(again)) == count
    more = cached_of(extractor)
    more.rows(samples, 4)
    assert more.misses == count  # only the fourth view
    images, targets = live_of(extractor).train_set(samples, range(count), 3)[[count + 1]]
    assert targets.tolist() == [1]
    assert torch.allclose(extractor(images), torch.from_numpy(rows[[count + 1]]), atol=1e-5)


def test_a_stop_loses_only_the_batch_at_work(extractor, samples):
    def stopping(items, _total, _what):
        for n, item in enumerate(items):
            if n == 2:
                raise KeyboardInterrupt
            yield item

    stopped = cached_of(extractor, stopping)
    with pytest.raises(KeyboardInterrupt):
        stopped.rows(samples)
    after = cached_of(extractor)
    after.rows(samples)
    assert after.misses == len(samples) - 16


def test_a_file_that_vanishes_is_told(extractor, samples):
    samples[3].content.path.unlink()
    with pytest.raises(UserError, match="changed since it was checked"):
        list(live_of(extractor).features_of(samples))


@pytest.mark.parametrize(("can", "expected"), [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({}, "fp32")])
def test_auto_is_bf16_only_in_hardware(monkeypatch, can, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", partial(dict, can))
    assert resolve_precision("auto", CPU) == expected
    assert resolve_precision("fp32", CPU) == "fp32"
    with pytest.raises(UserError, match="must be auto, fp32 or bf16"):
        resolve_precision("fp16", CPU)


@pytest.mark.parametrize("known", [[], [0], [7, 8, 9], range(36), range(0, 36, 3), range(20)], ids=len)
def test_batches_are_in_order_whatever_is_on_disk_already(extractor, samples, known):
    bad = 5
    samples[bad].content.path.write_text("no")
    samples[bad] = replace(samples[bad], sha256="")
    good = [n for n in range(len(samples)) if n != bad]
    cached_of(extractor).rows([samples[n] for n in known if n != bad])
    source = cached_of(extractor)
    batches = list(source.batches(samples))
    assert [position for batch in batches for position in batch.positions] == good
    assert [list(batch.bad) for batch in batches if batch.bad] == [[bad]]
    assert source.misses == len(samples) - len([n for n in known if n != bad])
    assert max(len(batch.positions) for batch in batches) <= 8
    expected = all_of(live_of(extractor), [samples[n] for n in good])
    assert torch.allclose(torch.cat([batch.features for batch in batches]), expected, atol=1e-5)
