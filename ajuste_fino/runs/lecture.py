"""`lecture`: measure, draw and judge one experiment; or all of them, with a page."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino import sweep
from ajuste_fino.errors import AjusteFinoError, UserError, nearest, preview
from ajuste_fino.lecture import NAMES, experiment, page, record, settings
from ajuste_fino.lecture.findings import Findings
from ajuste_fino.lecture.text import LANGUAGES, Texts
from ajuste_fino.runs.configuration import plain
from ajuste_fino.runs.console import log, progress, start_log
from ajuste_fino.runs.run_folder import claim, require_empty

PAGE = "index.html"
NOT_SETTINGS = ("defaults",)  # keys of a YAML that no experiment takes


def lecture(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """`lecture list`, `lecture all`, or one experiment in `out`; its claim.

    Wrong settings are refused before anything is written.

    Raises:
        UserError: for settings outside the experiment's limits.
        AjusteFinoError: where an identity does not hold.
    """
    start_log()
    name = cfg.command.name
    if name == "list":
        return listing()
    _require_language(cfg.lang)
    if name == "all":
        return every(cfg, out)
    given = _settings(cfg, name)
    require_empty(out, cfg)
    out = claim(out, cfg)
    findings = _run(name, given, cfg.lang, out)
    log.info(f"Results: {out.absolute()}")
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
    log.info(
        f"{len(names)} experiments; all fourteen take five to six minutes of two cores. "
        f"Stopped, out={out} goes on with those that are left."
    )
    measured = {}
    for name in progress(names, len(names), "Experiments"):
        defaults = _defaults(name)
        if not record.is_done(out / name, defaults, cfg.lang):
            measured[name] = _run(name, defaults, cfg.lang, out / name)
    page.write([out / name for name in names], out / PAGE, cfg.lang)
    claims = {name: record.read_claim(out / name) for name in names}
    passed = sum(claim["verdict"] == "PASS" for claim in claims.values())
    log.info(f"{passed} of {len(names)} reproduced. The page: {(out / PAGE).absolute()}")
    _require_identities(measured)
    return {name: claim["verdict"] for name, claim in claims.items()}


def listing() -> dict[str, Any]:
    """Print the experiments in the lecture's order, with their claims."""
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(Column("lecture NAME", no_wrap=True), "claim", show_lines=True)
    for name in NAMES:
        table.add_row(name, Texts.load(name, "en")("title"))
    Console().print(table, markup=False)
    return {}


def _run(name: str, settings: Mapping[str, Any], lang: str, folder: Path) -> Findings:
    """Measure an experiment, write its files, log its verdict."""
    module, start = experiment(name), time.perf_counter()
    findings = module.measure(**settings)
    seconds = time.perf_counter() - start
    texts = Texts.load(name, lang)
    record.write(module, findings, folder, settings, texts, seconds)
    log.info(f"{name}, {seconds:.0f} s: {findings.summary(texts)}")
    return findings


def _require_identities(findings: Mapping[str, Findings]) -> None:
    wrong = [
        f"{name}: {check.sentence(Texts.load(name, 'en'))}: {check.value:.3g}"
        for name, found in findings.items()
        for check in found.broken
    ]
    if wrong:
        raise AjusteFinoError(f"Identities that do not hold, which is a defect of the code:\n{preview(wrong)}")


def _require_language(lang: str) -> None:
    if lang not in LANGUAGES:
        raise UserError("lang", "must be en or es", got=lang, fix="Pass lang=es for Spanish.")


def _select(only: Any) -> list[str]:
    if only is None:
        return list(NAMES)
    wanted = [str(one) for one in (only if OmegaConf.is_list(only) else [only])]
    unknown = [one for one in wanted if one not in NAMES]
    if unknown or not wanted:
        fix = nearest(unknown[0], list(NAMES)) if unknown else "Leave it out for all."
        raise UserError("only", "must name experiments", got=wanted, fix=fix)
    return [name for name in NAMES if name in wanted]


def _defaults(name: str) -> dict[str, Any]:
    return {key: value for key, value in plain(f"lecture/{name}.yaml").items() if key not in NOT_SETTINGS}


def _settings(cfg: DictConfig, name: str) -> dict[str, Any]:
    """The experiment's settings, each of its default's type and within its limits."""
    defaults = _defaults(name)
    given = {str(key): OmegaConf.to_container(cfg, resolve=True)[key] for key in defaults}  # type: ignore[index, call-overload]
    settings.check(given, defaults, getattr(experiment(name), "LIMITS", {}))
    return given
