"""Images that are decoded once for a run: the same views, and nothing left behind."""

import os
import pickle

import numpy as np
import pytest
import torch

from ajuste_fino.data import pixels
from ajuste_fino.data.content import BadImage
from ajuste_fino.data.hashing import hash_files
from ajuste_fino.data.loading import ImageDataset
from ajuste_fino.data.pixels import KeptPixels
from ajuste_fino.data.scan import scan
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.features.images import Views
from ajuste_fino.predict import no_progress
from tests.conftest import shapes


@pytest.fixture
def samples(tmp_path):
    root = tmp_path / "photos"
    for label in "ab":
        (root / label).mkdir(parents=True)
    for n in range(5):
        shapes(1, n).save(root / "ab"[n % 2] / f"{n}.jpg")
    return hash_files(scan(root).samples, 0, no_progress)[0]


def kept_of(samples, own_cache):
    return KeptPixels.decode(samples, Augmentation().min_size(32), None, 2, no_progress)


def test_views_are_those_of_images_that_are_decoded_each_time(samples, own_cache):
    preprocessing = Preprocessing(size=32, resize=36)
    views = Views(preprocessing, Augmentation(), [sample.sha256 for sample in samples])
    positions = [0, 5, 11, 17, 24, 8]
    kept = kept_of(samples, own_cache)
    plain, fast = ImageDataset(samples, views)[positions], ImageDataset(samples, views, kept=kept)[positions]
    assert torch.equal(plain.pixels, fast.pixels)
    assert plain.positions == fast.positions == positions
    kept.close()
    assert list((own_cache / "ajuste_fino" / "pixels").iterdir()) == []


def test_another_process_maps_the_file_itself(samples, own_cache):
    kept = kept_of(samples, own_cache)
    before = np.asarray(kept[3])
    assert len(pickle.dumps(kept)) < 2000
    assert np.array_equal(np.asarray(pickle.loads(pickle.dumps(kept))[3]), before)
    kept.close()


def test_what_a_killed_run_left_is_removed(samples, own_cache, monkeypatch):
    first = kept_of(samples, own_cache)
    monkeypatch.setattr(pixels, "_runs", lambda process: process != os.getpid())
    second = kept_of(samples, own_cache)
    assert (first.path.exists(), second.path.exists()) == (False, True)
    second.close()


def test_a_damaged_image_is_named(samples, own_cache):
    (samples[0].content.path.parents[1] / samples[2].file).write_bytes(b"no image")
    with pytest.raises(BadImage, match="not what it was"):
        kept_of(samples, own_cache)
    assert list((own_cache / "ajuste_fino" / "pixels").iterdir()) == []
