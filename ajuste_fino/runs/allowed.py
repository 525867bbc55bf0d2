"""What a command line may ask of Hydra: to compose keys, and nothing that would run code."""

from collections.abc import Iterator, Sequence
from typing import Any

from ajuste_fino.errors import UserError

FLAGS = {"-m", "--multirun", "-h", "--help", "-c", "--cfg", "--resolve", "-p", "--package", "-cd", "--config-dir"}
KEYS = {"hydra.sweep.dir", "hydra.sweep.subdir"}


def refuse_hydra_itself(arguments: Sequence[str]) -> None:
    """Hydra makes its callbacks, launcher and sweeper from `_target_`, and can read a pickle: what reaches there stops here.

    Raises:
        UserError: for any flag or key of Hydra's own that is not needed.
    """
    for argument in arguments:
        key = argument.lstrip("+~").partition("=")[0]
        if argument.startswith("-") and key not in FLAGS and argument.partition("=")[0] not in FLAGS:
            fix = f"Known: {', '.join(sorted(FLAGS))}."
            raise UserError("The flag", "is not allowed", got=argument, fix=fix)
        if "hydra" in key.replace("@", ".").replace("/", ".").split(".") and key not in KEYS:
            raise UserError(
                "The key", "is Hydra's own and not to be changed", got=key, fix=f"Allowed: {', '.join(sorted(KEYS))}."
            )


def config_dir(arguments: Sequence[str]) -> str | None:
    """The folder of configurations that a user brings along."""
    for position, argument in enumerate(arguments):
        flag, sign, value = argument.partition("=")
        if flag in ("-cd", "--config-dir"):
            return value if sign else next(iter(arguments[position + 1 :]), None)
    return None


def targets(node: Any) -> Iterator[str]:
    """Every `_target_` below a node of plain dictionaries and lists."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_":
                yield str(value)
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)
