"""Names from outside made safe: to be shown on one line, and to be written to a table and read back unchanged.

A name of a file or a class can hold anything: line breaks, codes that move a terminal's cursor, marks that turn the
direction of writing, bytes that are no Unicode (in Python: lone surrogates). Nothing of that is shown as it is.
"""

import re

# control characters, separators of lines, marks of direction, and what stands for bytes that are no Unicode
UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
SIGNS = frozenset("'=+-@\t\r\n")
FORMULA = re.compile(r"'*[=+\-@\t\r\n]")  # what a spreadsheet runs, and what is that behind apostrophes
ESCAPED = re.compile(r"'+[=+\-@\t\r\n]")
CODE = r"u(?:00(?:0[0-8bce-f]|1[0-9a-f]|7f|[89][0-9a-f])|d[89a-f][0-9a-f]{2})"
RAW = re.compile(rf"(\\*)([\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff])|(\\+)(?={CODE})")
CODED = re.compile(rf"(\\+)({CODE})")


def printable(text: str, keep: str = "") -> str:
    """A text as it can be shown on one line, with codes for what cannot: `\\n`, `\\x1b`, `\\udcf1`.

    Args:
        keep: what stays as it is.
    """
    if text.isprintable():
        return text
    return UNSHOWN.sub(lambda match: match[0] if match[0] in keep else match[0].encode("unicode_escape").decode(), text)


def lines(text: str) -> str:
    """A text of several lines as it can be shown."""
    return printable(text, keep="\n")


def to_cell(text: str) -> str:
    r"""A text as a cell of a CSV in UTF-8; `from_cell` gives it back, whatever it is.

    A cell that a spreadsheet would run as a formula, or that would be read as such a cell, gets an apostrophe in front;
    control characters other than tabs and line breaks, and bytes that are no Unicode, become codes such as `\u001b` and
    `\udcf1`, before which backslashes are doubled. All other texts stay as they are.
    """
    if not text.isprintable() or "\\" in text:
        text = RAW.sub(_coded, text)
    return f"'{text}" if text[:1] in SIGNS and FORMULA.match(text) else text


def _coded(match: re.Match[str]) -> str:
    before, raw, of_text = match.groups()
    return f"{before * 2}\\u{ord(raw):04x}" if raw else of_text * 2


def from_cell(cell: str) -> str:
    """The text that `to_cell` made a cell of."""
    if cell[:1] == "'" and ESCAPED.match(cell):
        cell = cell[1:]
    return CODED.sub(_decoded, cell) if "\\" in cell else cell


def _decoded(match: re.Match[str]) -> str:
    before, code = match.groups()
    return "\\" * (len(before) // 2) + (chr(int(code[1:], 16)) if len(before) % 2 else code)
