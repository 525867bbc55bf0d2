"""`audit` from the command line: a table, a file, an exit code; nothing is changed, nothing is trained."""

import json
import subprocess
import sys

from tests.conftest import FAST, draw_folder, shapes


def test_a_clean_folder(cli, tmp_path):
    code, out, err = cli("audit", f"data.root={draw_folder(tmp_path / 'x', ('a', 'b'))}", f"out={tmp_path / 'o'}", "workers=0")
    assert code == 0, err
    assert "No trap was found" in out
    report = json.loads((tmp_path / "o" / "audit.json").read_text())
    assert report["images"] == 24
    assert report["classes"]["a"] == {"train": 8, "val": 2, "test": 2}
    assert report["findings"] == []


def test_errors_are_exit_code_two_and_the_file_has_all(cli, photos, tmp_path):
    for n in range(30):
        (photos / "1" / f"bad{n}.jpg").write_text("no")
    code, out, err = cli("audit", f"data.root={photos}", f"out={tmp_path / 'o'}", "workers=0")
    assert code == 2
    assert "undecodable files" in out
    assert "1 problem that would stop training" in err
    findings = json.loads((tmp_path / "o" / "audit.json").read_text())["findings"]
    assert len(next(one for one in findings if one["trap"] == "undecodable files")["files"]) == 30


def test_no_layout_is_a_finding(cli, tmp_path):
    draw_folder(tmp_path / "x" / "inner" / "train", ("a", "b"))
    code, out, _ = cli("audit", f"data.root={tmp_path / 'x'}", f"out={tmp_path / 'o'}")
    assert code == 2
    assert "lies above the splits" in " ".join(out.split())
    assert json.loads((tmp_path / "o" / "audit.json").read_text())["findings"][0]["trap"] == "layout"


def test_features_of_earlier_runs_find_what_the_network_sees_as_the_same(cli, tmp_path, own_cache):
    root = tmp_path / "x"
    for split, seeds in (("train", range(12)), ("val", range(12, 16)), ("test", range(16, 20))):
        for label in range(2):
            (root / split / "ab"[label]).mkdir(parents=True)
            for seed in seeds:
                shapes(label, seed).save(root / split / "ab"[label] / f"{seed}.png")
    shapes(0, 0).save(root / "test" / "a" / "again.jpg", quality=95)
    keys = ("data=folder", f"data.root={root}", f"out={tmp_path / 'run'}", "epochs=1", "workers=0")
    assert cli("train", *keys)[0] == 0
    code, _, err = cli("audit", f"data.root={root}", f"out={tmp_path / 'o'}", "workers=0")
    assert code == 0, err
    findings = json.loads((tmp_path / "o" / "audit.json").read_text())["findings"]
    pairs = next(one for one in findings if one["trap"] == "near copies by features")["files"]
    assert any("test/a/again.jpg ≈ train/a/0.png" in pair for pair in pairs)


def test_an_audit_needs_no_torch(photos, tmp_path):
    code = f"""import sys
sys.argv = ["ajuste-fino", "audit", "data.root={photos}", "out={tmp_path / "o"}", "workers=0"]
import ajuste_fino.cli as cli
cli.leave = lambda code: None
cli.main()
assert "torch" not in sys.modules
"""
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_training_says_what_the_audit_says(cli, photos, tmp_path):
    (photos / "1" / "._00.png").write_bytes(b"\0\5\x16\7")
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", *FAST)
    assert code == 0
    assert "hidden file" in err
    assert "._00.png" in err


def test_long_names_of_files_are_shown_whole(cli, photos, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "80")
    name = f"{'0123456789' * 7}.png"
    (photos / "1" / name).write_text("no image")
    out = cli("audit", f"data.root={photos}", f"out={tmp_path / 'audit'}")[1]
    assert name in "".join(line.split("│")[3].strip() for line in out.splitlines() if line.count("│") == 4)
