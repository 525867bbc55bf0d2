"""`extract`: the same bytes however the images are divided, and whatever stopped it."""

import json
import shutil
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from ajuste_fino.features.extracted import Extracted, encoded, features_in, group_rows
from ajuste_fino.features.keyed import FixedExtraction
from ajuste_fino.features.merge import Moments
from ajuste_fino.features.parts import PartWriter, known_keys
from ajuste_fino.storage import Storage
from tests.conftest import draw_folder
from tests.data.converted import as_parquet, as_tars

pytest.importorskip("pyarrow")
FLUSH = PartWriter.flush
FAST = ("backbone=embedded", "workers=0", "features.engine=torch", "features.precision=fp32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_folder(tmp_path_factory.mktemp("extract") / "photos", each=15)


def extract(cli, photos, out, *keys, code=0):
    found, _, err = cli("extract", f"data.root={photos}", f"out={out}", *FAST, *keys)
    assert found == code, err
    return err


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def table(folder):
    from pyarrow import parquet

    return parquet.read_table(sorted(folder.glob("features-*.parquet")))


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    """What one run writes."""
    from omegaconf import open_dict

    from ajuste_fino.runs.configuration import compose
    from ajuste_fino.runs.extract import extract as run

    out = tmp_path_factory.mktemp("whole") / "features"
    cfg = compose("extract", [f"data.root={photos}", f"out={out}", *FAST])
    with open_dict(cfg):
        run(cfg, out)
    return out


def test_rows_are_sorted_and_say_what_they_are(whole, photos):
    found, about = table(whole), json.loads((whole / "about.json").read_text())
    keys = found["key"].to_pylist()
    assert keys == sorted(keys) and len(set(keys)) == about["rows"] == 45
    assert found.column_names == ["key", "file", "label", "split", "feature"]
    assert about["classes"] == {"1": {"": 15}, "2": {"": 15}, "10": {"": 15}}
    rows = features_in(found, 2048)
    statistics = about["statistics"][""]
    assert np.allclose(statistics["mean"], rows.astype(float).mean(0), atol=1e-12)
    assert np.allclose(statistics["std"], rows.astype(float).std(0), atol=1e-12)
    assert not (whole / "parts").exists()


def test_features_are_those_that_train_caches(whole, photos, cli, own_cache, tmp_path):
    from ajuste_fino.store import FeatureStore

    keys = ("features.engine=torch", "features.precision=fp32", "epochs=1", "workers=0")
    cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *keys)
    store = FeatureStore.existing(next((own_cache / "ajuste_fino" / "features").iterdir()))
    found = table(whole)
    assert np.allclose(store.rows(found["key"].to_pylist())[slice(None)], features_in(found, 2048), atol=1e-5)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shards_give_the_bytes_of_one_run(whole, photos, cli, tmp_path, order):
    out = tmp_path / "features"
    for shard in order:
        assert "merge=true" in extract(cli, photos, out, f"shard={shard}/3", f"features.batch_size={7 + shard}")
    assert cli("extract", f"out={out}", "merge=true")[0] == 0
    assert files(out) == files(whole)


@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_a_source_is_read_through_and_its_shards_give_the_same_features(whole, photos, cli, tmp_path, kind, monkeypatch):
    """Here each shard may hold 20 of the 45 images: a source may be longer than a list of images."""
    out, root = tmp_path / "features", tmp_path / kind
    {"parquet": as_parquet, "webdataset": as_tars}[kind](photos, root)
    monkeypatch.setattr("ajuste_fino.runs.extract_listing.MOST", 20)
    monkeypatch.setattr("ajuste_fino.data.sources.source.MOST", 20)
    assert "must have at most 20 images; got more, of 1 shards" in extract(cli, root, out, f"data={kind}", code=2)
    for shard in range(4):
        extract(cli, root, out, f"data={kind}", f"shard={shard}/4")
    assert cli("extract", f"out={out}", "merge=true")[0] == 0
    one, other = table(whole), table(out)
    assert one["key"] == other["key"] and one["label"] == other["label"] and one["feature"] == other["feature"]


def test_a_file_that_is_gone_is_computed_again(whole, photos, cli, tmp_path):
    out = tmp_path / "features"
    shutil.copytree(whole, out)
    next(out.glob("features-*.parquet")).unlink()
    code, _, err = cli("extract", f"out={out}", "merge=true")
    assert code == 2 and "must have the files that it wrote, and some are gone" in err
    assert "lacks 1 file that it should have: all is computed again" in extract(cli, photos, out)
    assert files(out) == files(whole)


def test_a_missing_shard_is_named(photos, cli, tmp_path):
    extract(cli, photos, tmp_path / "f", "shard=1/3")
    code, _, err = cli("extract", f"out={tmp_path / 'f'}", "merge=true")
    assert code == 2 and "shard=0/3 and shard=2/3" in err


def test_what_was_computed_before_a_stop_is_not_computed_again(whole, photos, cli, tmp_path, monkeypatch):
    out, rows = tmp_path / "f", []
    monkeypatch.setattr("ajuste_fino.features.parts.PART_BYTES", 0)
    normal = PartWriter.add

    def stopped(self, keys, features):
        rows.extend(keys)
        normal(self, keys, features)
        if len(rows) >= 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(PartWriter, "add", stopped)
    err = extract(cli, photos, out, "features.batch_size=10", code=130)
    assert "the same command goes on" in err
    assert len(known_keys(Storage("out", out))) == 20
    rows.clear()
    monkeypatch.setattr(PartWriter, "add", lambda self, keys, features: (rows.extend(keys), normal(self, keys, features))[1])
    extract(cli, photos, out, "features.batch_size=10")
    assert len(rows) == 25 and files(out) == files(whole)
    assert "All was done before" in extract(cli, photos, out)


class Killed(BaseException):
    """What nobody catches."""


@pytest.mark.parametrize("name", ["plan.json", "rows-", "files-", "features-00000", "about.json"])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_file_changes_nothing(whole, photos, cli, tmp_path, monkeypatch, name, after):
    out, normal = tmp_path / "f", Storage.write

    def killed(self, file, content):
        if after or name not in file:
            normal(self, file, content)
        if name in file:
            raise Killed

    monkeypatch.setattr(Storage, "write", killed)
    monkeypatch.setattr(PartWriter, "flush", lambda self: None if sys.exception() else FLUSH(self))  # a kill writes no more
    with pytest.raises(Killed):
        extract(cli, photos, out)
    monkeypatch.undo()
    extract(cli, photos, out)
    assert files(out) == files(whole) and not (out / "parts").exists()


def test_copies_count_once_and_two_labels_are_refused_or_left_out(photos, cli, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    shutil.copy(root / "1" / "00.png", root / "1" / "copy.png")
    extract(cli, root, tmp_path / "a")
    about = json.loads((tmp_path / "a" / "about.json").read_text())
    assert (about["rows"], about["images"]) == (45, 46)
    shutil.copy(root / "1" / "01.png", root / "2" / "other.png")
    assert "several labels" in extract(cli, root, tmp_path / "b", code=2)
    assert "max_skipped" in extract(cli, root, tmp_path / "b", "data.on_bad_image=skip", code=2)
    extract(cli, root, tmp_path / "b", "data.on_bad_image=skip", "data.max_skipped=0.1")
    assert json.loads((tmp_path / "b" / "about.json").read_text())["rows"] == 44


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n and no more"])
def test_bad_images_stop_it_at_the_end_or_are_listed(photos, cli, tmp_path, content):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    (root / "1" / "bad.png").write_bytes(content)
    assert "1/bad.png" in extract(cli, root, tmp_path / "f", code=2)
    extract(cli, root, tmp_path / "f", "data.on_bad_image=skip", "data.max_skipped=0.1")
    about = json.loads((tmp_path / "f" / "about.json").read_text())
    assert about["rows"] == 45 and "1/bad.png" in about["skipped"][0]


def test_the_splits_of_the_layout_have_files_of_their_own(cli, tmp_path):
    for n, split in enumerate(("train", "val", "test")):
        draw_folder(tmp_path / "photos" / split, each=4, first=10 * n)
    extract(cli, tmp_path / "photos", tmp_path / "f")
    about = Extracted.read("out", str(tmp_path / "f")).about
    assert [file["split"] for file in about["files"]] == ["train", "val", "test"]
    assert {name: one["rows"] for name, one in about["statistics"].items()} == {"train": 12, "val": 12, "test": 12}
    shutil.copy(tmp_path / "photos/train/1/00.png", tmp_path / "photos/test/1/x.png")
    assert "two splits" in extract(cli, tmp_path / "photos", tmp_path / "g", code=2)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["features.pool=1"], "cut.pool: 4 → 1"),
        (["features.tap=features.block2"], "cut.tap"),
        (["data.image_size=32"], "preprocessing.size: 64 → 32"),
    ],
)
def test_other_keys_are_refused_with_what_differs(whole, photos, cli, tmp_path, keys, said):
    shutil.copytree(whole, tmp_path / "done")
    assert said in extract(cli, photos, tmp_path / "done", *keys, code=2)
    extract(cli, photos, tmp_path / "begun", "shard=0/2")
    assert said in extract(cli, photos, tmp_path / "begun", "shard=1/2", *keys, code=2)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["shard=3/3"], "k/n"),
        (["shard=1"], "k/n"),
        (["runner=spark"], "local or ray"),
        (["features.views=4"], "must be 1"),
        (["data.group=(a)"], "data.group"),
        (["out=nowhere://x/y"], "an address that fsspec reads"),
        (["out=s3://me:secret@bucket/x"], "must not hold a password"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(photos, cli, tmp_path, keys, said):
    assert said in extract(cli, photos, tmp_path / "f", *keys, code=2)
    assert not (tmp_path / "f").exists()


def test_a_url(whole, photos, cli):
    from fsspec.implementations.memory import MemoryFileSystem

    extract(cli, photos, "memory://bucket/features")
    system = MemoryFileSystem()
    found = {one.rpartition("/")[2]: system.cat_file(one) for one in system.ls("/bucket/features", detail=False)}
    assert {name: content for name, content in found.items() if name in files(whole)} == files(whole)


def test_no_feature_depends_on_what_else_is_in_the_batch(whole):
    from ajuste_fino.backbone import build
    from ajuste_fino.data.transforms import Preprocessing
    from ajuste_fino.features import Extractor
    from ajuste_fino.features.engine import is_installed
    from ajuste_fino.features.graph import CompiledExtractor
    from ajuste_fino.freezing import Frozen

    backbone, _ = build("embedded", "pretrained")
    plain = Extractor(Frozen(backbone), Preprocessing(**backbone.preprocessing), "fp32")
    pixels = torch.randint(0, 256, (21, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for extractor in (plain, *([CompiledExtractor(plain)] if is_installed() else [])):
        extraction = FixedExtraction(extractor, torch.device("cpu"), 64)
        together = extraction(pixels)
        for rows in ([20], [3, 1, 20], list(range(20, 4, -1))):
            assert torch.equal(extraction(pixels[rows]), together[rows])


@pytest.mark.parametrize(("width", "rows"), [(1, 8192), (1280, 1024), (2048, 1024), (20_480, 64), (3_000_000, 1)])
def test_groups_of_rows_are_of_a_few_megabytes(width, rows):
    assert group_rows(width) == rows


def test_a_damaged_page_is_noticed(tmp_path):
    features = np.random.default_rng(0).normal(size=(64, 100)).astype("f4")
    content = bytearray(encoded({"key": [f"{n:064}" for n in range(64)]}, features, 64))
    place = content.find(features[5].tobytes())
    content[place] ^= 1
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(OSError, match="checksum|CRC|crc"):
        Storage("out", tmp_path).parquet("x.parquet").read()


@pytest.mark.parametrize("sizes", [[7], [1, 6], [3, 1, 3]])
def test_moments_do_not_lose_digits(sizes):
    rows = np.random.default_rng(0).normal(1e4, 1e-2, (7, 3))
    moments, start = Moments(), 0
    for size in sizes:
        moments.add(rows[start : start + size])
        start += size
    assert np.allclose(moments.metadata()["std"], rows.std(0), rtol=1e-9)


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'ajuste-fino[ray]'")
def test_ray_is_asked_for_by_name_where_it_is_missing(photos, cli, tmp_path, monkeypatch):
    monkeypatch.setattr("ajuste_fino.runs.extract_ray.find_spec", lambda _: None)
    assert "ajuste-fino[ray]" in extract(cli, photos, tmp_path / "f", "runner=ray", code=2)
