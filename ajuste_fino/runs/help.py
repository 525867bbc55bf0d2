"""`VERB --help`: a line for each key, its explanation taken from the comment beside it in `conf/`."""

import shutil
import textwrap
from collections.abc import Iterator, Mapping

from ajuste_fino.runs.conf import Topic, options, topics
from ajuste_fino.runs.conf_file import Key
from ajuste_fino.verbs import VERBS

COLUMN = 30  # where explanations begin; a longer key has a line of its own
WIDEST = 100  # columns that a line fills at most


def of_verb(config: str, choices: Mapping[str, str], directory: str | None = None) -> str:
    """The help of a verb.

    Args:
        config: the verb, or `lecture/relu`.
        choices: names of groups whose keys are shown instead of those of the default ones.
        directory: of configurations of the user's own.

    Raises:
        UserError: for a name that its group lacks.
    """
    usage = f"ajuste-fino {config.replace('/', ' ')} [key=value …]"
    flags = "-m runs each combination of values with commas; " if VERBS[config.partition("/")[0]].several else ""
    end = f"Flags: {flags}--config-dir DIR adds configurations of yours; --cfg job shows all values as YAML."
    blocks = [usage, *("\n".join(_topic(topic)) for topic in topics(config, choices, directory)), _fill(end)]
    return "\n\n".join(block for block in blocks if block)


def of_names(verb: str) -> str:
    """The help of a verb that is followed by a name: its names."""
    what = VERBS[verb].names
    lines = [f"ajuste-fino {verb} {what.upper()} [key=value …]", "", _fill(VERBS[verb].help), ""]
    for name in options(verb):
        lines += _entry(name, topics(f"{verb}/{name}", {})[0].description.partition(": ")[2])
    return "\n".join([*lines, "", f"ajuste-fino {verb} {what.upper()} --help shows the keys of one."])


def _topic(topic: Topic) -> Iterator[str]:
    """A topic's name and description, the names of its group, its keys."""
    named = topic.description.startswith(topic.name.replace("/", " "))  # as `lecture relu: …` is
    yield _fill(topic.description if named else f"{topic.name}: {topic.description}" if topic.description else topic.name)
    if len(topic.names) > 1:
        yield from _entry(f"{topic.name}={topic.chosen}", f"one of {', '.join(topic.names)}")
    for key in topic.keys:
        if not key.inside:
            yield from _key(key)


def _key(key: Key) -> list[str]:
    if key.default == "???":  # Hydra's sign for a key without default
        return _entry(f"{key.name}=…", f"{key.comment}; must be given")
    return _entry(f"{key.name}={key.default}" if key.default else key.name, key.comment)


def _entry(what: str, explanation: str) -> list[str]:
    """What one types, and beside it, or below where that is long, the explanation with a hanging indent."""
    if not explanation:
        return [_fill(what, "  ", "    ")]
    beside = f"  {what}".ljust(COLUMN)
    if len(beside) > COLUMN or not beside.endswith("  "):
        return [_fill(what, "  ", "    "), _fill(explanation, " " * COLUMN, " " * COLUMN)]
    return [_fill(explanation, beside, " " * COLUMN)]


def _fill(text: str, first: str = "", rest: str = "") -> str:
    width = min(shutil.get_terminal_size().columns, WIDEST) - 1  # some terminals break a line that is full
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
