"""Trials that several processes share, on whichever machines: no more are begun than are wanted.

Whoever trains a trial writes down every so often that it is at work; one that no longer does has been killed, and its trial
does not count.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ajuste_fino.console import log, meanwhile

if TYPE_CHECKING:
    from optuna import Study, Trial

SEEN = "seen"  # the attribute of a trial that has the time at which its process was last at work
EVERY = 20.0  # seconds between two of them
DEAD = 180.0  # seconds without one, after which a process is taken to have been killed
PAUSE = 0.5  # seconds between two looks at what others have come to


def finished(study: Study) -> int:
    """Return how many trials have come to an end; a diverged one has."""
    return len(study.get_trials(deepcopy=False, states=_over()))


def claim(study: Study, wanted: int) -> Trial | None:
    """Begin a trial, once fewer than `wanted` are finished or at work; None: so many are finished.

    Where others are at work on the last ones, wait: they may yet fail.
    """
    told = False
    while finished(study) < wanted:
        if _begun(study) < wanted:
            trial = study.ask()
            trial.set_user_attr(SEEN, time.time())
            if _begun(study, trial.number) < wanted:
                return trial
            _give_back(study, trial)  # another process was faster
        if not told:
            log.info("Other processes train the last trials; waiting for them.")
            told = True
        time.sleep(PAUSE)
    return None


@contextmanager
def at_work(trial: Trial) -> Iterator[None]:
    """Write down, while the block lasts, that its process is at work."""
    with meanwhile(lambda: trial.set_user_attr(SEEN, time.time()), EVERY):
        yield


def _over() -> tuple:
    from optuna.trial import TrialState

    return (TrialState.COMPLETE, TrialState.PRUNED)


def _begun(study: Study, before: int | None = None) -> int:
    """Return how many trials are finished or at work; with a number, of those before it."""
    from optuna.trial import TrialState

    now = time.time()
    there = study.get_trials(deepcopy=False, states=(*_over(), TrialState.RUNNING))
    alive = [one for one in there if one.state != TrialState.RUNNING or now - one.user_attrs.get(SEEN, now) < DEAD]
    return sum(before is None or one.number < before for one in alive)


def _give_back(study: Study, trial: Trial) -> None:
    from optuna.trial import TrialState

    study.tell(trial, state=TrialState.FAIL)
