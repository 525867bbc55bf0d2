"""The command as a user gives it, in a process of its own.

That process is forked from one that has imported the libraries, so that it begins at once; all else is as from a shell.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hazards.registry import NotYet

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [f"ajuste_fino.runs.{name}" for name in ("train", "evaluate", "predict", "audit", "command")] + ["hazards"]
)
LIMIT = 120.0  # seconds that a command may take before it counts as hanging


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code (-9: killed), what it printed, how long it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether it did its work, or said why not in a message."""
        return self.code in (0, 1, 2) and "Traceback" not in self.err and "Error:" not in self.err

    @property
    def last(self) -> str:
        """The last line that it printed as a message."""
        return (self.err.strip().splitlines() or ["nothing"])[-1][:300]


class Running:
    """A command at work; its process leads a group of its own."""

    def __init__(self, target: Callable, arguments: tuple, environment: Mapping[str, str]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="shell-")
        self.begun = time.perf_counter()
        self.process = CONTEXT.Process(target=_child, args=(self.folder.name, {**os.environ, **environment}, target, arguments))
        self.process.start()

    def kill(self) -> None:
        """End it and its children as an exhausted memory or a power cut would."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has ended, or has not yet made its group
            self.process.kill()

    def stop(self) -> None:
        """Ask it to end, as SIGTERM does."""
        self.process.terminate()

    def wait(self, limit: float = LIMIT) -> Done:
        self.process.join(limit)
        if late := self.process.exitcode is None:
            self.kill()
            self.process.join()
        texts = [Path(self.folder.name, name) for name in ("out", "err")]
        out, err = (text.read_text(errors="replace") if text.exists() else "" for text in texts)
        self.folder.cleanup()
        code = self.process.exitcode
        return Done(code, out, f"{err}\nstill running after {limit:.0f} s" if late else err, time.perf_counter() - self.begun)


def start(*words: object, before: Callable[[], None] | None = None, **environment: str) -> Running:
    """Start `ajuste-fino WORDS`, after `before()` in its process; returns at once."""
    return Running(_command, ([str(word) for word in words], before), environment)


def run(*words: object, before: Callable[[], None] | None = None, limit: float = LIMIT, **environment: str) -> Done:
    """`ajuste-fino WORDS` to its end."""
    return start(*words, before=before, **environment).wait(limit)


def call(function: Callable, *arguments: object, limit: float = LIMIT) -> Done:
    """A function in a process of its own; what it prints is in `out`."""
    return Running(function, arguments, {}).wait(limit)


def _child(folder: str, environment: Mapping[str, str], target: Callable, arguments: tuple) -> None:
    os.setsid()
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    multiprocessing.set_start_method(None, force=True)  # the one that a process has by default
    target(*arguments)
    sys.stdout.flush()


def _command(words: list[str], before: Callable[[], None] | None) -> None:
    from ajuste_fino import cli

    sys.argv = ["ajuste-fino", *words]
    if before:
        before()
    cli.main()


def require_key(verb: str, key: str) -> None:
    """Ask the product whether a verb has a key.

    Raises:
        NotYet: where it has not.
    """
    from ajuste_fino.runs.conf import keys

    if key not in keys(verb):
        raise NotYet(f"{verb} has no key {key}")


def require_verb(name: str) -> None:
    from ajuste_fino.verbs import VERBS

    if name not in VERBS:
        raise NotYet(f"there is no verb {name}")
