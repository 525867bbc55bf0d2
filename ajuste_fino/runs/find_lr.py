"""`find-lr`: which learning rate a phase of `train` should have, by a range test of it."""

import re
import shlex
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from ajuste_fino.backbone.weights import digest
from ajuste_fino.classifier import Classifier
from ajuste_fino.console import log, screen
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.module import DataModule
from ajuste_fino.errors import AjusteFinoError, Range, UserError, counted
from ajuste_fino.escape import printable
from ajuste_fino.files import write_csv
from ajuste_fino.memory import tell_when_full
from ajuste_fino.phases import Phase
from ajuste_fino.report import find_lr as plot
from ajuste_fino.runs import logistic, prepare
from ajuste_fino.runs.backoff import Snapshot
from ajuste_fino.runs.compiled import compiled
from ajuste_fino.runs.configuration import require_keys, validate_ranges
from ajuste_fino.runs.console import run_log
from ajuste_fino.runs.fit import Fit
from ajuste_fino.runs.grammar import literal, without
from ajuste_fino.runs.learner import Learner
from ajuste_fino.runs.range_test import AVERAGED, Reading, Verdict, judge, measure, rates
from ajuste_fino.runs.stages import Stages
from ajuste_fino.threads import flops_of_step, threads_for

HIGHEST = 1000  # rate that a phase may have
RANGES = {
    "find.phase": Range(int, 1, optional=True),
    "find.lowest": Range(float, 0, HIGHEST / 10, above=True),
    "find.highest": Range(float, 0, HIGHEST, above=True),
    "find.steps": Range(int, 20),
}
OWN = ("find", "out", "command")  # keys that train does not have, or that are of this test alone


@run_log()
def find_lr(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Raise the learning rate of a phase step by step; write `find_lr.csv` and `find_lr.png` into `out`.

    The phases before it are trained first, as `train` does; afterwards every weight is as it was before the test.

    Returns:
        `lr`, the suggestion; `lowest_loss_at`, the rate of the lowest loss; `command`, the line of `train` that uses it.

    Raises:
        UserError: for a mistake in the configuration, the folder or the weights, before anything is written.
        AjusteFinoError: where the loss explodes from the first rates on.
    """
    _require_possible(cfg)
    data, learner, _ = prepare.validate(cfg, out)
    number = _phase(cfg, len(learner.phases))
    with open_dict(cfg):
        command = cfg.pop("command")  # which is no key of the run
    with prepare.stages(cfg, data, learner) as stages:
        readings, out = _readings(cfg, data, learner, stages, number, out)
    write_csv(out / "find_lr.csv", Reading._fields, readings)
    if len(readings) < AVERAGED:
        fix = f"Pass a smaller find.lowest, such as find.lowest={cfg.find.lowest / 1000:.0e}."
        raise AjusteFinoError(f"The loss explodes after {counted(len(readings), 'step')}. {fix}")
    verdict = judge(readings, len(readings) == cfg.find.steps)
    plot.draw(
        readings, AVERAGED, verdict.lr, verdict.lowest, f"phase {number + 1} of {len(learner.phases)}", out / "find_lr.png"
    )
    return _close(cfg, command, number, verdict, out)


def _readings(
    cfg: DictConfig, data: DataConfig, learner: Learner, stages: Stages, number: int, out: Path
) -> tuple[list[Reading], Path]:
    """Train the phases before, then raise the rate in this one; also return the folder of the results."""
    manifest = prepare.inspect(data, stages.sources[0], stages.loading)
    out = prepare.open_folder(out, cfg, manifest, data.root)
    module = prepare.data_module(learner, manifest, stages)
    classifier = learner.classifier(manifest, learner.plan(stages), stages.sources[0])
    _train_before(cfg, classifier, module, number, out)
    return _measure(cfg, classifier, module, number, stages.loading.device), out


def _require_possible(cfg: DictConfig) -> None:
    """Refuse ranges that are none, and trainings that have no learning rate."""
    require_keys(cfg)
    validate_ranges(cfg, RANGES)
    if cfg.find.lowest >= cfg.find.highest:
        fix = f"Pass for example find.highest={min(cfg.find.lowest * 1000, HIGHEST):g}."
        raise UserError("find.highest", f"must be above find.lowest={cfg.find.lowest:g}", got=cfg.find.highest, fix=fix)
    if cfg.resume:
        raise UserError("resume", "goes on with a run of train", fix="Pass config= to take the keys of a run.")
    if logistic.strengths(cfg):
        raise UserError("find-lr", "needs a head with a learning rate", got="head.C", fix="Pass head=linear.")


def _phase(cfg: DictConfig, count: int) -> int:
    """The number of the phase, from 0."""
    if cfg.find.phase is not None and cfg.find.phase > count:
        fix = f"Pass a number from 1 to {count}." if count > 1 else "Leave it out."
        raise UserError("find.phase", f"must be one of the {counted(count, 'phase')}", got=cfg.find.phase, fix=fix)
    return int(cfg.find.phase or count) - 1


def _train_before(cfg: DictConfig, classifier: Classifier, module: DataModule, number: int, out: Path) -> None:
    """Train the phases before the one that is tested, which begins from what they leave."""
    if number == 0:
        return
    epochs = sum(classifier.plan.phases.lengths[:number])
    log.info(f"{counted(number, 'phase')} before it, of {counted(epochs, 'epoch')}, must be trained first.")
    with tempfile.TemporaryDirectory(prefix=".before.", dir=out) as folder:
        Fit(cfg, epochs, "val/loss").train(classifier, module, Path(folder))


def _measure(cfg: DictConfig, classifier: Classifier, module: DataModule, number: int, device: torch.device) -> list[Reading]:
    """Do the test, then bring every weight back to where it was, which a hash proves."""
    before, saved = digest(classifier), Snapshot(classifier)
    lrs = rates(cfg.find.lowest, cfg.find.highest, cfg.find.steps)
    threads, faster = _threads(classifier, module, number, device), compiled(classifier.plan, cfg.compile)
    with tell_when_full("batch_size", module.batch_size), threads, faster:
        readings = measure(classifier, module, number, lrs, device, cfg.trainer)
    classifier.cpu()
    saved.restore()
    if (after := digest(classifier)) != before:
        hashes = f"SHA-256 {before[:16]}… before, {after[:16]}… after"
        raise AjusteFinoError(f"The weights are not as they were before the test: {hashes}.")
    classifier.plan.verify(number)
    log.info(f"All weights are as they were before the test: SHA-256 {after[:16]}…")
    return readings


def _threads(classifier: Classifier, module: DataModule, number: int, device: torch.device) -> AbstractContextManager[None]:
    """As many threads as the steps can employ, as in training."""
    if device.type != "cpu":  # beside a GPU there is no need to count
        return nullcontext()
    classifier.enter(sum(classifier.plan.phases.lengths[:number]))
    return threads_for(flops_of_step(classifier, module.train[number][0][[0]][0], module.batch_size))


def _close(cfg: DictConfig, command: DictConfig, number: int, verdict: Verdict, out: Path) -> dict[str, Any]:
    """Say what was found, and the command that uses it."""
    going_on = _command(cfg, command, number, verdict.lr)
    log.info(f"Suggested learning rate: {verdict.lr:g}, a tenth of {verdict.lowest:.2g}, where the mean loss is lowest.")
    if verdict.doubt is not None:
        log.warning(f"It is doubtful: {verdict.doubt}.")
    screen().print(f"Train with it:\n  {printable(going_on)}", soft_wrap=True)
    log.info(f"Results: {out.absolute()}")
    return {"lr": verdict.lr, "lowest_loss_at": verdict.lowest, "command": going_on}


def _command(cfg: DictConfig, command: DictConfig, number: int, lr: float) -> str:
    """The line for `train`, quoted for a shell: a rate of the phase's own, or the optimizer's, where the phase has none."""
    schedule: Any = OmegaConf.to_container(cfg.phases.schedule, resolve=True)
    alone = len(schedule) == 1 and schedule[0].get("lr") is None and OmegaConf.select(cfg, "optimizer.lr") is not None
    schedule[number]["lr"] = lr
    key, value = ("optimizer.lr", literal(lr)) if alone else ("phases.schedule", f"[{','.join(map(_told, schedule))}]")
    given = without([str(one) for one in OmegaConf.to_container(command.overrides)], [*OWN, key])  # type: ignore[union-attr]
    directory = ["--config-dir", command.config_dir] if command.config_dir else []
    return shlex.join(["ajuste-fino", "train", *directory, *given, f"{key}={value}"])


def _told(phase: dict[str, Any]) -> str:
    """A phase as one types it: without what goes without saying, and without quotes where a name needs none."""
    usual = {field.name: field.default for field in fields(Phase)}
    said = {name: value for name, value in phase.items() if name == "train_from" or value != usual[name]}
    plain = {name: value if re.fullmatch(r"[A-Za-z_][\w.]*", str(value)) else literal(value) for name, value in said.items()}
    return "{" + ",".join(f"{name}: {value}" for name, value in plain.items()) + "}"
