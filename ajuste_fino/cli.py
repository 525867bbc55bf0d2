"""`ajuste-fino VERB [key=value …]`: the verb is found, Hydra composes its keys, its run function does the work.

Hydra is imported when a verb runs and torch when its function does, so that `--help` answers at once.
"""

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ajuste_fino.errors import AjusteFinoError, Diverged, Failed, UserError, nearest

VERBS = {
    "train": "freeze a trained CNN, train a new head on a folder of images",
    "evaluate": "judge a trained model on its test split or on other pictures",
    "predict": "name what is on pictures",
    "audit": "look for what is wrong with a folder of images",
    "sweep": "search for the values of some keys that train best",
    "lecture": "an experiment of the lecture: its figure, its table, its verdict",
    "fetch": "bring a backbone's published weights to this machine",
    "list": "show the backbones, optimizers, data sets and other names there are",
}

HELP = """ajuste-fino VERB [key=value …]

Verbs:
{verbs}

Examples:
  ajuste-fino train                                     the embedded digits, to see it work
  ajuste-fino audit data.root=photos                    what is wrong with a folder, one sub-folder a class
  ajuste-fino train data=folder data.root=photos        train on it
  ajuste-fino train -m optimizer=sgd,momentum,adam      several runs, one table
  ajuste-fino evaluate run=runs/…                       its test split again
  ajuste-fino predict run=runs/… images=new.jpg         one picture, a folder, or a list
  ajuste-fino lecture list|NAME|all                     what can be seen happen; one; a page of all

ajuste-fino VERB --help shows every key of a verb. AJUSTE_FINO_DEBUG=1 shows where an error came from."""


def main() -> None:
    """The command; exits with 0 when all was done, 2 for the user's mistake, 1 for a failure, 130 and 143 when stopped."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra's errors come here instead of being printed by Hydra
    gc.disable()  # while libraries are imported, which makes many objects and no garbage; a tenth of that time
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_at_once)
    try:
        _dispatch(sys.argv[1:])
        code = 0
    except KeyboardInterrupt:
        code = _say("Stopped. The features computed so far are kept; the next run goes on from them.", 130)
    except Failed as failed:
        code = _say(*_told(failed.error))
    except Exception as error:
        code = _say(*_told(error))
    leave(code)


def leave(code: int) -> None:
    """End the process without taking its libraries apart piece by piece, which would take it another second or two.

    All files are closed by now; what is left is said.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _told(error: Exception) -> tuple[str, int]:
    if isinstance(error, AjusteFinoError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        return f"{error.filename or 'A file'}: {error.strerror or error}", 1
    reason = str(error).strip().splitlines()[-1:] if "DataLoader worker" in str(error) else [f"{type(error).__name__}: {error}"]
    return f"{''.join(reason)} (AJUSTE_FINO_DEBUG=1 shows where)", 1


def _leave_at_once(number: int, _frame: object) -> None:
    """While libraries are imported there is nothing to save, and some of them break when an exception interrupts them."""
    os._exit(128 + number)


def _leave_in_order(number: int, _frame: object) -> None:
    """Once a verb runs: files are finished or removed on the way out."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _say(message: str, code: int) -> int:
    if os.environ.get("AJUSTE_FINO_DEBUG"):
        traceback.print_exc()
    print(f"ajuste-fino: {message}", file=sys.stderr)
    return code


def _dispatch(arguments: list[str]) -> None:
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if verb in ("--help", "-h", "help"):
        print(HELP.format(verbs="\n".join(f"  {name:9} {what}" for name, what in VERBS.items())))
    elif verb not in VERBS:
        raise UserError("The verb", "is unknown", got=verb, fix=nearest(verb, list(VERBS)))
    elif verb == "list":
        from ajuste_fino.runs.listing import show

        show(VERBS)
    elif verb == "lecture":
        _lecture(rest)
    else:
        _hydra(verb, rest)


def _lecture(arguments: list[str]) -> None:
    """`lecture NAME [key=value …]`: each experiment's settings are a configuration of its own."""
    from ajuste_fino.lecture import NAMES

    name, rest = (arguments[0], arguments[1:]) if arguments else ("list", [])
    if name in ("list", "--help", "-h"):
        from ajuste_fino.runs.lecture import listing

        listing()
    elif name not in (*NAMES, "all"):
        raise UserError("The experiment", "is unknown", got=name, fix=nearest(name, [*NAMES, "all"]))
    else:
        _hydra(f"lecture/{name}", rest)


def _hydra(verb: str, arguments: list[str]) -> None:
    import hydra
    from hydra.errors import HydraException

    from ajuste_fino.runs.allowed import config_dir, refuse_hydra_itself
    from ajuste_fino.runs.configuration import explain, folder, quoted, refuse_additions, refuse_foreign_hydra

    refuse_hydra_itself(arguments)
    refuse_additions(verb, arguments)
    several = bool({"-m", "--multirun"} & set(arguments))
    if several and verb.startswith(("lecture/", "sweep")):
        fix = "Give one command for each; train -m compares several runs."
        raise UserError("-m", f"is not for {verb.partition('/')[0]}", fix=fix)
    keys = [quoted(one, several) for one in arguments]
    sys.argv = [f"ajuste-fino {verb.replace('/', ' ')}", *keys]
    try:
        if theirs := config_dir(arguments):
            refuse_foreign_hydra(verb, theirs, [key for key in keys if "=" in key and not (key.startswith("-") or several)])
        hydra.main(version_base="1.3", config_path=str(folder()), config_name=verb)(_task(verb))()
    except HydraException as error:
        raise explain(error, verb, [one for one in arguments if "=" in one]) from error


def _task(verb: str) -> Callable[[Any], Any]:
    def task(cfg: Any) -> Any:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        several = HydraConfig.get().mode == RunMode.MULTIRUN
        out = Path(HydraConfig.get().runtime.output_dir if several else cfg.out).expanduser()
        try:
            function = _function(verb)
            if not gc.isenabled():  # the first of several runs: what was imported stays, and need not be looked through again
                gc.freeze()
                gc.enable()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _leave_in_order)
            _refuse_trust_from_a_file(cfg, HydraConfig.get().overrides.task)
            return function(cfg, out)
        except Exception as error:
            if several and isinstance(error, Diverged):
                return error  # the other runs go on; the summary tells of it
            raise Failed(error) from error
        finally:
            if several:
                _remove_empty(out)

    return task


def _refuse_trust_from_a_file(cfg: Any, overrides: Any) -> None:
    """A file that says whom to trust could come from anyone; the command line comes from the user."""
    if cfg.trust and not any(one.startswith("trust=") for one in overrides):
        raise UserError("trust", "can be given on the command line only", got=list(cfg.trust), fix="Take it out of the file.")


def _function(verb: str) -> Callable[[Any, Path], Any]:
    if verb == "train":
        from ajuste_fino.runs.train import train

        return train
    if verb == "evaluate":
        from ajuste_fino.runs.evaluate import evaluate

        return evaluate
    if verb == "audit":
        from ajuste_fino.runs.audit import audit

        return audit
    if verb == "sweep":
        return _sweep
    if verb == "lecture/all":
        from ajuste_fino.runs.lecture import every

        return every
    if verb.startswith("lecture/"):
        from ajuste_fino.runs.lecture import lecture

        return lambda cfg, out: lecture(cfg, out, verb.partition("/")[2])
    if verb == "fetch":
        from ajuste_fino.runs.fetch import fetch

        return lambda cfg, _out: fetch(cfg)
    from ajuste_fino.runs.predict import predict

    return lambda cfg, _out: predict(cfg)


def _sweep(cfg: Any, out: Path) -> Any:
    from hydra.core.hydra_config import HydraConfig

    from ajuste_fino.runs.sweep import sweep

    return sweep(cfg, out, list(HydraConfig.get().overrides.task))


def _remove_empty(folder: Path) -> None:
    """Hydra makes the folder of each of several runs itself; a mistake that stopped one should leave nothing."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


if __name__ == "__main__":
    main()
