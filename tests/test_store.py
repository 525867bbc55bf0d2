import numpy as np
import pytest

from ajuste_fino import store as module
from ajuste_fino.store import FeatureStore


def keys(n):
    return [f"{k:064x}" for k in range(n)]


@pytest.fixture
def filled(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHARD_BYTES", 2000)
    rows = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    with FeatureStore(tmp_path, (7,)) as store:
        for start in range(0, 50, 8):
            store.add(keys(50)[start : start + 8], rows[start : start + 8])
    return tmp_path, rows


def test_rows_come_back_in_any_order(filled):
    folder, rows = filled
    store = FeatureStore(folder, (7,))
    assert len(store.shards) > 1
    assert store.missing(keys(52)) == [50, 51]
    order = [49, 3, 3, 17]
    assert np.array_equal(store.rows([keys(50)[n] for n in order])[slice(None)], rows[order])
    assert np.array_equal(store.rows(keys(50))[[4, 40]], rows[[4, 40]])


def test_what_was_added_before_a_stop_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt), FeatureStore(tmp_path, (2,)) as store:
        store.add(keys(3), np.ones((3, 2), np.float32))
        raise KeyboardInterrupt
    assert FeatureStore(tmp_path, (2,)).missing(keys(4)) == [3]


def test_every_flipped_bit_is_seen_and_only_that_shard_is_lost(filled):
    folder, _ = filled
    rng = np.random.default_rng(1)
    paths = sorted(folder.glob("*.npy"))
    for _ in range(60):
        path = paths[rng.integers(len(paths))]
        good = path.read_bytes()
        bad = bytearray(good)
        bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        path.write_bytes(bad)
        damaged = FeatureStore(folder, (7,))
        assert damaged.damaged == [path]
        assert 0 < len(damaged.missing(keys(50))) < 50
        path.write_bytes(good)


def test_a_full_disk_leaves_no_part(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"), FeatureStore(tmp_path, (2,)) as store:
        store.add(keys(1), np.ones((1, 2), np.float32))
    assert list(tmp_path.iterdir()) == []
