"""Model selection: a search over choices, judged on the validation split; Optuna proposes, a journal remembers.

Source: Akiba, Sano, Yanase, Ohta and Koyama, "Optuna", KDD 2019; Bergstra, Bardenet, Bengio and Kégl, "Algorithms for
Hyper-Parameter Optimization", NeurIPS 2011, for the tree-structured Parzen estimator.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ajuste_fino.errors import Diverged, Range, UserError
from ajuste_fino.trials import at_work, claim

if TYPE_CHECKING:
    from optuna import Study, Trial

RANGE = {"low", "high", "log", "step"}


def require_optuna() -> None:
    """Refuse to start what needs Optuna if it is not installed.

    Raises:
        UserError: where that is so.
    """
    if find_spec("optuna") is None:
        raise UserError(
            "Optuna",
            "is needed for a search and for lecture design",
            fix="Install it with: pip install 'ajuste-fino[sweep]'.",
        )


def study(storage: Path | str | None, name: str) -> Study:
    """The study of that name in a journal or a database, begun or gone on with; None: one that lives as long as this process.

    Several processes, also on several machines with one file system or one database, may work on it at a time.

    Args:
        storage: the file of a journal, or the URL of a database, such as postgresql://host/name or sqlite:///FILE.

    Raises:
        UserError: where Optuna is not installed.
    """
    require_optuna()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if storage is None:
        return optuna.create_study(study_name=name, direction="maximize")
    return _in_database(storage, name) if isinstance(storage, str) else _kept_study(storage, name)


def _in_database(url: str, name: str, tries: int = 3) -> Study:
    from optuna import create_study
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError

    try:
        return create_study(study_name=name, storage=url, direction="maximize", load_if_exists=True)
    except (ImportError, SQLAlchemyError, ValueError) as error:
        # another process has just made the tables that this one was about to make
        if tries > 1 and (isinstance(error, IntegrityError) or "exists" in str(error)):
            time.sleep(1)
            return _in_database(url, name, tries - 1)
        reason = str(error).splitlines()[0]
        fix = "Pass the URL of a database that can be reached, and install its driver; or the file of a journal."
        raise UserError("storage", f"must be a database that Optuna can open ({reason})", got=url, fix=fix) from error


def _kept_study(path: Path, name: str) -> Study:
    from optuna import create_study
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage = JournalStorage(JournalFileBackend(str(path)))
        return create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)
    except (OSError, ValueError, LookupError, TypeError) as error:
        fix = "Begin another search with another out, or pass the journal of one."
        raise UserError("storage", f"must be the journal of a search ({error})", got=path, fix=fix) from error


def search(
    study: Study, objective: Callable[[dict[str, Any], int], float], space: Mapping[str, Any], trials: int, seed: int
) -> None:
    """Run trials until the study has so many finished ones, and no more, however many processes do; a diverged trial counts.

    Args:
        objective: values by name, and the trial's number → what is to be as large as possible.
        space: by name a list of choices, or the `low` and `high` of a range, with `log` or `step` if wanted.
        seed: with a trial's number it decides the proposal, given the trials before, in whichever process.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    while (trial := claim(study, trials)) is not None:
        study.sampler = TPESampler(seed=(seed * 1_000_003 + trial.number) % 2**32)  # read when values are suggested, just below
        try:
            values = {name: _suggested(trial, name, choice) for name, choice in space.items()}
            with at_work(trial):
                found = objective(values, trial.number + 1)
            study.tell(trial, found)
        except Diverged:
            study.tell(trial, state=TrialState.PRUNED)
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)  # stopped half-way: it does not count
            raise


def refuse_other_choices(study: Study, space: Mapping[str, Any]) -> None:
    """A study that is gone on with keeps its lists of choices: a trial of another list cannot be compared.

    Raises:
        UserError: where a list has changed. Ranges may change, and keys come and go.
    """
    for trial in study.trials:
        for name, distribution in trial.distributions.items():
            before = getattr(distribution, "choices", None)
            if before is not None and name in space and list(before) != space[name]:
                fix = "Keep the list, or begin another search with another out."
                raise UserError(f"space.{name}", f"must stay the list {list(before)} of this search", got=space[name], fix=fix)


def check(space: Mapping[str, Any]) -> None:
    """Refuse a space that cannot be searched.

    Raises:
        UserError: for an empty one, or a choice that is neither a list nor a range.
    """
    if not space:
        raise UserError("space", "must have at least one key", fix="Pass for example space.optimizer.lr={low:1e-4,high:1e-2}.")
    for name, choice in space.items():
        listed = isinstance(choice, list) and len(choice) > 0
        ranged = isinstance(choice, dict) and {"low", "high"} <= choice.keys() <= RANGE and _rises(choice)
        if not listed and not ranged:
            rule = "must be a list of choices, or a range {low: …, high: …[, log: true][, step: …]} with low below high"
            raise UserError(f"space.{name}", rule, got=choice, fix="Change it.")


def _rises(choice: Mapping[str, Any]) -> bool:
    low, high = choice["low"], choice["high"]
    step = choice.get("step") or 1
    numbers = all(one in Range(float, -inf) for one in (low, high, step))
    if not numbers or not low < high or step <= 0:
        return False
    whole = isinstance(step, int) or not (isinstance(low, int) and isinstance(high, int))
    return whole and (not choice.get("log") or (low > 0 and not choice.get("step")))


def _suggested(trial: Trial, name: str, choice: Any) -> Any:
    if isinstance(choice, list):
        return trial.suggest_categorical(name, choice)
    ends = (choice["low"], choice["high"])
    whole = all(isinstance(end, int) for end in ends)
    suggest: Any = trial.suggest_int if whole else trial.suggest_float
    return suggest(name, *ends, **{key: choice[key] for key in ("log", "step") if choice.get(key)})


def importances(study: Study, seed: int = 0) -> dict[str, float]:
    """How much of the variation of the outcomes each name explains, the most important first; shares of 1.

    Source: Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed)))
