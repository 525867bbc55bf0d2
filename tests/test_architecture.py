"""The rules of docs/architecture.md, read off the code: who imports whom, how large a file may be, what is never there."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ajuste_fino"
TIERS = [
    {"escape", "signatures"},
    {"errors", "verbs", "console", "streams", "threads"},
    {"places", "own_tables", "ranks", "url", "table_hints", "bundle_files", "texts"},
    {"files", "environment", "growing", "implementation", "imbalance", "memory", "mixing", "phases", "schedules", "tables"},
    {"losses", "novelty", "parquet", "storage", "trust"},
    {"trials", "store", "data", "backbone", "head", "rates", "scratch"},
    {"calibration", "freezing", "scores", "transferability", "ensemble", "logistic", "bundle_metadata", "model_card"},
    {"plan"},
    {"features", "classifier", "callbacks", "sweep", "bundle"},
    {"choose"},
    {"insight"},
    {"attribution", "predict", "report"},
    {"export", "lecture", "serve"},
    {"runs"},
    {"api", "cli"},
    {"__init__", "__main__"},
]
ONLY_IN = {
    "hydra": {"runs", "cli"},
    "omegaconf": {"runs", "cli"},
    "lightning": {"data/module.py", "classifier", "callbacks", "runs"},
    "matplotlib": {"report", "lecture"},
    "pickle": set(),
    "subprocess": set(),
    "requests": set(),
}
OPENING = (".read_bytes", ".open", "open", "ParquetFile")
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def tier(name):
    return next(n for n, names in enumerate(TIERS) if name in names)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_to_lower_tiers(path):
    here = room(path)
    for name in imports(path):
        if name.startswith("ajuste_fino."):
            there = name.split(".")[1]
            assert there == here or tier(there) < tier(here), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_parts_from_scratch_come_in_by_configuration_only(path):
    assert room(path) in ("scratch", "lecture") or not any(name.startswith("ajuste_fino.scratch") for name in imports(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path):
    places = {room(path), str(path.relative_to(PACKAGE))}
    for name in imports(path):
        allowed = ONLY_IN.get(name.split(".")[0])
        assert allowed is None or places & allowed, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_fit_in_view(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 300
    assert ast.get_docstring(tree), "a file says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert node.end_lineno - first.lineno < 36, f"{node.name} is too long"


@pytest.mark.parametrize("path", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda path: path.name)
def test_configurations_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 65


def test_dependencies_are_ranges_that_leave_out_what_is_known_to_be_bad():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ranges = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
    assert not any("==" in str(specifier) for specifier in ranges.values())
    for name, version in [
        ("torch", "2.9.1"),
        ("lightning", "2.6.2"),
        ("lightning", "2.6.3"),
        ("pillow", "12.2.0"),
        ("hydra-core", "1.5.0"),
    ]:
        assert version not in ranges[name]
    for name, version in [("torch", "2.10.0"), ("lightning", "2.6.4"), ("pillow", "12.3.0"), ("hydra-core", "1.3.8")]:
        assert version in ranges[name]


def test_constraints_are_exact_and_name_no_host():
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        requirement = line.split(";")[0].strip()
        assert requirement.count("==") == 1
        assert "+" not in requirement
        assert "://" not in line


def test_torch_never_loads_a_pickle():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert {k.arg: ast.unparse(k.value) for k in node.keywords}.get("weights_only") == "True", path


def test_only_one_file_opens_images():
    """`Sample.read()` is the door to an image's bytes; whoever opened a path beside it would tie samples to files.

    Behind it are contents: files of their own, and parts of files or files elsewhere, which `sources/storage.py` opens and
    lists. `tar_index.py` and `parquet_rows.py` hand what it opened to the libraries that know the formats.
    """
    doors = set()
    for path in FILES:
        if room(path) in ("data", "features", "predict"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(OPENING):
                    way = "decodes" if ast.unparse(node.func) == "Image.open" else "reads"
                    doors.add((way, path.relative_to(PACKAGE).as_posix()))
    sources = {("reads", f"data/sources/{name}.py") for name in ("storage", "tar_index", "parquet_rows")}
    assert doors == {("reads", "data/content.py"), ("decodes", "data/images.py"), *sources}


def test_one_file_knows_what_lies_elsewhere():
    """fsspec is imported where there is an address, by one file; whoever asks it goes through the functions of that file."""
    assert [path.name for path in FILES if any(name.startswith("fsspec") for name in imports(path))] == ["storage.py"]
    assert not any("s3fs" in name for path in FILES for name in imports(path))


def test_nothing_asks_which_phase_or_which_kind_of_features():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "phases.name" not in text or path.name == "suggest.py", path
        assert "isinstance(features" not in text, path
