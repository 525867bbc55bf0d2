"""Bare words on the command line: images of `predict run=… photos/*.jpg`, runs of `compare runs/a runs/b`."""

from collections.abc import Collection, Sequence
from pathlib import Path

from ajuste_fino.errors import UserError
from ajuste_fino.runs.grammar import is_path, literal, quoted, verbatim


def protect(arguments: Sequence[str], flags: Collection[str]) -> list[str]:
    """A file whose name begins with a dash gets `./` before it, unless it is called as a flag is."""
    return [f"./{one}" if one.startswith("-") and one not in flags and is_path(one) else one for one in arguments]


def gather(overrides: Sequence[str], key: str, known: Collection[str]) -> list[str]:
    """Put all bare words, and all values of the key itself, into one value: `run=r images=['a.jpg','b.jpg']`.

    A word is bare that holds no `=`, that has a `/` before its first `=`, or that is the name of a file.

    Raises:
        UserError: where a word is a file as well as a key with its value, as `top=3.jpg` is.
    """
    bare = [_is_bare(one, known) for one in overrides]
    if key == "images" and not any(one.startswith("run=") for one in overrides):
        _refuse_run([one for one, is_bare in zip(overrides, bare, strict=True) if is_bare])
    values = [
        literal(verbatim(one) if is_path(one) else one) if is_bare else quoted(one).partition("=")[2]
        for one, is_bare in zip(overrides, bare, strict=True)
        if is_bare or one.startswith(f"{key}=")
    ]
    if not any(bare) and len(values) < 2:
        return list(overrides)
    rest = [one for one, is_bare in zip(overrides, bare, strict=True) if not is_bare and not one.startswith(f"{key}=")]
    return [*rest, f"{key}=[{','.join(values)}]"]


def _is_bare(word: str, known: Collection[str]) -> bool:
    before, sign, _ = word.partition("=")
    if not sign or "/" in before:
        return True
    if is_path(word) and before.lstrip("+~") in known:
        raise UserError(word, "is a file here, and a key with its value", fix=f"Write ./{word} for the file.")
    return is_path(word)


def _refuse_run(words: Sequence[str]) -> None:
    """Refuse the folder of a run in the place of an image, where no run is given.

    Raises:
        UserError: where there is one.
    """
    for word in words:
        if Path(word, "bundle").is_dir() or Path(word, "bundle.json").is_file():
            raise UserError(word, "is the folder of a run, and no run is given", fix=f"Write run={word}.")
