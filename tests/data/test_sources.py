"""Images of Parquet files, tar shards and addresses: found, labelled, split and read as those of a folder are."""

import json
import pickle
from dataclasses import replace

import pytest

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.content import BadImage
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.data.scan import scan
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.sources import parquet_rows, source
from ajuste_fino.data.sources.opening import kind_of, open_root
from ajuste_fino.data.sources.shards import expanded, split_of_file
from ajuste_fino.errors import UserError
from ajuste_fino.predict import no_progress
from ajuste_fino.url import Url, refuse_secrets
from tests.conftest import draw, draw_folder
from tests.data.converted import as_parquet, as_tars, tar, upload

pa = pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """36 images of the classes 1, 2 and 10, in splits, as a folder and otherwise."""
    root = tmp_path_factory.mktemp("sources")
    for split, each, first in (("train", 8, 0), ("validation", 2, 8), ("test", 2, 10)):
        draw_folder(root / "photos" / split, each=each, first=first)
    as_parquet(root / "photos", root / "parquet")
    as_tars(root / "photos", root / "tars")
    upload(root / "photos", "memory://sources/photos")
    upload(root / "parquet", "memory://sources/parquet")
    upload(root / "tars", "memory://sources/tars")
    return root


def place(photos, where, kind):
    name = "photos" if kind == "folder" else "tars" if kind == "webdataset" else "parquet"
    return f"memory://sources/{name}" if where == "memory" else str(photos / name)


def opened(value, kind=None, **keys):
    return open_root(str(value), kind, keys)


def inspected(root, **options):
    return inspect_folder(DataConfig(root, **options), 2, no_progress).with_splits()


def told(samples):
    return [(sample.label, sample.split, sample.sha256) for sample in samples]


EVERYWHERE = [(where, kind) for where in ("here", "memory") for kind in ("folder", "parquet", "webdataset")]


@pytest.mark.parametrize(("where", "kind"), EVERYWHERE)
def test_every_source_gives_the_same_images_labels_and_splits(photos, where, kind):
    root = opened(place(photos, where, kind), kind)
    found = inspected(root)
    assert sorted(told(found.samples)) == sorted(told(inspected(photos / "photos").samples))
    assert found.labels == ["1", "2", "10"] and not found.skipped
    again = source.contents(root, [sample.file for sample in found.samples])
    assert all(one.read() == sample.read() for one, sample in zip(again, found.samples, strict=True))
    assert all(pickle.loads(pickle.dumps(sample)).read() == sample.read() for sample in found.samples[:3])
    assert all(len(pickle.dumps(sample)) < 1000 for sample in found.samples), "samples hold no bytes"


@pytest.mark.parametrize(("where", "kind"), [one for one in EVERYWHERE if one != ("here", "folder")])
def test_images_come_one_by_one_and_the_kind_is_seen(photos, where, kind):
    value = place(photos, where, kind)
    root = opened(value)
    assert kind_of(root.place) == kind
    stream = root.read(ScanResult())
    assert next(stream).label in {"1", "2", "10"} and len(list(stream)) == 35


@pytest.mark.parametrize(("where", "kind"), EVERYWHERE[1:])
def test_more_images_than_a_list_may_hold(photos, where, kind, monkeypatch):
    for module in ("source", "parquet", "stored_folder"):
        monkeypatch.setattr(f"ajuste_fino.data.sources.{module}.MOST", 20)
    if (where, kind) == ("here", "folder"):
        return
    with pytest.raises(UserError, match=rf"must hold at most 20 images .* extract data={kind} data.root="):
        scan(opened(place(photos, where, kind), kind))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00002.parquet", "train"),
        ("data/validation-00000-of-00001.parquet", "val"),
        ("default/test/0000.parquet", "test"),
        ("partial-train/0000.parquet", "train"),
        ("imagenet-val-000123.tar", "val"),
        ("shard-000.tar", ""),
        ("train-test-mixed.tar", ""),
        ("contest.parquet", ""),
    ],
)
def test_the_split_of_a_file(name, split):
    assert split_of_file(name) == split


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("s3://b/t-{008..011}.tar", ["t-008.tar", "t-009.tar", "t-010.tar", "t-011.tar"]),
        ("/d/{train,test}-{0..1}.tar", ["train-0.tar", "train-1.tar", "test-0.tar", "test-1.tar"]),
        ("/d/{a,b}/0.tar", ["a/0.tar", "b/0.tar"]),
    ],
)
def test_braces(pattern, names):
    base, found = expanded(Url(pattern))
    assert found == names and str(base) == pattern.rpartition("{")[0].split("{")[0].rpartition("/")[0]


def test_a_pattern_takes_what_it_names(photos):
    root = opened(photos / "tars" / "{train,test}-{000..001}.tar")
    assert {sample.split for sample in scan(root).samples} == {"train", "test"}
    with pytest.raises(UserError, match=r"names 3 files of which 1 are not there(?s:.)*train-002.tar"):
        scan(opened(photos / "tars" / "train-{000..002}.tar"))


# -- columns --


def written(path, columns, about=None, **options):
    table = pa.table(columns)
    if about:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": about}})})
    parquet.write_table(table, path, **options)
    return path


def png(label, seed=0):
    import io

    buffer = io.BytesIO()
    draw(label, seed).save(buffer, "PNG")
    return buffer.getvalue()


PNG = [png(n % 3, n) for n in range(6)]
STRUCT = [{"bytes": content, "path": None} for content in PNG]
NAMES = {"label": {"_type": "ClassLabel", "names": ["ant", "bee", "cat"]}}


@pytest.mark.parametrize(
    ("columns", "about", "keys", "labels"),
    [
        ({"image": STRUCT, "label": [0, 1, 2] * 2}, NAMES, {}, ["ant", "bee", "cat"]),
        ({"image": STRUCT, "label": [0, 1, 2] * 2}, None, {}, ["0", "1", "2"]),
        ({"img": PNG, "Species": list("abcabc")}, None, {}, ["a", "b", "c"]),
        ({"photo": PNG, "class": pa.array(list("abcabc")).dictionary_encode()}, None, {}, ["a", "b", "c"]),
        ({"x": PNG, "y": [7, 8, 9] * 2, "width": [1] * 6}, None, {}, ["7", "8", "9"]),
        ({"img": PNG, "fine": [0, 1, 2] * 2, "z": [1] * 6}, {"fine": NAMES["label"]}, {}, ["ant", "bee", "cat"]),
        ({"a": PNG, "b": STRUCT, "c": list("abcabc")}, None, {"image_column": "b", "label_column": "c"}, ["a", "b", "c"]),
    ],
)
def test_columns_are_found(tmp_path, columns, about, keys, labels):
    found = scan(opened(written(tmp_path / "x.parquet", columns, about), **keys)).samples
    assert [sample.label for sample in found] == labels * 2
    assert [sample.read() for sample in found] == PNG
    assert [sample.file for sample in found][:2] == ["x.parquet#0", "x.parquet#1"]


@pytest.mark.parametrize(
    ("columns", "keys", "message"),
    [
        ({"a": list("abcabc"), "label": [0] * 6}, {}, "no column that may be the image.*Its columns: a .string., label .int64"),
        ({"a": PNG, "b": PNG, "label": [0] * 6}, {}, "several columns that may be the image; got a, b.*data.image_column=NAME"),
        ({"image": PNG, "fine_label": [0] * 6, "coarse_label": [1] * 6}, {}, "no column that may be the label.*coarse_label"),
        ({"image": PNG, "label": [[0, 1]] * 6}, {}, "no column that may be the label.*label .list"),
        ({"image": PNG, "label": [0.5] * 6}, {"label_column": "label"}, "data.label_column must be a column of texts or"),
        ({"image": PNG, "label": [0] * 6}, {"image_column": "imgae"}, "data.image_column must be a column.*mean image"),
        ({"image": PNG, "label": [0] * 6}, {"image_column": "label"}, "data.image_column must be a column of bytes"),
        ({"image": PNG, "label": ["a", None, "b"] * 2}, {}, "a label in every row .*2 rows without(?s:.)*row 1: null"),
        ({"image": [{"bytes": None, "path": "x"}] * 6, "label": [0] * 6}, {}, "no image in its column image"),
        ({"image": PNG, "label": ["a|b", "a", "b"] * 2}, {}, "every file one label"),
        ({"image": PNG, "label": [0] * 6, "split": ["train", "x"] * 3}, {}, "unknown split; got x"),
        ({"image": PNG, "label": [0, 1] * 3, "split": ["train", None] * 3}, {}, r"a split for every image(?s:.)*x.parquet#1"),
        ({"image": PNG[:0], "label": pa.array([], pa.int64())}, {}, "no column that may be the image|must hold images"),
    ],
)
def test_columns_that_cannot_be_found_or_read(tmp_path, columns, keys, message):
    with pytest.raises(UserError, match=message):
        inspected(opened(written(tmp_path / "x.parquet", columns), **keys))


def test_a_number_without_a_name(tmp_path):
    path = written(tmp_path / "test.parquet", {"image": PNG, "label": [-1] * 6}, NAMES)
    with pytest.raises(UserError, match=r"label in every row(?s:.)*Its numbers are 0 to 2, of 3 classes(?s:.)*row 0: -1"):
        scan(opened(path))


def test_splits_and_groups_of_columns(tmp_path):
    columns = {"image": PNG, "label": list("aaabbb"), "split": ["train", "validation", "test"] * 2, "who": [1, 2, 3] * 2}
    root = opened(written(tmp_path / "test.parquet", columns))
    assert [sample.split for sample in scan(root).samples] == ["train", "val", "test"] * 2
    assert root.column("who")["test.parquet#5"] == "3"
    del columns["split"]
    root = opened(written(tmp_path / "x.parquet", columns))
    by_group = {sample.group: sample.split for sample in inspected(root, group="who", test=0.3, val=0.3).samples}
    assert len(by_group) == 3 and set(by_group.values()) == {"train", "val", "test"}
    with pytest.raises(UserError, match=r"data.group must be a column of x.parquet; got whom. Did you mean who"):
        inspected(root, group="whom")


@pytest.mark.parametrize("cut", [0, 3, 100, -1])
def test_a_file_that_is_no_parquet_or_cut_off(tmp_path, cut):
    path = written(tmp_path / "x.parquet", {"image": PNG, "label": [0] * 6})
    path.write_bytes(path.read_bytes()[:cut] if cut else b"<html>not found</html>")
    with pytest.raises(UserError, match=r"cannot be read as a Parquet file"):
        scan(opened(path))


def test_a_null_among_images_and_a_row_that_changes(tmp_path):
    path = written(tmp_path / "x.parquet", {"image": [*PNG[:3], None, *PNG[4:]], "label": [0, 1] * 3})
    found = inspected(opened(path), on_bad_image="skip")
    assert [str(one) for one in found.skipped] == ["x.parquet#3: a row without an image"]
    written(path, {"image": PNG[::-1], "label": [0, 1] * 3})
    parquet_rows._by_process.clear()
    with pytest.raises(BadImage, match="its content is not what it was"):
        found.samples[0].read()
    path.unlink()
    parquet_rows._by_process.clear()
    with pytest.raises(BadImage, match="its row cannot be read"):
        found.samples[0].read()


@pytest.mark.parametrize("group", [1, 7, 40])
def test_rows_are_read_in_any_order_and_little_is_kept(tmp_path, monkeypatch, group):
    monkeypatch.setattr(parquet_rows, "PART", 20_000)
    monkeypatch.setattr(parquet_rows, "KEPT", 20_000)
    content = [bytes([n]) * 4000 for n in range(40)]
    path = written(tmp_path / "x.parquet", {"image": content, "label": [0] * 40}, row_group_size=group, data_page_size=5000)
    samples, kept = scan(opened(path)).samples, parquet_rows.Kept()
    monkeypatch.setattr(parquet_rows, "_kept", lambda: kept)
    for order in (range(40), range(39, -1, -1), (3, 39, 4, 0, 12)):
        assert [samples[n].read() for n in order] == [content[n] for n in order]
    assert kept.size == sum(part.column.nbytes for part in kept.parts.values()) < 80_000


def test_neighbours_are_read_at_once(tmp_path, monkeypatch):
    path = written(tmp_path / "x.parquet", {"image": PNG * 20, "label": [0] * 120}, row_group_size=60)
    samples, kept, read = scan(opened(path)).samples, parquet_rows.Kept(), []
    monkeypatch.setattr(parquet_rows, "_kept", lambda: kept)
    part = parquet_rows.Group.part
    monkeypatch.setattr(parquet_rows.Group, "part", lambda self, row: read.append(row) or part(self, row))
    inspect_folder(DataConfig(opened(path)), 4, no_progress)
    assert len(read) == 2 and len(samples) == 120


# -- tar shards --


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ({"cls": b"3\n"}, "3"),
        ({"txt": "ñu ".encode()}, "ñu"),
        ({"json": b'{"label": "cat"}'}, "cat"),
        ({"json": b'{"label": 4}'}, "4"),
        ({"json": b'{"label": "cat"}', "txt": b"a cat on a mat"}, "cat"),
        ({"cls": b"7", "json": b'{"label": "cat"}'}, "7"),
        ({"json": b'{"width": 4}', "txt": b"cat"}, "cat"),
    ],
)
def test_labels_of_members(tmp_path, label, found):
    path = tar(
        tmp_path / "train-0.tar", [("./a/0.1/x.png", PNG[0]), *((f"./a/0.1/x.{end}", text) for end, text in label.items())]
    )
    (sample,) = scan(opened(path)).samples
    assert (sample.label, sample.file, sample.split) == (found, "train-0.tar/a/0.1/x.png", "train")
    assert sample.read() == PNG[0]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.png", PNG[0])], "holds 1 image without a label.*NAME.cls(?s:.)*a.png"),
        ([("a.png", PNG[0]), ("a.json", b"{}")], "holds 1 image without a label"),
        ([("a.png", PNG[0]), ("a.cls", b" ")], "holds 1 image without a label"),
        ([("a.l.png", PNG[0]), ("a.r.png", PNG[1]), ("a.cls", b"0")], "1 name with several images(?s:.)*a.l.png, a.r.png"),
        ([("a.png", PNG[0]), ("a.png", PNG[1]), ("a.cls", b"0")], "1 name with several images"),
        ([("a.cls", b"0")], "must hold images"),
    ],
)
def test_shards_that_are_refused(tmp_path, members, message):
    with pytest.raises(UserError, match=message):
        scan(opened(tar(tmp_path / "x.tar", members)))


def test_of_several_images_the_plain_one_counts_and_one_that_is_not_read_is_named(tmp_path):
    members = [
        ("a.png", PNG[0]),
        ("a.mask.png", PNG[1]),
        ("a.cls", b"0"),
        ("b.dng", b"II*"),
        ("b.cls", b"1"),
        ("._a.png", b"x"),
    ]
    found = scan(opened(tar(tmp_path / "x.tar", [*members, ("README.md", b"x"), ("c.png", PNG[2]), ("c.cls", b"1")])))
    assert [sample.file for sample in found.samples] == ["x.tar/a.png", "x.tar/c.png"]
    assert [(one.file, one.reason[:3]) for one in found.non_images] == [("x.tar/b.dng", "DNG")]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:1000], "cannot be read as a tar archive|is cut off"),
        (lambda content: content[:700], "cannot be read as a tar archive|is cut off"),
        (lambda content: content.rstrip(b"\0"), "cannot be read as a tar archive|is cut off"),
        (lambda content: content[:2048] + b"x" * 512 + content[2560:], "is damaged|cannot be read"),
        (lambda content: content + content, "holds several archives"),
        (lambda content: __import__("gzip").compress(content), "not compressed; it is an archive .gzip."),
        (lambda content: b"<html>", "cannot be read as a tar archive"),
        (lambda content: b"", "cannot be read as a tar archive"),
    ],
)
def test_damaged_shards(tmp_path, damage, message):
    path = tar(
        tmp_path / "x.tar", [(f"{n}{end}", text) for n in range(3) for end, text in ((".bmp", b"BM" * 200), (".cls", b"1"))]
    )
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=message):
        scan(opened(path))


def test_compressed_shards_are_refused_by_name(tmp_path):
    (tmp_path / "train.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(UserError, match=r"tar shards that are not compressed.*gunzip"):
        scan(opened(tmp_path, "webdataset"))


def test_a_member_that_changes(tmp_path):
    path = tar(tmp_path / "x.tar", [("a.png", PNG[0]), ("a.cls", b"0"), ("b.png", PNG[1]), ("b.cls", b"1")])
    first = inspected(opened(path)).samples[0]
    path.write_bytes(path.read_bytes().replace(PNG[0][60:], PNG[0][60:][::-1]))
    with pytest.raises(BadImage, match="its content is not what it was"):
        first.read()
    path.write_bytes(b"x")
    with pytest.raises(BadImage, match="the archive ends before it does"):
        replace(first, sha256="").read()


# -- addresses --


@pytest.mark.parametrize(
    "value",
    [
        "ftp://user:pass@host/photos",
        "s3://AKIA:sec/ret@bucket/x",
        "s3://key:12345@bucket/x",
        "https://host/x.tar?X-Amz-Signature=abc",
        "https://host/x.tar?sig=abc",
        "https://host/x.parquet?download=1&access_token=abc",
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_repeated(value):
    with pytest.raises(UserError, match="must not hold a password") as refused:
        refuse_secrets("data.root", value)
    assert not any(secret in str(refused.value) for secret in ("pass@", "sec/ret", "12345", "abc", "AKIA", "user"))


@pytest.mark.parametrize(
    "value",
    ["s3://bucket/x", "hf://datasets/a/b@main/data", "http://localhost:9000/x.tar", "abfs://c@account.dfs.core.windows.net/x"],
)
def test_addresses_without_one(value):
    refuse_secrets("data.root", value)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("memory://nowhere/x", "folder", "must be an existing place; got memory://nowhere/x"),
        ("memory://nowhere/x", "parquet", "must be an existing place"),
        ("memory://nowhere/x-{0..1}.tar", "webdataset", "2 files of which 2 are not there"),
        ("what://x/y", "folder", "must be an address that fsspec reads"),
        ("simplecache::s3://b/x", "folder", "must be one address, without ::"),
        ("https://host/x.tar?a=b", None, "without a query"),
        ("s3://", None, "must name a bucket"),
        ("memory://sources/parquet", "folder", "pass data=parquet"),
        ("memory://sources/tars/test-000.tar", "folder", "Pass data=webdataset"),
        ("memory://sources/photos", "parquet", "must be or hold Parquet files.*36 other files.*data=folder"),
        ("memory://sources/photos", "tar", "data.name must be one of folder, parquet, webdataset"),
    ],
)
def test_addresses_that_lead_nowhere(photos, value, kind, message):
    with pytest.raises(UserError, match=message):
        scan(opened(value, kind))


@pytest.mark.parametrize(("kind", "name"), [("parquet", "parquet"), ("webdataset", "tars")])
def test_a_local_folder_of_other_files_says_which_data_it_is(photos, kind, name):
    with pytest.raises(UserError, match=f"pass data={kind}"):
        scan(photos / name)


def test_a_missing_library_says_what_to_install(photos, monkeypatch):
    monkeypatch.setattr("ajuste_fino.storage.find_spec", lambda _: None)
    monkeypatch.setattr("ajuste_fino.storage._systems", {})
    with pytest.raises(UserError, match=r"needs the library fsspec.*ajuste-fino\[remote\]"):
        opened("memory://sources/photos", "folder")
    monkeypatch.setattr("ajuste_fino.parquet.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"data=parquet needs the library pyarrow.*ajuste-fino\[parquet\]'?\.$"):
        opened(photos / "parquet")


LAYOUTS = [
    ["a/1.png", "a/2.png", "b/1.png"],
    ["train/a/1.png", "train/b/1.png", "test/a/1.png", ".hidden/x.png", "README.md"],
    ["a/train/1.png", "a/test/1.png", "b/train/1.png", "b/test/2.png"],
    ["birds_train/a/1.png", "birds_train/b/1.png", "birds_test/b/2.png", "birds_test/a/Thumbs.db"],
    ["a/1", "a/deep/2.png", "b/note.txt", "b/1.heics"],
    ["train/a/1.png", "train/b/1.png", "c/1.png"],
    ["test/a/1.png", "test/b/1.png"],
    ["x/train/a/1.png", "x/train/b/1.png", "x/test/a/1.png"],
    ["a/1.png", "b/1.png", "a/runs/1/plot.png", "a/runs/1/config.yaml", "a/runs/1/split.csv", "node_modules/x.js"],
]


@pytest.mark.parametrize("files", LAYOUTS)
def test_a_folder_elsewhere_is_judged_as_one_here(tmp_path, files, request):
    for n, file in enumerate(files):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"file,label,split,sha256\r\n" if file.endswith(".csv") else PNG[n % 6])
    url = upload(tmp_path, f"memory://layouts/{LAYOUTS.index(files)}")
    outcomes = []
    for root in (tmp_path, opened(url, "folder")):
        try:
            found = scan(root)
            outcomes.append({**vars(found), "samples": [(s.file, s.label, s.split) for s in found.samples]})
        except UserError as error:
            outcomes.append(str(error).replace(str(root), "ROOT"))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("rows", ["{0},x,train\n./{1},y,test\n{2},y,train\n", "{0},x,train\nnone.png,y,test\n"])
def test_a_table_elsewhere_is_read_as_one_here(tmp_path, rows):
    names = ["p/a 1.png", "p/b.png", "é.png"]
    for n, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PNG[n])
    (tmp_path / "t.csv").write_text("file,label,split\n" + rows.format(*names), encoding="utf-8")
    url = upload(tmp_path, "memory://tables")
    outcomes = []
    for root in (tmp_path / "t.csv", opened(f"{url}/t.csv", "folder")):
        try:
            outcomes.append([(s.file, s.label, s.split, s.sha256) for s in inspected(root, on_bad_image="skip").samples])
        except UserError as error:
            outcomes.append(str(error).replace(str(root), "ROOT"))
    assert outcomes[0] == outcomes[1]
