from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from ajuste_fino.backbone import build
from ajuste_fino.data.check import hashed
from ajuste_fino.data.loading import Order
from ajuste_fino.data.scan import scan
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.features import Cached, Extractor, Live, Work, resolve_precision
from ajuste_fino.freezing import Frozen
from ajuste_fino.predict import quiet

CPU = torch.device("cpu")


@pytest.fixture
def samples(photos):
    return hashed(scan(photos).samples, 0, quiet)[0]


@pytest.fixture(autouse=True)
def _own(own_cache):
    """No test sees another's features."""


@pytest.fixture
def live():
    torch.manual_seed(0)
    backbone, _ = build("embedded", "none")
    extractor = Extractor(Frozen(backbone), Preprocessing(**backbone.preprocessing), "fp32")
    return Live(extractor, Augmentation(), Work(CPU, 8, 0, quiet))


def all_of(features, samples):
    return torch.cat(list(features.plain(samples)))


def test_cached_and_live_features_are_the_same(live, samples):
    assert torch.allclose(all_of(Cached(live), samples), all_of(live, samples), atol=1e-5)


def test_the_second_time_nothing_is_computed(live, samples):
    first = all_of(Cached(live), samples)
    again = Cached(live)
    assert torch.equal(all_of(again, samples), first)
    assert again.figures() == {"cache/hit": True, "cache/misses": 0}


def test_one_changed_pixel_is_one_miss_and_a_new_name_none(live, samples, photos):
    list(Cached(live).plain(samples))
    path = samples[5].path
    stat = path.stat()
    picture = Image.open(path).convert("RGB")
    picture.putpixel((3, 3), (1, 2, 3))
    picture.save(path)
    samples[7].path.rename(photos / "1" / "renamed.png")
    import os

    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    cached = Cached(live)
    list(cached.plain(hashed(scan(photos).samples, 0, quiet)[0]))
    assert cached.misses == 1


def changed(live, what):
    extractor = live.extractor
    if what == "weights":
        next(extractor.backbone.module.parameters()).data.add_(1e-3)
        return replace_extractor(live, Extractor(Frozen(extractor.backbone.module), extractor.preprocessing, "fp32"))
    if what == "precision":
        return replace_extractor(live, Extractor(extractor.backbone, extractor.preprocessing, "bf16"))
    if what == "preprocessing":
        return replace_extractor(live, Extractor(extractor.backbone, replace(extractor.preprocessing, size=48), "fp32"))
    pool = {"pool": 2} if what == "pool" else {"tap": "block1"}
    torch.manual_seed(0)
    return replace_extractor(live, Extractor(Frozen(build("embedded", "none", **pool)[0]), extractor.preprocessing, "fp32"))


def replace_extractor(live, extractor):
    return Live(extractor, live.augmentation, live.work)


@pytest.mark.parametrize("what", ["weights", "precision", "preprocessing", "pool", "tap"])
def test_everything_that_decides_a_feature_is_in_the_key(live, samples, what):
    list(Cached(live).plain(samples))
    other = Cached(changed(live, what))
    list(other.plain(samples))
    assert other.misses == len(samples)


def test_views_are_the_plain_one_and_others_and_the_same_live(live, samples):
    rows = Cached(live).rows(samples, 3)
    count = len(samples)
    assert len(rows) == 3 * count
    assert np.array_equal(rows[slice(0, count)], all_of(live, samples).numpy())
    assert not np.allclose(rows[slice(0, count)], rows[slice(count, 2 * count)], atol=1e-2)
    again = [features for features, _ in live.compute(samples, Order(count, 8)) if len(features)]
    assert len(torch.cat(again)) == count
    more = Cached(live)
    more.rows(samples, 4)
    assert more.misses == count  # only the fourth view
    images, targets = live.training(samples, range(count), 3)[[count + 1]]
    assert targets.tolist() == [1]
    assert torch.allclose(live.extractor(images), torch.from_numpy(rows[[count + 1]]), atol=1e-5)


def test_a_stop_loses_only_the_batch_at_work(live, samples):
    def stopping(items, _total, _what):
        for n, item in enumerate(items):
            if n == 2:
                raise KeyboardInterrupt
            yield item

    stopped = Cached(Live(live.extractor, live.augmentation, replace(live.work, progress=stopping)))
    with pytest.raises(KeyboardInterrupt):
        stopped.rows(samples)
    after = Cached(live)
    after.rows(samples)
    assert after.misses == len(samples) - 16


def test_a_file_that_vanishes_is_told(live, samples):
    samples[3].path.unlink()
    with pytest.raises(UserError, match="changed since it was checked"):
        list(live.plain(samples))


@pytest.mark.parametrize(("can", "expected"), [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({}, "fp32")])
def test_auto_is_bf16_only_in_hardware(monkeypatch, can, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", partial(dict, can))
    assert resolve_precision("auto", CPU) == expected
    assert resolve_precision("fp32", CPU) == "fp32"
    with pytest.raises(UserError, match="must be auto, fp32 or bf16"):
        resolve_precision("fp16", CPU)
