"""The verbs on images that are no files of a folder: the same table of predictions from every source."""

import csv
import logging

import pytest
import yaml

from ajuste_fino import fine_tune
from tests.conftest import FAST, draw_folder
from tests.data.converted import as_parquet, as_tars, upload

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")


@pytest.fixture(scope="session")
def everywhere(tmp_path_factory):
    """36 images of the classes 1, 2 and 10 in splits: the folder of all that they were written to."""
    root = tmp_path_factory.mktemp("everywhere")
    for split, each, first in (("train", 8, 0), ("validation", 2, 8), ("test", 2, 10)):
        draw_folder(root / "folder" / split, each=each, first=first)
    as_parquet(root / "folder", root / "parquet")
    as_tars(root / "folder", root / "webdataset")
    upload(root, "memory://everywhere")
    return root


@pytest.fixture(scope="session")
def s3(everywhere):
    """The same in an S3 server of this machine, whose address and keys are in the environment."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            patch.setenv(name, value)
        import fsspec

        fsspec.filesystem("s3").mkdir("bucket")
        upload(everywhere, "s3://bucket/everywhere")
        yield "s3://bucket/everywhere"
    server.stop()


def table(run, name="test"):
    """What a run predicted, without the names of the files."""
    with (run / f"predictions_{name}.csv").open(newline="") as file:
        return [tuple(value for key, value in row.items() if key != "file") for row in csv.DictReader(file)]


@pytest.fixture(scope="session")
def reference(everywhere, tmp_path_factory):
    """The predictions of a run on the folder."""
    out = tmp_path_factory.mktemp("reference") / "run"
    fine_tune(everywhere / "folder", out=str(out), **QUICK)
    return out


QUICK = {"epochs": 2, "workers": 0, "backbone": "embedded"}
SOURCES = [
    (where, data)
    for where in ("here", "memory", "s3")
    for data in ("folder", "parquet", "webdataset")
    if (where, data) != ("here", "folder")
]


def root_of(where, data, everywhere, request):
    if where == "here":
        return str(everywhere / data)
    return f"{request.getfixturevalue('s3') if where == 's3' else 'memory://everywhere'}/{data}"


@pytest.mark.parametrize(("where", "data"), SOURCES)
def test_every_source_gives_the_same_predictions(everywhere, reference, where, data, tmp_path, request):
    root = root_of(where, data, everywhere, request)
    fine_tune(root, data=data, out=str(tmp_path / "run"), **QUICK)
    assert table(tmp_path / "run") == table(reference)
    written = "".join(path.read_text() for path in [tmp_path / "run" / "config.yaml", tmp_path / "run" / "log.txt"])
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["data"]["root"] == root
    assert "a-secret" not in written


@pytest.mark.parametrize(("where", "data"), [("here", "parquet"), ("s3", "webdataset"), ("s3", "folder")])
def test_the_verbs_that_read_a_runs_images_again(everywhere, reference, where, data, cli, tmp_path, request):
    root, run = root_of(where, data, everywhere, request), tmp_path / "run"
    assert cli("train", f"data={data}", f"data.root={root}", f"out={run}", "backbone=embedded", *FAST[1:])[0] == 0
    expected = table(run)
    for name, arguments in {
        "own": ("evaluate", f"run={run}"),
        "given": ("evaluate", f"run={run}", f"data.root={root}"),
    }.items():
        code, _, err = cli(*arguments, f"out={tmp_path / name}")
        assert code == 0, err
        assert table(tmp_path / name) == expected
    code, _, err = cli("data", f"run={run}", f"out={tmp_path / 'data'}", "suspects=0", "draws=8")
    assert code == 0 and (tmp_path / "data" / "data.html").read_text().count("data:image/jpeg") > 20, err
    code, _, err = cli("report", f"run={run}", "attribution=0", "insights=false")
    assert (code, "cannot be shown" in err) == (0, False), err
    code, _, err = cli("suggest", f"run={run}", f"images={everywhere / 'folder' / 'test'}", "k=2", f"out={tmp_path / 'next'}")
    assert code == 0, err
    code, _, err = cli("train", f"config={run}", f"out={tmp_path / 'again'}")
    assert code == 0 and table(tmp_path / "again") == expected, err
    code, _, err = cli("train", f"resume={run}", "epochs=3")
    assert code == 0, err


def test_corrections_splits_and_groups(everywhere, cli, tmp_path):
    given = tmp_path / "c.csv"
    given.write_text("file,corrected\ntrain-00000-of-00002.parquet#0,remove\ntrain-00000-of-00002.parquet#1,2\n")
    arguments = ("train", "data=parquet", f"data.root={everywhere / 'parquet'}", "backbone=embedded", "epochs=1", "workers=0")
    assert cli(*arguments, f"data.corrections={given}", f"out={tmp_path / 'a'}")[0] == 0
    with (tmp_path / "a" / "split.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert len(rows) == 35 and rows["train-00000-of-00002.parquet#1"]["label"] == "2"
    code, _, err = cli(*arguments, f"data.split={tmp_path / 'a' / 'split.csv'}", f"out={tmp_path / 'b'}")
    assert code == 0 and "1 image" in err, err


def test_a_source_that_is_gone(everywhere, cli, tmp_path):
    folder = as_parquet(everywhere / "folder", tmp_path / "parquet")
    run = tmp_path / "run"
    assert cli("train", "data=parquet", f"data.root={folder}", f"out={run}", "backbone=embedded", *FAST[1:])[0] == 0
    folder.rename(tmp_path / "moved")
    code, _, err = cli("evaluate", f"run={run}", f"out={tmp_path / 'a'}")
    assert (code, "must be where it was" in err) == (2, True), err
    code, _, err = cli("report", f"run={run}", "attribution=0", "insights=false")
    assert (code, "The run's images cannot be shown. data.root must be an existing path" in err) == (0, True), err
    assert (
        cli("data", f"run={run}", f"data.root={tmp_path / 'moved'}", f"out={tmp_path / 'b'}", "suspects=0", "draws=8")[0] == 0
    )
    (tmp_path / "moved" / "test-00000-of-00002.parquet").unlink()
    code, _, err = cli("evaluate", f"run={run}", f"out={tmp_path / 'c'}")
    assert code == 2, err
    (tmp_path / "moved").rename(folder)
    code, _, err = cli("evaluate", f"run={run}", f"out={tmp_path / 'd'}")
    assert (code, "3 of 6 files that cannot be evaluated on" in err) == (2, True), err


@pytest.mark.parametrize("key", ["data=parquet", "data.label_column=label", "data.image_column=image"])
def test_what_data_root_is_says_nothing_of_the_runs_own_images(run, key, cli, tmp_path):
    code, _, err = cli("evaluate", f"run={run[0]}", key, f"out={tmp_path / 'out'}")
    assert (code, "is for the images of data.root" in err) == (2, True), err


@pytest.mark.parametrize(
    ("root", "data", "message"),
    [
        ("s3://no-such-bucket/x", "folder", "must be an existing place"),
        ("s3://bucket/no/such/key", "parquet", "must be an existing place"),
        ("s3://bucket/everywhere/folder", "parquet", "must be or hold Parquet files"),
        ("s3://bucket/everywhere/parquet", "folder", "pass data=parquet"),
        ("s3://user:pass@bucket/x", "folder", "must not hold a password"),
    ],
)
def test_places_that_cannot_be_read(s3, root, data, message, cli, tmp_path):
    code, out, err = cli("train", f"data={data}", f"data.root={root}", f"out={tmp_path / 'out'}")
    assert (code, message in err, "pass@" in out + err) == (2, True, False), out + err
    assert not (tmp_path / "out").exists()


def test_an_audit_of_a_place_that_holds_something_else(s3, cli, tmp_path):
    code, out, _ = cli("audit", "data=parquet", f"data.root={s3}/folder", f"out={tmp_path / 'out'}")
    assert (code, "must be or hold Parquet files" in " ".join(out.split())) == (2, True)


def test_a_server_that_does_not_answer(monkeypatch, cli, tmp_path):
    pytest.importorskip("s3fs")
    import fsspec

    from ajuste_fino import storage

    monkeypatch.setattr(storage, "_systems", {})
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    code, _, err = cli("train", "data=folder", "data.root=s3://another/x", f"out={tmp_path / 'out'}")
    assert (code, "cannot be reached" in err) == (2, True), err
