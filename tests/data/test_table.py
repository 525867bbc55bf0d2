"""Tables of a user's: each row is understood, or refused by its line."""

import logging
from contextlib import nullcontext
from dataclasses import replace
from unicodedata import normalize

import pytest
import torch

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.group import assign_groups
from ajuste_fino.data.inspection import Inspection
from ajuste_fino.data.scan import scan
from ajuste_fino.data.split import apply_split_file, write_split
from ajuste_fino.data.traps import files
from ajuste_fino.errors import UserError
from ajuste_fino.scores import write_predictions

ROWS = "p/0.png,cat\np/1.png,dog\np/2.png,cat\n"
CAFES, NINO = "caf\u00e9s", "ni\u00f1o"
PLAIN = {("p/0.png", "cat"), ("p/1.png", "dog"), ("p/2.png", "cat")}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p").mkdir()
    for n in range(4):
        (tmp_path / "p" / f"{n}.png").touch()
    return tmp_path


def table(folder, content):
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


UNDERSTOOD = [
    f"File, Label \n{ROWS}",
    f"file,label\n{ROWS}".replace("\n", "\r"),
    f"\ufefffile,label\r\n{ROWS}",
    f"\ufeff\ufefffile,label\n{ROWS}",
    'file, "label"\np/0.png, "cat"\np/1.png, "dog"\np/2.png,"cat"\n',
    'label,file\ncat, "p/0.png"\n "dog", "p/1.png"\ncat,p/2.png\n',
    f"\n\nfile,label\n\n{ROWS}\n\n",
    f"sep=,\nfile,label\n{ROWS}",
    f"sep=;\r\nfile,label\n{ROWS}".replace(",", ";"),
    f"file,label\n{ROWS}".replace("\n", ",,\n"),
    f"file,label\n{ROWS}".replace(",", ", "),
    f"file,label\n{ROWS}".replace("/", "\\"),
    ",file,label\n0,p/0.png,cat\n1,p/1.png,dog\n2,p/2.png,cat\n",
    'file,label,note\np/0.png,cat,"two\nlines, or ""so"""\np/1.png,dog,5" disc\np/2.png,cat,\n',
]


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_what_is_clear_is_understood(folder, text):
    assert {(sample.file, sample.label) for sample in scan(table(folder, text)).samples} == PLAIN


REFUSED = [
    ("", "is empty"),
    ("\n \n", "needs the columns file and label"),
    ("file,label\n", "no rows"),
    (f"file,label\n{ROWS}".replace(",", ";"), "it seems to have semicolons.*sep=;"),
    (f"file,label\n{ROWS}".replace(",", "\t"), "it seems to have tabs"),
    (f"file,label\n{ROWS}".replace(",", "|"), "it seems to have vertical bars"),
    (f"file,label\n{ROWS.replace(',', ';')}", "Line 2 seems to have semicolons"),
    (f"filename,class\n{ROWS}", "filename seems to be file and class seems to be label"),
    (f"Image,Target\n{ROWS}", "Image seems to be file and Target seems to be label"),
    (f"path,label\n{ROWS}", "path seems to be file"),
    (ROWS, "seems to be an image already"),
    (f"file,label,label\n{ROWS}", "one column label"),
    (f"file,label,File\n{ROWS}", "one column file"),
    (f"file,label\n{ROWS}p/3.png,cat,big\n", "got big. Line 5 has 3 cells and the header 2"),
    (f"file,label\n\n\n{ROWS},\n", "Line 7 has no file and no label"),
    ('file,label,note\np/0.png,cat,"a\n\nb"\n\np/1.png\n', "Line 6 has no label"),
    (f"file,label\n{ROWS}./p/1.png,cat\n", r"Line 5 gives ./p/1.png the label cat, line 3 gives it dog"),
    (f"file,label\n{ROWS}p//1.png,cat\n", "Line 5 gives"),
    ("file,label,split\np/1.png,a,train\n./p/1.png,a,test\n", "Line 3 puts ./p/1.png into test, line 2 into train"),
    (f'file,label\np/3.png,"cat\n{ROWS}', "Line 2 opens a quote"),
    ('file,label\np/0.png,"cat\np/1.png,"dog"\np/2.png,cat\n', "Line 2 opens a quote"),
    (f"file,label\n{ROWS}p/3.png,\0\n", "line 5 has a zero byte"),
    (f"file,label\n{ROWS}".encode("utf-16"), "seems to be UTF-16"),
    (f"file,label\n{ROWS}".encode("utf-16-le"), "seems to be UTF-16"),
    (f"file,label\n{ROWS}p/3.png,niño\n".encode("latin-1"), "line 5 has a byte 0xf1. Perhaps it is Windows-1252"),
    (b"PK\x03\x04\x14\x00\x06\x00\xff\xd8" * 30, "it is no text"),
    ('file,label\np/0.png, "cat\n', "Line 2 has a blank before a quote"),
    ('file,label,note\np/0.png, "hat, red"\n', "Line 2 has a blank before a quote"),
    ("file,label\np/0.png,\u72d7\n".encode("gbk"), "Perhaps it is .*GBK"),
    ("file,label\nq\\1.png,a\n", r"written with \\ as on Windows"),
    ("file,label\np/1,a\n", "The first is there with .png"),
    (f"file,label\n{'x' * 5000},a\n", "do not exist"),
    (f'file,label\np/1.png,"{"x" * 200_000}\n', "From line 2 on"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_not_is_refused(folder, text, message):
    with pytest.raises(UserError, match=message) as error:
        scan(table(folder, text))
    assert "t.csv" in str(error.value)


def told(path, group=None):
    found = scan(path)
    inspection = Inspection(DataConfig(path, group=group), found, found.samples, {})
    return {finding.trap: (finding.level, list(finding.files)) for finding in files.table(inspection)}


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("file,label\np/0.png,a\n", {}),
        ("file,label,class\np/0.png,a,b\n", {"columns not read": ("warning", ["class"])}),
        (
            "file,label,label2,who\np/0.png,a,b,c\n",
            {"columns not read": ("warning", ["label2"]), "other columns": ("note", ["who"])},
        ),
        ("file,label,\np/0.png,a,b\n", {"columns not read": ("warning", ["column 3"])}),
        ("file,label\np/0.png, a\n", {"blanks in labels": ("warning", ["line 2: ' a' is read as 'a'"])}),
        (
            'file,label\np/0.png, "cat"\n',
            {"blanks in labels": ("warning", ["line 2: ' \"cat\"' is read as 'cat'"])},
        ),
        (
            "file,label,Usage\np/0.png,a,Training\np/1.png,b,PublicTest\np/2.png,b,PrivateTest\n",
            {"splits not read": ("warning", ["Usage: Training is train, PublicTest is test, PrivateTest is test"])},
        ),
        (
            "file,label,data set\np/0.png,a,train\np/1.png,b,valid\n",
            {"splits not read": ("warning", ["data set: train is train, valid is val"])},
        ),
        (
            "file,label,is_valid\np/0.png,a,True\np/1.png,b,False\n",
            {"splits not read": ("warning", ["is_valid: True, False, which must become the names of splits"])},
        ),
        ("file,label,sharp\np/0.png,a,1\np/1.png,b,0\n", {"other columns": ("note", ["sharp"])}),
        ("file,label,phase\np/0.png,a,train\np/1.png,b,moon\n", {"other columns": ("note", ["phase"])}),
        (
            "file,label,split,phase\np/0.png,a,train,train\np/1.png,b,val,test\n",
            {"other columns": ("note", ["phase"])},
        ),
        (
            "file,label\np/0.png,cat\np/1.png,dog\np/2.png,cat + dog\n",
            {"lists perhaps": ("warning", ["cat + dog: cat, dog"])},
        ),
        ("file,label\np/0.png,cat\np/1.png,dog\np/2.png,cat/dog\n", {"lists perhaps": ("warning", ["cat/dog: cat, dog"])}),
        ("file,label\np/0.png,fox\np/1.png,red fox\n", {}),
        ("file,label\np/0.png,'-1\n", {"apostrophes": ("warning", ["line 2: '-1"])}),
    ],
)
def test_what_is_read_otherwise_is_told(folder, text, findings):
    assert told(table(folder, text)) == findings


def test_the_column_of_groups_is_read(folder):
    path = table(folder, "file,label,set\n p\\0.png ,a,x\np/1.png,b,y\n")
    assert told(path, "set") == {}
    assert [sample.group for sample in assign_groups(scan(path).samples, "set", path)] == ["x", "y"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label,who\np/0.png,a,x\np/0.png,a,y\n", "Line 3 gives p/0.png the who y, line 2 gives it x"),
        ("file,label,who,who\np/0.png,a,x,y\n", "one column of t.csv"),
        ("file,label,whom\np/0.png,a,x\n", "a column of t.csv; got who. Did you mean whom"),
    ],
)
def test_groups_that_are_not_clear(folder, text, message):
    path = table(folder, text)
    with pytest.raises(UserError, match=message):
        assign_groups(scan(path).samples, "who", path)


LABELS = ["'-1", "-1", "''-1", "=A", "a\nb.png,c", " a", "ni\udcf1o", r"ni\udcf1o", "\x1b[0m", 'q"', "\r"]


def test_a_table_of_ours_comes_back_and_one_of_a_users_stays(folder):
    for n, label in enumerate(LABELS):
        (folder / label.replace("/", "")).mkdir()
        (folder / label / f"{n}.png").write_bytes(bytes([n]))
    samples = [sample for sample in scan_all(folder) if sample.label in LABELS]
    write_split(folder / "split.csv", samples)
    found = scan(folder / "split.csv").samples
    assert [(s.file, s.label, s.split) for s in found] == [(s.file, s.label, s.split) for s in samples]
    again, unknown = apply_split_file(samples, folder / "split.csv")
    assert (again, unknown) == (samples, [])
    path = table(folder, "file,label\np/0.png,'-1\np/1.png,''-1\np/2.png,\\u001b\n")
    assert [sample.label for sample in scan(path).samples] == ["'-1", "''-1", "\\u001b"]


SHA, HEADER = "0" * 64, "file,label,split,sha256"


@pytest.mark.parametrize(
    "text",
    [
        f"file,label,sha256\np/0.png,'-1,{SHA}\np/1.png,-1,{SHA}\n",
        f"sha256,file,label,split\n{SHA},p/0.png,'-1,train\n{SHA},p/1.png,-1,train\n",
        f"{HEADER},who\np/0.png,'-1,train,{SHA},x\np/1.png,-1,train,{SHA},y\n",
        "file,label,probability,who\np/0.png,'-1,0.123456,x\np/1.png,-1,0.5,y\n",
        "probability,file,label\n0.123456,p/0.png,'-1\n0.123456,p/1.png,-1\n",
        f"{HEADER}\np/0.png,'-1,train,{SHA}\np/1.png,'=1,train,\n",
        f"{HEADER}\np/0.png,'-1,train,{SHA}\np/1.png,-1,train,{SHA}\n",
        "file,label,probability\np/0.png,'-1,0.123456\np/1.png,'=1,0.5\n",
        "file,label,probability\np/0.png,'-1,0.123456\np/1.png,-1,0.123456\n",
        "file,label,probability,p:a,note\np/0.png,'-1,0.123456,0.1,x\np/1.png,b,0.123456,0.1,y\n",
    ],
)
def test_a_table_that_only_looks_like_ours_is_read_as_it_stands(folder, text):
    path = table(folder, text)
    found = scan(path)
    assert found.samples[0].label == "'-1"
    assert len(found.classes) == 2
    assert set(found.ignored) == set(text.splitlines()[0].split(",")) - {"file", "label", "split"}
    assert "apostrophes" in told(path)


def test_tables_that_this_package_writes_are_known(folder):
    write_predictions(folder / "e.csv", ["p/0.png", "p/1.png"], ["-1", "a"], torch.eye(2), ["-1", "a"])
    heads = ("file,label,probability", "file,label,probability,disagreement", "file,label,probability,p:a,p:b")
    rest = ("", ",0.000000", ",0.500000,0.500000")
    for name, head, cells in zip("pqr", heads, rest, strict=True):
        (folder / f"{name}.csv").write_text(f"{head}\np/0.png,'-1,1.000000{cells}\n")
    for name in "epqr":
        found = scan(folder / f"{name}.csv")
        assert (found.samples[0].label, found.ignored, found.apostrophes) == ("-1", [], [])


@pytest.mark.parametrize(
    ("labels", "refused"),
    [
        (["Smith, John", "Doe, John"], False),
        (["Smith, John", "Smith, Ann", "Smith, Ann, Dr"], False),
        (["hat, red", "shoe"], False),
        (["cat, dog", "cat", "dog"], True),
        (["cat, dog", "cat"], True),
        (["cat,dog", "dog,bird"], True),
        (["cat|dog", "cat"], True),
        (["cat; dog", "dog; bird"], True),
        (["['cat', 'dog']", "bird"], True),
        (["[cat, dog]", "bird"], True),
        (["('cat', 'dog')", "bird"], True),
        (["['cat']", "[bird]", "plane (old, red)"], False),
    ],
)
def test_names_with_a_comma_are_labels_and_lists_are_none(folder, labels, refused):
    text = "".join(f'p/{n}.png,"{label}"\n' for n, label in enumerate(labels))
    with pytest.raises(UserError, match="several classes") if refused else nullcontext():
        assert scan(table(folder, f"file,label\n{text}")).classes == set(labels)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_whose_accents_are_written_otherwise_is_found(folder, form):
    other = "NFD" if form == "NFC" else "NFC"
    (folder / normalize(other, CAFES)).mkdir()
    name = f"{normalize(other, CAFES)}/{normalize(form, NINO)}.png"
    (folder / name).touch()
    for start in ("", f"{folder}/"):
        path = table(folder, f"file,label\n{start}{normalize(form, CAFES)}/{normalize(form, NINO)}.png,a\np/0.png,b\n")
        assert [sample.file for sample in scan(path).samples] == [f"{start}{name}", "p/0.png"]
    path = table(folder, f"file,split\n{normalize(form, CAFES)}/{normalize(form, NINO)}.png,train\n")
    kept, _ = apply_split_file([replace(scan_all(folder)[0], file=name)], path)
    assert [sample.split for sample in kept] == ["train"]


def test_only_files_outside_of_the_folder_are_said_to_be_there(folder):
    (folder / "out.png").touch()
    path = folder / "p" / "t.csv"
    path.write_text(f"file,label\n{folder}/p/0.png,a\n../p/1.png,b\n../out.png,b\n{folder}/out.png,b\n")
    assert scan(path).outside == ["../out.png", f"{folder}/out.png"]


def test_contests_name_two_tests(folder):
    path = table(folder, "file,label,split\np/0.png,a,Training\np/1.png,b,PublicTest\np/2.png,b,private_test\n")
    assert [sample.split for sample in scan(path).samples] == ["train", "test", "test"]


def scan_all(folder):
    from ajuste_fino.data.content import ImageFile
    from ajuste_fino.data.sample import Sample

    places = ((path, path.relative_to(folder).as_posix()) for path in sorted(folder.glob("*/*.png")))
    return [Sample(ImageFile(path), file, file.split("/")[0], "train", "a" * 64) for path, file in places]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\np/0.png,a\n", "needs the columns file and split.*label alone is for data.root"),
        ("file,subset\np/0.png,train\n", "subset seems to be split"),
        ("file,split\np/0.png,train\n./p/0.png,test\n", "Line 3 puts ./p/0.png into test, line 2 into train"),
        ("file,split\np/0.png,train\n,test\n", "Line 3 has none"),
        ("file,split\np/0.png,train\np/1.png,\n", "for every image or for none. Line 3 has none for p/1.png"),
        ("file,split\np/0.png,trian\n", "line 2 has an unknown split"),
        ("file,split\np/9.png,train\n", "data.root lacks"),
        ("file;split\np/0.png;train\n", "semicolons"),
        ("", "is empty"),
    ],
)
def test_splits_that_are_not_clear(folder, text, message):
    with pytest.raises(UserError, match=message):
        apply_split_file(scan_all(folder), table(folder, text))


def test_a_split_file_may_write_names_otherwise(folder):
    kept, unknown = apply_split_file(scan_all(folder), table(folder, "File, Split\n./p/0.png,val\np\\1.png, Test \n"))
    assert ([(s.file, s.split) for s in kept], unknown) == ([("p/0.png", "val"), ("p/1.png", "test")], ["p/2.png", "p/3.png"])


def test_labels_of_a_split_file_that_are_others_are_told(folder, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("ajuste_fino"), "propagate", True)
    kept, _ = apply_split_file(scan_all(folder), table(folder, "file,label,split\np/0.png,p,train\np/1.png,cat,val\n"))
    assert [sample.label for sample in kept] == ["p", "p"]
    assert "gives 1 image another label than data.root, whose labels count:\n  line 3: p, not cat" in caplog.text
