"""`lecture`: measure, draw and judge one experiment; or all of them, with a page."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino import sweep
from ajuste_fino.console import screen
from ajuste_fino.errors import AjusteFinoError, UserError, nearest, preview
from ajuste_fino.lecture import NAMES, experiment, page, record
from ajuste_fino.lecture.findings import PASS, Findings
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.console import log, progress, start_log, still_working
from ajuste_fino.runs.experiment import default_settings, measure, read_settings
from ajuste_fino.runs.run_folder import claim, require_empty
from ajuste_fino.texts import require_language

PAGE = "index.html"
SCREEN = "screen"  # the file of the sentences that are logged


def lecture(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """`lecture list`, `lecture all`, or one experiment in `out`; its claim.

    Wrong settings are refused before anything is written.

    Raises:
        UserError: for settings outside the experiment's limits.
        AjusteFinoError: where an identity does not hold.
    """
    start_log()
    name = cfg.command.name
    require_language(cfg.lang)
    if name == "list":
        return listing(cfg.lang)
    if name == "all":
        return every(cfg, out)
    given = read_settings(cfg, name)
    _require_images(given)
    require_empty(out, cfg)
    out = claim(out, cfg)
    findings = _run(name, given, cfg.lang, out)
    log.info(Texts.load(SCREEN, cfg.lang)("results", folder=out.absolute()))
    _require_identities({name: findings})
    return record.read_claim(out)


def every(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Run all experiments, each in a folder of its own below `out`, and write the page.

    Where it was stopped, the same command goes on with the experiments that are left.

    Raises:
        UserError: where `only` names none of them.
        AjusteFinoError: where an identity does not hold; the page is written before.
    """
    names = _select(cfg.only)
    if "design" in names:
        sweep.require_optuna()
    if not any((out / name / record.CLAIM).is_file() for name in names):
        require_empty(out, cfg)
    out = claim(out, cfg)
    texts = Texts.load(SCREEN, cfg.lang)
    log.info(texts("started", count=len(names), out=out))
    measured = {}
    for name in progress(names, len(names), texts("experiments")):
        defaults = default_settings(name)
        if not record.is_done(out / name, defaults, cfg.lang):
            measured[name] = _run(name, defaults, cfg.lang, out / name)
    page.write([out / name for name in names], out / PAGE, cfg.lang)
    claims = {name: record.read_claim(out / name) for name in names}
    passed = sum(claim["verdict"] == PASS for claim in claims.values())
    log.info(texts("finished", passed=passed, count=len(names), page=(out / PAGE).absolute()))
    _require_identities(measured)
    return {name: claim["verdict"] for name, claim in claims.items()}


def listing(lang: str) -> dict[str, Any]:
    """Print the experiments in the lecture's order, with their claims."""
    from rich.table import Column, Table

    texts = Texts.load(SCREEN, lang)
    table = Table(Column(texts("name"), no_wrap=True), texts("claim"), show_lines=True)
    for name in NAMES:
        table.add_row(name, Texts.load(name, lang)("claim"))
    screen().print(table)
    return {}


def _run(name: str, settings: Mapping[str, Any], lang: str, folder: Path) -> Findings:
    """Measure an experiment, write its files, log its verdict."""
    start = time.perf_counter()
    with still_working(name):
        findings = measure(name, settings)
    seconds = time.perf_counter() - start
    texts = Texts.load(name, lang)
    record.write(experiment(name), findings, folder, settings, texts, seconds)
    log.info(f"{name}, {seconds:.0f} s. {findings.summary(texts)}")
    return findings


def _require_images(given: Mapping[str, Any]) -> None:
    """Refuse images of the user's own, where the settings name some, that cannot be learnt from; say what is odd of them."""
    root = given.get("data", {}).get("root")
    if root is not None:
        from ajuste_fino.lecture.own_images import LEAST_TESTED, OwnImages

        manifest = OwnImages.at(root, progress).manifest
        for warning in manifest.warnings:
            log.warning(warning)
        if (tested := len(manifest.split("test"))) < LEAST_TESTED:
            log.warning(f"There will be no verdict: it needs {LEAST_TESTED} test images, and here are {tested}.")


def _require_identities(findings: Mapping[str, Findings]) -> None:
    wrong = [
        f"{name}: {check.sentence(Texts.load(name, 'en'))}: {check.value:.3g}"
        for name, found in findings.items()
        for check in found.broken
    ]
    if wrong:
        raise AjusteFinoError(f"Identities that do not hold, which is a defect of the code:\n{preview(wrong)}")


def _select(only: Any) -> list[str]:
    if only is None:
        return list(NAMES)
    wanted = [str(one) for one in (only if OmegaConf.is_list(only) else [only])]
    unknown = [one for one in wanted if one not in NAMES]
    if unknown or not wanted:
        fix = nearest(unknown[0], list(NAMES)) if unknown else "Leave it out for all."
        raise UserError("only", "must name experiments", got=wanted, fix=fix)
    return [name for name in NAMES if name in wanted]
