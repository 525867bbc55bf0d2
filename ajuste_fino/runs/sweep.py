"""`sweep`: search values of keys by validation accuracy; only the best run is tested."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino import sweep as searching
from ajuste_fino.console import note_if_stopped
from ajuste_fino.errors import AjusteFinoError, Range, UserError
from ajuste_fino.files import write_csv, write_json
from ajuste_fino.places import require_writable, user_path
from ajuste_fino.report import search as search_plot
from ajuste_fino.runs import logistic
from ajuste_fino.runs.conf import keys
from ajuste_fino.runs.configuration import compose, validate_ranges
from ajuste_fino.runs.console import log, start_log
from ajuste_fino.runs.grammar import literal, without
from ajuste_fino.runs.prepare import validate_numbers
from ajuste_fino.runs.run_folder import claim, require_empty
from ajuste_fino.runs.suggest import suggestion
from ajuste_fino.runs.train import train
from ajuste_fino.url import is_address

JOURNAL, NAME = "journal.log", "sweep"
OWN = ("trials", "storage", "space", "out", "command")  # keys of the search, which no trial has


def sweep(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Search; write each trial's run, `trials.csv`, `search.png`, the best one's run and `metrics.json` into `out`.

    Raises:
        UserError: for a space or key that cannot be, before anything is written; for a value that only its run can judge, from
            the trial that has it.
        AjusteFinoError: where not one trial came to an end.
    """
    start_log()
    given = flat(OmegaConf.to_container(cfg.space, resolve=True))  # type: ignore[arg-type]
    space = {key: _like(choice, OmegaConf.select(cfg, key)) for key, choice in given}
    _validate(cfg, space)
    require_writable("out", out)
    if not (out / "trials").is_dir():
        require_empty(out, cfg)
    out = claim(out, cfg)
    command = cfg.command
    shared = without(command.overrides, OWN)
    storage = _storage(cfg, out)

    def run(values: Mapping[str, Any], folder: Path, run_test: bool) -> dict[str, Any]:
        chosen = [f"{key}={literal(value)}" for key, value in values.items()]
        return train(compose("train", [*shared, *chosen, f"out={folder}"], command.config_dir), folder, run_test)

    def objective(values: dict[str, Any], number: int) -> float:
        summary = ", ".join(
            f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()
        )
        log.info(f"Trial {number} (until {cfg.trials} are finished): {summary}")
        return float(run(values, out / "trials" / str(number), run_test=False)["val/accuracy"])

    _compose(space, shared, command.config_dir)
    study = searching.study(storage, NAME)
    searching.refuse_other_choices(study, space)
    log.info(f"Ctrl-C stops it; out={out} goes on. Another process may help with storage={storage}.")
    with note_if_stopped(f"The trials that were finished are kept; the same command with out={out} goes on."):
        searching.search(study, objective, space, cfg.trials, cfg.seed)
    return _close(out, study, run)


def _storage(cfg: DictConfig, out: Path) -> Path | str:
    """The journal of the search, or the URL of its database."""
    if cfg.storage and is_address(str(cfg.storage)):
        return str(cfg.storage)
    return (user_path("storage", cfg.storage) if cfg.storage else out / JOURNAL).absolute()


def _close(out: Path, study: Any, run: Any) -> dict[str, Any]:
    """Write the table and the plot of all trials; train the best once more, and test it."""
    done = [trial for trial in study.trials if trial.value is not None]
    if not done:
        raise AjusteFinoError("All trials diverged. Search smaller values of optimizer.lr.")
    best = study.best_trial
    header = ("trial", "val/accuracy", *best.params)
    write_csv(
        out / "trials.csv", header, [[t.number + 1, t.value, *(t.params.get(key, "") for key in best.params)] for t in done]
    )
    varied = len({trial.value for trial in done}) > 1
    shares = searching.importances(study) if varied else {}
    search_plot.draw([trial.value for trial in done], shares, best.params, out / "search.png")
    log.info("The best trial is trained once more, and tested.")
    metrics = run(best.params, _free(out / "best"), True)
    metrics |= {"sweep/trials": len(done), "sweep/best_trial": best.number + 1}
    metrics |= {f"sweep/best/{key}": value for key, value in best.params.items()}
    write_json(out / "metrics.json", metrics)
    summary = ", ".join(f"{key}={value}" for key, value in best.params.items())
    log.info(f"Best of {len(done)}: {summary} (validation accuracy {best.value:.4f}). Results: {out.absolute()}")
    return metrics


def _free(folder: Path) -> Path:
    """The folder, or, where a search has been gone on with, the next of its name that is not there."""
    numbered = (folder.with_name(f"{folder.name}_{n}") for n in range(2, 10_000))
    return next(one for one in (folder, *numbered) if not one.exists())


def flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{optimizer: {lr: {low: …, high: …}}}` → `optimizer.lr` and its range."""
    for name, value in node.items():
        if isinstance(value, dict) and not searching.RANGE & value.keys():
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _like(choice: Any, default: Any) -> Any:
    """A range of a key whose value is no whole number is one of such numbers, `{low: 0, high: 1}` too."""
    if isinstance(choice, dict) and isinstance(default, float):
        return {name: float(v) if type(v) is int and name != "log" else v for name, v in choice.items()}
    return choice


def _compose(space: Mapping[str, Any], shared: Sequence[str], directory: str | None) -> None:
    """Refuse a listed choice, or an end of a range, that `train` does not know or whose number it does not take."""
    for key, choice in space.items():
        for one in choice if isinstance(choice, list) else (choice["low"], choice["high"]):
            validate_numbers(compose("train", [*shared, f"{key}={literal(one)}"], directory))


def _validate(cfg: DictConfig, space: Mapping[str, Any]) -> None:
    if cfg.resume:
        fix = "Pass out=FOLDER with the folder of a search to go on with it."
        raise UserError("resume", "goes on with one run of train, and is no key of a search", fix=fix)
    validate_ranges(cfg, {"trials": Range(int, 1, 10**6)})
    searching.check(space)
    known = keys("train")
    unused = [key for key in space if key.split(".")[0] in (*logistic.UNUSED, "head") and key != "head.C"]
    if logistic.strengths(cfg) and unused:
        fix = "Pass ~space.optimizer ~space.head, and for example +space.features.pool=[1,2,4]."
        raise UserError("head=logistic (head.C)", "chooses its C itself and has no use for the others", got=unused, fix=fix)
    for key in space:
        if key in (*OWN, "trust", "resume"):
            raise UserError(f"space.{key}", "cannot be searched", fix="Leave it out.")
        if key not in known:
            raise UserError(f"space.{key}", "is not a key of train", fix=suggestion(key, known))
        if key == "seed" or key.startswith("data."):
            fix = "Search what is trained, not what it is judged by."
            raise UserError(f"space.{key}", "would let the trials be judged by other images", fix=fix)
