"""`lecture`: measure, draw and judge one experiment; or all of them, with a page."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino import sweep
from ajuste_fino.errors import AjusteFinoError, UserError, nearest, preview
from ajuste_fino.lecture import NAMES, experiment, page, record
from ajuste_fino.lecture.findings import Findings
from ajuste_fino.lecture.text import LANGUAGES, Texts
from ajuste_fino.runs.configuration import config_name, plain
from ajuste_fino.runs.console import log, progress, start_log
from ajuste_fino.runs.run_folder import require_empty

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
    name = config_name()
    if name == "list":
        return listing()
    _require_language(cfg.lang)
    if name == "all":
        return every(cfg, out)
    settings = _settings(cfg, name)
    require_empty(out)
    findings = _run(name, settings, cfg.lang, out)
    log.info(f"Results: {out.absolute()}")
    _require_identities({name: findings})
    return _read_claim(out)


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
        require_empty(out)
    log.info(
        f"{len(names)} experiments; all fourteen take five to six minutes of two cores. "
        f"Stopped, out={out} goes on with those that are left."
    )
    measured = {}
    for name in progress(names, len(names), "Experiments"):
        settings = _defaults(name)
        if not _is_done(out / name, settings, cfg.lang):
            measured[name] = _run(name, settings, cfg.lang, out / name)
    page.write([out / name for name in names], out / PAGE, cfg.lang)
    claims = {name: _read_claim(out / name) for name in names}
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


def _read_claim(folder: Path) -> dict[str, Any]:
    """The `claim.json` of an experiment that was run."""
    found: dict[str, Any] = json.loads((folder / record.CLAIM).read_text(encoding="utf-8"))
    return found


def _require_identities(findings: Mapping[str, Findings]) -> None:
    wrong = [
        f"{name}: {check.sentence(Texts.load(name, 'en'))}: {check.value:.3g}"
        for name, found in findings.items()
        for check in found.broken
    ]
    if wrong:
        raise AjusteFinoError(f"Identities that do not hold, which is a defect of the code:\n{preview(wrong)}")


def _is_done(folder: Path, settings: Mapping[str, Any], lang: str) -> bool:
    path = folder / record.CLAIM
    if not path.is_file():
        return False
    claim = _read_claim(folder)
    holds = all(check["holds"] for check in claim["checks"] if check["identity"])
    return holds and (claim["settings"], claim["lang"]) == (dict(settings), lang)


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
    limits = getattr(experiment(name), "LIMITS", {})
    wrong = [f"{key} ({rule})" for key, default in defaults.items() if (rule := _violation(given[key], default))]
    wrong = wrong or [f"{key} ({rule})" for key, limit in limits.items() if (rule := limit.violation(given[key]))]
    if wrong:
        raise UserError("These settings", f"must be of their kind: {', '.join(wrong)}", fix="Change them.")
    return given


def _violation(value: Any, default: Any) -> str | None:
    """The rule that a value breaks by not being of its default's type; None where it breaks none."""
    if default is None or isinstance(default, str):
        return None if value is None or isinstance(value, str) else f"a text, or null; got {value}"
    if isinstance(default, dict):
        same = isinstance(value, dict) and value.keys() == default.keys()
        return next((r for k in default if (r := _violation(value[k], default[k]))), None) if same else f"keys {list(default)}"
    if isinstance(default, list):
        if not isinstance(value, list) or not value:
            return f"a list as {default}; got {value}"
        return next((r for one in value if (r := _violation(one, min(default)))), None)
    least = min(default, 1) if isinstance(default, int) else 0
    kind: Any = int if isinstance(default, int) else (int, float)
    fits = isinstance(value, kind) and not isinstance(value, bool) and value >= least and (value > 0 or least < 1)
    return None if fits else f"a {'whole ' if kind is int else ''}number of at least {least:g}; got {value}"
