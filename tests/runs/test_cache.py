"""What the cache takes for the same and what not, from the command line."""

import json
import os

import pytest

from tests.conftest import draw, draw_folder

KEYS = ("epochs=1", "workers=0", "features.precision=fp32")  # auto differs from machine to machine


@pytest.fixture
def misses(cli, tmp_path, own_cache):
    """Train on BMP files, whose size does not depend on their pixels; how many images went through the backbone."""
    root, count = draw_folder(tmp_path / "bmp", suffix=".bmp"), iter(range(100))

    def train(*keys):
        out = tmp_path / f"run{next(count)}"
        code, _, err = cli("train", "data=folder", f"data.root={root}", f"out={out}", *KEYS, *keys)
        assert code == 0, err
        return json.loads((out / "metrics.json").read_text())["cache/misses"]

    train.root = root
    return train


def test_one_pixel_changed_at_equal_size_and_time_is_one_pass(misses):
    assert misses() == 36
    assert misses() == 0
    path = misses.root / "1" / "03.bmp"
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert misses() == 1


def test_ten_images_added_are_ten_passes(misses):
    assert misses() == 36
    for n in range(10):
        draw(0, 500 + n).save(misses.root / "1" / f"new{n}.bmp")
    assert misses() == 10


@pytest.mark.parametrize(
    "key",
    ["backbone.weights=none", "data.image_size=48", "features.precision=bf16", "features.pool=2", "features.tap=block2"],
)
def test_other_weights_transform_precision_pool_or_block_are_other_features(misses, key):
    assert misses() == 36
    assert misses(key) == 36
    assert misses(key) == 0 or key == "backbone.weights=none"
    assert misses() == 0
