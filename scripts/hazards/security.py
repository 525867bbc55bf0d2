"""What a stranger could make the product do: name classes, lead out of folders, fill spreadsheets, reach a web page."""

import json
import shutil
import zipfile
from pathlib import Path

from hazards.material import KEYS, photos, rows, trained
from hazards.registry import Outcome, hazard, steps
from hazards.shell import run

TARGETS = (
    "os.system",
    "subprocess.Popen",
    "builtins.eval",
    "builtins.exec",
    "builtins.__import__",
    "importlib.import_module",
    "pickle.loads",
    "numpy.load",
    "joblib.load",
    "torch.load",
    "torch.hub.load",
    "runpy.run_path",
    "shutil.rmtree",
    "hydra.utils.instantiate",
    "torch.optim.sgd.torch.load",
    "ajuste_fino.scratch.optim.adam.torch.hub.load",
)
KNOWN = ("torch.optim.SGD", "ajuste_fino.scratch.optim.Adam")


def by_override(target: str, work: Path, _bundle: Path) -> list[str]:
    return ["train", f"optimizer._target_={target}", f"out={work / 'new'}"]


def by_file(target: str, work: Path, _bundle: Path) -> list[str]:
    (work / "saved.yaml").write_text(f"optimizer: {{_target_: {target}, lr: 0.1}}\nepochs: 1\n")
    return ["train", f"config={work / 'saved.yaml'}", f"out={work / 'new'}"]


def by_bundle(target: str, work: Path, bundle: Path) -> list[str]:
    from ajuste_fino.files import sha256

    folder = work / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundle, folder)
    facts = json.loads((folder / "bundle.json").read_text())
    facts["backbone"] |= {"name": "own", "design": {"_target_": target, "arguments": {}}}
    (folder / "bundle.json").write_text(json.dumps(facts))
    (folder / "SHA256SUMS").write_text("".join(f"{sha256(folder / n)}  {n}\n" for n in ("model.safetensors", "bundle.json")))
    return ["predict", f"run={folder}", f"images={work / 'photos'}"]


@hazard("targets", "nothing made of them, each refused; the legitimate ones work", size=16, quick=2, seconds=20)
def targets(work, size, rng):
    """`_target_` of functions that run code: in an override, in a configuration, in a bundle"""
    root = photos(work / "photos", rng)
    bundle, wrong = trained(root, work / "run") / "bundle", []
    for target in steps(TARGETS[:size]):
        for way in (by_override, by_file, by_bundle):
            done = run(*way(target, work, bundle))
            if done.code != 2 or not done.clean or (work / "new").exists():
                wrong.append(f"{target} {way.__name__}: exit code {done.code}, {done.last}")
    for n, known in enumerate(KNOWN):
        keys = (f"optimizer._target_={known}", "~optimizer.weight_decay", "~optimizer.impl")
        if (done := run("train", *KEYS, f"data.root={root}", f"out={work / f'known{n}'}", *keys)).code:
            wrong.append(f"{known}: exit code {done.code}, {done.last}")
    return Outcome(not wrong, "; ".join([f"{3 * size} refused, {len(KNOWN)} taken" if not wrong else "", *wrong[:3]]))


FORMULAS = ("=cmd|'!A1'.png", "+1.png", "-2.png", "@SUM(A1).png")


@hazard("paths-and-formulas", "nothing outside the output folder, formulas escaped", size=3, quick=3, seconds=5)
def paths_and_formulas(work, size, rng):
    """A zip file that leads out of its folder; ../../etc/passwd and absolute paths in a CSV; file names like =cmd"""
    root = photos(work / "photos", rng)
    for n, name in enumerate(FORMULAS):
        shutil.move(root / "1" / f"{n:03}.png", root / "1" / name)
    (root / "1").rename(root / "=1+1")
    out, before = trained(root, work / "run"), set(work.parent.iterdir())
    cells = [cell for path in out.rglob("*.csv") for row in rows(path) for cell in row.values() if cell and not number(cell)]
    cells += listed(work, out, root)
    bare = [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    wrong = [f"formula {bare[0]}"] if bare else []
    wrong += outward_zip(work, out, root) + outward_table(work)
    wrong += [f"written: {path.name}" for path in set(work.parent.iterdir()) - before]
    escaped = sum(cell.startswith(("'=", "'+", "'-", "'@")) for cell in cells)
    figure = f"{len(cells)} cells of text, {escaped} escaped, {len(bare)} formulas"
    return Outcome(not wrong and escaped > 0, "; ".join([figure, *wrong]))


def number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def listed(work: Path, out: Path, root: Path) -> list[str]:
    """The cells of text of a table of predictions, by names that are relative."""
    run("predict", f"run={out}", f"images={root}", f"csv={work / 'p.csv'}", "probabilities=all")
    return [
        *rows(work / "p.csv")[0],
        *(row["label"] for row in rows(work / "p.csv")),
        *(r["file"] for r in rows(work / "p.csv")),
    ]


def outward_zip(work: Path, out: Path, root: Path) -> list[str]:
    """What was wrong with a bundle in a zip file whose members lead out of it."""
    with zipfile.ZipFile(work / "outward.zip", "w") as archive:
        for path in (out / "bundle").iterdir():
            archive.write(path, f"../../{path.name}")
    before = sorted(work.iterdir())
    done = run("predict", f"run={work / 'outward.zip'}", f"images={root}")
    return [] if done.clean and sorted(work.iterdir()) == before else [f"zip: exit code {done.code}, {done.last}"]


def outward_table(work: Path) -> list[str]:
    """What was wrong with tables whose files lie outside their folder, and are no images."""
    wrong = []
    for file in ("../../../../../../../etc/passwd", "/etc/passwd"):
        (work / "table.csv").write_text(f"file,label\n{file},a\nphotos/2/001.png,b\n")
        for verb in ("audit", "train"):
            done = run(verb, *(KEYS if verb == "train" else ()), f"data.root={work / 'table.csv'}", f"out={work / 'table'}")
            if done.code != 2 or "root:" in done.err + done.out or not done.clean:
                wrong.append(f"{verb} {file}: exit code {done.code}, {done.last}")
            shutil.rmtree(work / "table", ignore_errors=True)
    return wrong


@hazard("supply-chain", "the ranges leave them out, and take the releases beside them", size=8, quick=8, seconds=1)
def supply_chain(work, size, rng):
    """Releases of dependencies that are known to be bad"""
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ranges = {one.name: one.specifier for one in map(Requirement, project["dependencies"])}
    bad = [("lightning", "2.6.2"), ("lightning", "2.6.3"), ("torch", "2.9.1"), ("pillow", "12.2.0")]
    good = [("lightning", "2.6.6"), ("torch", "2.10.0"), ("pillow", "12.3.0"), ("hydra-core", "1.3.8")]
    wrong = [f"{name} {version} is taken" for name, version in bad if version in ranges[name]]
    wrong += [f"{name} {version} is left out" for name, version in good if version not in ranges[name]]
    return Outcome(not wrong, "; ".join([f"{size - len(wrong)} of {size} as they should be", *wrong]))
