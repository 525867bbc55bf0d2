"""What was meant by a word of the command line that is no `key=value`: dashes before it, quotes of a text processor."""

from collections.abc import Collection, Sequence

from ajuste_fino.errors import UserError
from ajuste_fino.runs.grammar import is_path

DASHES = "-–—−"
QUOTES = "“”„‟‘’‚‛«»‹›"


def refuse_dashes(arguments: Sequence[str], known: Collection[str]) -> None:
    """Refuse a key with dashes before it, as other programs take them, and a flag with a dash of a text processor.

    Raises:
        UserError: with what to type instead.
    """
    for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
        key, sign, value = word.lstrip(DASHES).partition("=")
        if word[:1] not in tuple(DASHES) or is_path(word):
            continue
        if key.replace("-", "_") in known:
            value = value if sign else following if following[:1] not in tuple(DASHES) and "=" not in following else "VALUE"
            fix = f"Pass {key.replace('-', '_')}={value or 'VALUE'}. Keys are given as key=value, without dashes."
            raise UserError(word, "must be given as key=value", fix=fix)
        if word[0] != "-":
            raise UserError(word, "begins with a typographic dash", fix="Type a plain one, -, or leave it out before a key.")


def refuse_typographic(overrides: Sequence[str]) -> None:
    """Refuse a value in the quotes of a text processor, which a shell leaves in it, and a number behind its minus.

    Raises:
        UserError: with the value in plain ones.
    """
    for override in overrides:
        key, sign, value = override.partition("=")
        if sign and value and value[0] in QUOTES and not is_path(value):
            inner = value.strip(QUOTES)
            raise UserError(key, "must not be in typographic quotes", got=value, fix=f"Write {key}={inner!r}, in plain ones.")
        if sign and value[:1] in tuple(DASHES[1:]) and value[1:2].isdigit():
            raise UserError(key, "must not have a typographic minus", got=value, fix=f"Write {key}=-{value[1:]}.")


def twice(overrides: Sequence[str]) -> list[str]:
    """A sentence for each key that is given two values, of which the last one counts."""
    last: dict[str, str] = {}
    said = []
    for override in overrides:
        key, sign, value = override.lstrip("+").partition("=")
        if sign and last.get(key, value) != value:
            said.append(f"{key} is given twice; the last value counts: {value}")
        last[key] = value if sign else last.get(key, "")
    return said
