"""Processes that train together, each on a device of its own: which of them this is, and what they tell each other.

Of a process alone, the functions here cost nothing. Which messages are sent when must not depend on the process: one that
waits for a message that nobody sends waits for ever.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from typing import Any, TypeVar

from ajuste_fino.errors import AjusteFinoError

T = TypeVar("T")
POLL = 0.02  # seconds between two looks at whether a message has come: a signal is heard meanwhile
FAREWELL = 5.0  # seconds that the others have to hear that this one has failed

_messages: Any = None  # the group of processes by which messages go, on the CPU whatever trains; None: this one is alone


class Elsewhere(AjusteFinoError):
    """Another of the processes failed, or was stopped, and says why itself."""

    def __init__(self, exit_code: int, message: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code


def follows(processes: int) -> bool:
    """Whether this is one of several processes and not the first, by the environment in which it was started.

    torchrun, SLURM's srun and Lightning tell it each by variables of their own.
    """
    names = ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")
    return processes > 1 and any(os.environ.get(name, "0") != "0" for name in names)


def join() -> None:
    """Begin to exchange messages with the processes of torch's group."""
    global _messages
    from torch import distributed

    _messages = distributed.new_group(backend="gloo")


def leave() -> None:
    """Exchange no more messages."""
    global _messages
    from torch import distributed

    _messages = None
    if distributed.is_initialized():
        distributed.destroy_process_group()


def number() -> int:
    """Return the number of this process, from 0."""
    if _messages is None:
        return 0
    from torch import distributed

    return distributed.get_rank()


def count() -> int:
    """Return how many processes there are."""
    if _messages is None:
        return 1
    from torch import distributed

    return distributed.get_world_size()


def is_first() -> bool:
    """Whether this process decides, writes and speaks for all."""
    return number() == 0


def share(items: Sequence[T]) -> list[T]:
    """Return those of the items that are for this process: each item is for one of them."""
    return list(items[number() :: count()])


def largest(*values: float) -> list[float]:
    """Return of each value the largest that a process has."""
    if _messages is None:
        return list(values)
    import torch
    from torch import distributed

    found = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(found, distributed.ReduceOp.MAX, group=_messages)
    return found.tolist()


def gather(value: T) -> list[T]:
    """Return the value of each process, in their order."""
    if _messages is None:
        return [value]
    from torch import distributed

    found: list[Any] = [None] * count()
    distributed.all_gather_object(found, value, group=_messages)
    return found


def wait(most: float = inf) -> None:
    """Wait until all processes are here, and hear signals meanwhile.

    Raises:
        TimeoutError: where they are not, after so many seconds.
    """
    if _messages is None:
        return
    from torch import distributed

    work = distributed.barrier(group=_messages, async_op=True)
    begun = time.monotonic()
    while not work.is_completed():
        if time.monotonic() > begun + most:
            raise TimeoutError(f"Another process has not come within {most:g} s.")
        time.sleep(POLL)
    work.wait()


def from_first(work: Callable[[], T]) -> T:
    """Let the first process work while the others wait; return to all what it returns.

    Raises:
        Elsewhere: in the others, where it failed in the first.
    """
    if _messages is None:
        return work()
    if is_first():
        try:
            found = work()
        except BaseException as error:
            tell(error)
            raise
        return _send(found)
    found = _send(None)
    if isinstance(found, Elsewhere):
        raise found
    return found


def together(work: Callable[[], T]) -> T:
    """Let each process work; where it fails in one, all fail.

    Raises:
        Elsewhere: where it failed in another.
    """
    if _messages is None:
        return work()
    found, error = None, None
    try:
        found = work()
    except Exception as caught:
        error = caught
    wait()
    codes = gather(None if error is None else (_code(error), f"Process {number()} failed. {error}"))
    if error is not None:
        raise error
    if failed := [code for code in codes if code is not None]:
        raise Elsewhere(*failed[0])
    return found  # type: ignore[return-value]


def tell(error: BaseException) -> None:
    """Tell the others, who wait for the first process, that it has failed; who is no longer there need not know."""
    with suppress(RuntimeError, TimeoutError):
        _send(Elsewhere(_code(error)), FAREWELL)


def _send(value: Any, most: float = inf) -> Any:
    """Send the first process's value to all, and return it."""
    from torch import distributed

    wait(most)
    box = [value]
    distributed.broadcast_object_list(box, 0, group=_messages)
    return box[0]


def _code(error: BaseException) -> int:
    """Return the exit code that an error will have."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    code = error.code if isinstance(error, SystemExit) else getattr(error, "exit_code", 1)
    return code if isinstance(code, int) else 1
