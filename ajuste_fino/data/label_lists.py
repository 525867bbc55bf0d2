"""Labels that are lists of labels: an image has one."""

import re

from ajuste_fino.errors import UserError

ONE_LABEL = "must give every file one label"
SEVERAL = "Images of several classes at once are not supported"
QUOTE = r"""['"]"""
# as Python and pandas write lists: [cat, dog]; of other brackets, those with texts in quotes
WRITTEN = re.compile(rf"\[[^\[\]]*,[^\[\]]*\]|[({{]\s*{QUOTE}.*{QUOTE}\s*,\s*{QUOTE}.*{QUOTE}\s*,?\s*[)}}]")
JOINED = re.compile(r"\s*[+/&]\s*|\s+")


def lists_perhaps(labels: set[str]) -> list[str]:
    """Labels like `cat+dog`, `cat/dog` and `cat dog` beside both `cat` and `dog`."""
    parted = ((label, JOINED.split(label)) for label in sorted(labels))
    return [f"{label}: {', '.join(parts)}" for label, parts in parted if len(parts) > 1 and labels.issuperset(parts)]


def refuse_lists(table: object, labels: set[str]) -> None:
    """Refuse a label like `cat|dog` beside `cat` or `cat|bird`, or `['cat', 'dog']`: it is a list of labels.

    Raises:
        UserError: where there is one.
    """
    if written := sorted(label for label in labels if WRITTEN.fullmatch(label)):
        raise UserError(str(table), ONE_LABEL, got=written[0], fix=f"{SEVERAL}.")
    for mark in "|;,":
        lists = [label for label in labels if mark in label and _is_list(label, mark, labels)]
        parts = [part.strip() for label in lists for part in label.split(mark)]
        if lists and (len(set(parts)) < len(parts) or labels & set(parts)):
            fix = f"{SEVERAL}; write the label without '{mark}' if it is one."
            raise UserError(str(table), ONE_LABEL, got=min(lists), fix=fix)


def _is_list(label: str, mark: str, labels: set[str]) -> bool:
    """Whether a label may be a list: with a blank behind each comma it is a name, `Smith, John`, unless a part is a class."""
    parts = label.split(mark)
    names = mark == "," and all(part[:1].isspace() for part in parts[1:])
    return not names or any(part.strip() in labels for part in parts)
