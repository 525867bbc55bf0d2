"""`ajuste-fino VERB [NAME] [key=value …]`: the verb is found, Hydra composes its keys, its run function does the work.

Hydra is imported when a verb runs and torch when its function does, so that `--help` answers at once.
"""

import gc
import logging
import os
import signal
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import ajuste_fino
from ajuste_fino import places, streams
from ajuste_fino.errors import AjusteFinoError, UserError, nearest
from ajuste_fino.escape import lines
from ajuste_fino.verbs import VERBS, Verb

HELP = """ajuste-fino VERB [key=value …]

Verbs:
{verbs}

Examples:
  ajuste-fino train                                 try it on embedded digits
  ajuste-fino audit data.root=photos                look for mistakes in a folder
  ajuste-fino choose data.root=photos               which backbone suits it
  ajuste-fino train data=folder data.root=photos    train on it
  ajuste-fino train config=runs/… epochs=80         repeat a run with a change
  ajuste-fino train -m optimizer=sgd,momentum,adam  compare several runs
  ajuste-fino find-lr data=folder data.root=photos  look for a learning rate
  ajuste-fino evaluate run=runs/…                   test a trained model again
  ajuste-fino predict run=runs/… images=new.jpg     predict an image or a folder
  ajuste-fino report run=latest                     open report.html, with maps of where it looks
  ajuste-fino serve run=latest                      a page to show it
  ajuste-fino data run=runs/…                       would more images help? which labels look wrong?
  ajuste-fino suggest run=runs/… images=unlabelled  which images to label next
  ajuste-fino export run=runs/…                     write a trained model as ONNX
  ajuste-fino extract data.root=photos out=DIR      features, to train on anywhere
  ajuste-fino lecture list                          show the experiments
  ajuste-fino cache prune limit_gb=5                make the feature cache smaller

ajuste-fino VERB --help explains every key of a verb.
eval "$(ajuste-fino completion bash)" completes verbs and keys at the TAB key.
AJUSTE_FINO_DEBUG=1 shows where an error came from."""


PROCESS = os.getpid()  # a process that is forked from it has its handlers of signals


def main() -> None:
    """The command; exits with 0 when all was done, 2 for the user's mistake, 1 for a failure, above 128 when stopped."""
    streams.prepare()
    gc.disable()  # while libraries are imported, which makes many objects and no garbage: a second of five
    for number in _stops():
        signal.signal(number, _leave_at_once)
    leave(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    """Do what the arguments say; the exit code, of a pipe whose reader has seen enough that of SIGPIPE."""
    try:
        _dispatch(arguments)
        return 141 if streams.output_has_gone() else 0
    except (KeyboardInterrupt, SystemExit) as stop:
        return _report("" if _is_quiet() else " ".join(["Stopped.", *getattr(stop, "__notes__", [])]), _exit_code(stop))
    except Exception as error:
        message, code = _explained(error)
        return _report("" if _is_quiet() and isinstance(error, AjusteFinoError) else message, code)


def _dispatch(arguments: list[str]) -> None:
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if (text := _text(name, rest)) is not None:
        print(text)
        return
    if name not in VERBS:
        raise UserError(f"The verb {name}", "is unknown", fix=nearest(name, list(VERBS)))
    _require_working_directory()
    verb = VERBS[name]
    config, rest = (name, rest) if not verb.names else _named(name, verb, rest)
    logging.getLogger("matplotlib").addFilter(_is_no_place)
    from ajuste_fino.runs.command import execute

    execute(config, rest, verb.several, lambda: _function(verb), verb.words)


def _text(name: str, rest: list[str]) -> str | None:
    """What is there to be read, without a verb at work: help, the version, completion."""
    if name in ("--help", "-h", "help"):
        return HELP.format(verbs="\n".join(f"  {name:9} {verb.help}" for name, verb in VERBS.items()))
    if name in ("--version", "-V"):
        return f"ajuste-fino {ajuste_fino.__version__}"
    if name == "completion":
        from ajuste_fino.runs.completion import answer

        return answer(rest)
    if name in VERBS and VERBS[name].names and rest[:1] in (["--help"], ["-h"]):
        from ajuste_fino.runs.help import of_names

        return of_names(name)
    return None


def _named(name: str, verb: Verb, arguments: list[str]) -> tuple[str, list[str]]:
    """`lecture NAME …` → `lecture/NAME`, a configuration of its own; the rest."""
    from ajuste_fino.runs.conf import options

    given = bool(arguments) and "=" not in arguments[0] and not arguments[0].startswith("-")
    chosen, rest = (arguments[0], arguments[1:]) if given else (verb.default, arguments)
    if chosen not in options(name):
        raise UserError(f"The {verb.names} {chosen}", "is unknown", fix=nearest(chosen, options(name)))
    return f"{name}/{chosen}", rest


def _function(verb: Verb) -> Any:
    """Import the function of a verb; from here on signals stop it in order, and garbage is collected again."""
    module, _, function = verb.function.partition(":")
    try:
        found = getattr(import_module(module), function)
    except OSError as error:  # of matplotlib, which needs a folder as it is imported
        fix = "Set TMPDIR to a folder that can be written."
        raise UserError("The temporary folder", f"is needed while libraries are loaded ({error})", fix=fix) from error
    gc.freeze()  # what was imported stays, and need not be looked through again
    gc.enable()
    for number in _stops():
        signal.signal(number, _leave_in_order)
    return found


def _is_no_place(record: logging.LogRecord) -> bool:
    """False for what matplotlib says of its own folder, for which a temporary one does."""
    return record.funcName != "_get_config_or_cache_dir"


def _require_working_directory() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise UserError("The working directory", f"must exist ({error.strerror})", fix="Change to another: cd ~.") from error


def _stops() -> list[int]:
    """The signals that stop a run: Ctrl-C, SIGTERM, and SIGHUP where there is one and nohup does not ignore it."""
    hang_up: list[int] = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
    return [signal.SIGINT, signal.SIGTERM, *(one for one in hang_up if signal.getsignal(one) != signal.SIG_IGN)]


def _leave_at_once(number: int, _frame: object) -> None:
    """Exit at once: while libraries are imported there is nothing to save, and an exception would break some of them."""
    with suppress(OSError):  # the terminal may be closed
        os.write(2, b"ajuste-fino: Stopped.\n")
    os._exit(128 + number)


def _leave_in_order(number: int, _frame: object) -> None:
    """Raise an exception, so that files are finished or removed on the way out; a process of the run's own just ends."""
    if os.getpid() != PROCESS:
        os._exit(128 + number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def leave(code: int) -> None:
    """End the process without Python's orderly shutdown, which would take another second.

    All files are closed by now; what is left is printed.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # a full disk, which was told
            stream.flush()
    os._exit(code)


def _exit_code(stop: BaseException) -> int:
    """130 for Ctrl-C, 128 and its number for another signal, 1 for a stop without a code."""
    code = 130 if isinstance(stop, KeyboardInterrupt) else getattr(stop, "code", 1)
    return code if isinstance(code, int) else 1


def _explained(error: Exception) -> tuple[str, int]:
    """The message and the exit code of an error."""
    if isinstance(error, AjusteFinoError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        return places.told(error), 1
    reason = f"{type(error).__name__}: {error}"
    if "DataLoader worker" in str(error):
        reason = f"{str(error).strip().splitlines()[-1]} With workers=0 no process shares memory (/dev/shm) with another."
    return f"{reason} (AJUSTE_FINO_DEBUG=1 shows where)", 1


def _is_quiet() -> bool:
    """Whether this is one of several processes that train together, of which the first tells what all have come to."""
    from ajuste_fino.console import console  # brings rich, which help has no need of

    return console.quiet


def _report(message: str, code: int) -> int:
    """Tell why the command ended; of processes that train together the first tells it."""
    if os.environ.get("AJUSTE_FINO_DEBUG"):
        traceback.print_exc()
    with suppress(OSError):  # where nothing can be shown, the code says it
        if message:
            print(f"ajuste-fino: {lines(message)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
