"""`cache show|prune|compact`, on features that runs left."""

import os
import time

from tests.conftest import FAST


def features(cache):
    return sorted(cache.rglob("*.npy"))


def train(cli, photos, out, *keys):
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={out}", *FAST, *keys)
    assert code == 0, err


def test_the_cache_is_shown_pruned_and_compacted(cli, photos, tmp_path, own_cache):
    assert "0.00 GiB in all" in cli("cache")[1]
    train(cli, photos, tmp_path / "a", "features.pool=1")
    train(cli, photos, tmp_path / "b", "features.pool=1", "features.views=3")
    old = features(own_cache)
    for path in old:
        os.utime(path, (time.time() - 3600,) * 2)
    train(cli, photos, tmp_path / "c", "features.pool=2")
    _, out, _ = cli("cache", "show")
    assert [line.count("embedded") for line in out.splitlines()].count(1) == 2
    assert "block3" in out

    code, _, err = cli("cache", "compact")
    assert (code, len(features(own_cache))) == (0, len(old)), err  # two shards of one folder became one
    newest = max(features(own_cache), key=lambda path: path.stat().st_mtime)
    limit = newest.stat().st_size / 2**30
    damaged = newest.with_name(f"{'0' * 64}.npy")
    damaged.write_bytes(b"not what it says")
    code, _, err = cli("cache", "prune", f"limit_gb={limit}")
    assert (code, features(own_cache)) == (0, [newest])
    assert "Removed 2 files" in err
    cli("cache", "prune", "limit_gb=0")
    assert features(own_cache) == []


def test_a_damaged_shard_is_passed_over_and_a_writers_file_stays(cli, photos, tmp_path, own_cache):
    train(cli, photos, tmp_path / "a")
    (shard,) = features(own_cache)
    shard.with_name(f"{'0' * 64}.npy").write_bytes(shard.read_bytes()[:-100])
    fresh, left = (shard.with_name(f".{name}.npy.x.tmp") for name in ("fresh", "left"))
    for path in (fresh, left):
        path.touch()
    os.utime(left, (time.time() - 7200,) * 2)
    for arguments in (["cache", "show"], ["cache", "compact"], ["audit", f"data.root={photos}", f"out={tmp_path / 'audit'}"]):
        code, _, err = cli(*arguments)
        assert code == 0, err
    assert cli("cache", "prune", "limit_gb=1")[0] == 0
    assert (features(own_cache), fresh.exists(), left.exists()) == ([shard], True, False)


def test_what_cannot_be_is_refused(cli):
    for arguments, message in (
        (["cache", "prune"], "limit_gb must be given"),
        (["cache", "prune", "limit_gb=-1"], "limit_gb must be a number of at least 0; got -1"),
        (["cache", "purge"], "The action purge is unknown. Did you mean prune?"),
        (["cache", "-m", "show"], "-m cannot be used with cache"),
    ):
        code, _, err = cli(*arguments)
        assert (code, message in err) == (2, True), err
