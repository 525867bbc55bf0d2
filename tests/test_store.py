import hashlib
import io
import os

import numpy as np
import pytest

from ajuste_fino import store as module
from ajuste_fino.errors import AjusteFinoError
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

    monkeypatch.setattr("ajuste_fino.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"), FeatureStore(tmp_path, (2,)) as store:
        store.add(keys(1), np.ones((1, 2), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_rows_have_a_shape_and_a_type(tmp_path):
    rows = np.random.default_rng(0).normal(size=(5, 2, 3, 3)).astype(np.float16)
    with FeatureStore(tmp_path, (2, 3, 3), "float16", about={"what": "maps"}) as store:
        store.add(keys(5), rows)
    again = FeatureStore.existing(tmp_path)
    assert np.array_equal(again.rows(keys(5))[[3, 1]], rows[[3, 1]])
    assert again.rows(keys(5))[[0]].dtype == np.float16
    assert (tmp_path / module.ABOUT).read_text() == '{\n  "what": "maps"\n}\n'


def test_a_shard_is_not_hashed_again_after_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "sha256", None)
    with FeatureStore(tmp_path, (2,)) as store:
        store.add(keys(3), np.ones((3, 2), np.float32))
    assert store.missing(keys(4)) == [3]


def test_few_files_are_open_at_a_time(filled, monkeypatch):
    """Rows of many shards, in any order, with fewer file descriptors than shards."""
    folder, rows = filled
    monkeypatch.setattr(module, "OPEN_SHARDS", 2)
    store = FeatureStore(folder, (7,))
    assert len(store.shards) > 2
    before = len(os.listdir("/proc/self/fd"))
    found = store.rows(keys(50))
    for _ in range(3):
        assert np.array_equal(found[list(range(49, -1, -1))], rows[::-1])
        assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_refresh_finds_what_another_process_wrote_and_removed(tmp_path):
    one, other = FeatureStore(tmp_path, (2,)), FeatureStore(tmp_path, (2,))
    for n in range(2):
        with one:
            one.add([keys(2)[n]], np.full((1, 2), n, np.float32))
    assert other.missing(keys(2)) == [0, 1]
    other.refresh()
    assert other.missing(keys(2)) == []
    rows = other.rows(keys(2))
    one.shards[0].unlink()
    other.refresh()
    assert other.missing(keys(2)) == [0]
    assert other.rows(keys(2)[1:])[slice(None)].tolist() == [[1, 1]]
    with pytest.raises(AjusteFinoError, match="was cleaned while it was read"):
        rows[[0]]


def test_compacting_keeps_every_row_in_fewer_files(filled, monkeypatch):
    folder, rows = filled
    monkeypatch.setattr(module, "SHARD_BYTES", 20_000)
    store = FeatureStore(folder, (7,))
    before = len(store.shards)
    with store:
        store.add([keys(51)[50]], np.zeros((1, 7), np.float32))
    gone = store.compact()
    assert len(list(folder.glob("*.npy"))) == before + 2 - gone == 1
    again = FeatureStore(folder, (7,))
    assert not again.damaged
    assert np.array_equal(again.rows(keys(50))[slice(None)], rows)
    assert again.compact() == 0


def test_shards_of_the_first_release_are_read(tmp_path):
    """Its files are records of key and row as well."""
    shard = np.zeros(2, np.dtype([("key", "S80"), ("row", "<f4", (3,))]))
    shard["key"], shard["row"] = [key.encode() for key in keys(2)], [[1, 2, 3], [4, 5, 6]]
    buffer = io.BytesIO()
    np.save(buffer, shard)
    (tmp_path / f"{hashlib.sha256(buffer.getvalue()).hexdigest()}.npy").write_bytes(buffer.getvalue())
    assert FeatureStore(tmp_path, (3,)).rows(keys(2))[[1]].tolist() == [[4, 5, 6]]


def test_what_is_no_shard_is_left_out_whatever_its_name(filled):
    """Also a file that hashes to its name but holds something else, a pipe and a folder."""
    folder, rows = filled
    for content in (
        b"",
        np.lib.format.magic(1, 0) + b"?",
        save(np.zeros(3)),
        save(np.zeros(2, [("key", "S80"), ("row", "f8", (7,))])),
    ):
        (folder / f"{hashlib.sha256(content).hexdigest()}.npy").write_bytes(content)
    os.mkfifo(folder / f"{'1' * 64}.npy")
    (folder / f"{'2' * 64}.npy").mkdir()
    (folder / f"{'3' * 64}.npy").symlink_to(folder / "nowhere")
    store = FeatureStore(folder, (7,))
    assert len(store.damaged) == 4
    assert np.array_equal(store.rows(keys(50))[slice(None)], rows)
    assert FeatureStore.existing(folder) is not None


def save(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
