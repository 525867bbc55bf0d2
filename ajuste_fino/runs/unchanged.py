"""What a run that is gone on with must have as it began: its keys, its images and their split."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.split import write_split
from ajuste_fino.errors import UserError, counted, preview
from ajuste_fino.files import read_csv
from ajuste_fino.phases import Phases
from ajuste_fino.runs import factories
from ajuste_fino.runs.configuration import compose, refers
from ajuste_fino.runs.grammar import literal, verbatim
from ajuste_fino.runs.saved import leaves, read

HARMLESS = (
    "out",
    "workers",
    "resume",
    "config",
    "trust",
    "time",
    "lang",
    "callbacks.last.seconds",
    "trainer.devices",
    "trainer.num_nodes",
    "features.from",  # a place, whose about.json must be the same
)  # they decide nothing of what is computed
SHOWN = ("logger.", "callbacks.progress.")  # nor do keys that begin with these
NEW_RUN = "begin a new run with config= in the place of resume=."
ABSENT = "absent"  # the value of a key that is not there


def require_same(cfg: DictConfig, run: Path) -> None:
    """Refuse a configuration that would have computed something else.

    Raises:
        UserError: with each key, its old value and the new one.
    """
    old, new = dict(leaves(read("resume", run / "config.yaml"))), _leaves(cfg)
    if newer := [key for key in new if key not in old and not is_harmless(key)]:  # of a later version, or of the command line
        defaults = _leaves(compose("train", [f"resume={literal(verbatim(str(run)))}"]))
        old |= {key: defaults[key] for key in newer if key in defaults}
    lines = [f"{key}: {_shown(before)} → {_shown(now)}" for key, before, now in _changes(cfg, old, new)]
    if lines:
        rule = f"goes on as it began, and {counted(len(lines), 'key')} would be changed"
        raise UserError(f"resume={run}", rule, fix=f"Leave them out, or {NEW_RUN}\n{preview(lines)}")


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _leaves(cfg: DictConfig) -> dict[str, Any]:
    return dict(leaves(OmegaConf.to_container(cfg, resolve=True)))  # type: ignore[arg-type]


def _changes(cfg: DictConfig, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield each key that is changed, with its old value and the new one."""
    longer = isinstance(new["epochs"], int) and new["epochs"] > old["epochs"]
    for key in [*new, *(key for key in old if key not in new)]:
        before, now = old.get(key, ABSENT), new.get(key, ABSENT)
        follows = longer and (key == "epochs" or (before == old["epochs"] and now == new["epochs"] and refers(cfg, key)))
        replaced = (before, now) in ((ABSENT, None), (None, ABSENT))  # by keys below it
        if before != now and not follows and not replaced and not is_harmless(key):
            yield key, before, now


def is_harmless(key: str) -> bool:
    """Return whether a key decides nothing of what a run computes."""
    return key in HARMLESS or key.startswith(SHOWN)


def require_same_phase(cfg: DictConfig, phases: Phases, run: Path, epoch: int) -> None:
    """Refuse more epochs of a phase that is over: those behind it would be others.

    Args:
        epoch: from which the run goes on, from 0.

    Raises:
        UserError: with how many there were.
    """
    epochs = read("resume", run / "config.yaml")["epochs"]
    before = factories.phases(OmegaConf.merge(cfg, {"epochs": epochs}))  # type: ignore[arg-type]
    if before.at(epoch).phase != phases.at(epoch).phase:
        rule = "is the length of a phase that is over, and cannot be changed any more"
        raise UserError("epochs", rule, got=cfg.epochs, fix=f"Pass epochs={epochs}, or {NEW_RUN}")


def require_same_images(run: Path, samples: Sequence[Sample], strict: bool) -> None:
    """Refuse other images than those that the run began with, before any of them is decoded.

    Args:
        strict: whether each image must be good; otherwise those that the run has left out are among the samples.

    Raises:
        UserError: with the files.
    """
    if not (run / "split.csv").is_file():  # stopped before it was written
        return
    before = {row["file"]: row["sha256"] for row in read_csv(run / "split.csv")}
    now = {sample.file: sample.sha256 for sample in samples}
    lines = [f"{file}: {'changed' if file in now else 'gone'}" for file, sha in before.items() if now.get(file) != sha]
    lines += [f"{file}: new" for file in now if strict and file not in before]
    if lines:
        rule = f"needs the images that it began with, and {counted(len(lines), 'file')} differ"
        raise UserError(f"resume={run}", rule, fix=f"Put them back as they were, or {NEW_RUN}\n{preview(lines)}")


def require_same_split(run: Path, manifest: Manifest) -> None:
    """Refuse other images, or another split of them, than the run began with.

    Raises:
        UserError: with the file that has the split.
    """
    before, now = run / "split.csv", run / ".split.csv.now.tmp"
    try:
        write_split(now, manifest.samples)
        same = not before.is_file() or now.read_bytes() == before.read_bytes()
    finally:
        now.unlink(missing_ok=True)
    if not same:
        fix = f"Put the images back as they were, or {NEW_RUN}"
        raise UserError(f"resume={run}", f"needs the images and the split of {before}, and some have changed", fix=fix)
