"""Names from outside made safe: to be shown on one line, and to be written to a table and read back unchanged.

A name of a file or a class can hold anything: line breaks, codes that move a terminal's cursor, marks that turn the
direction of writing, signs without a look, blanks that are no space, bytes that are no Unicode (in Python: lone surrogates).
Nothing of that is shown as it is.
"""

import re

# Unicode's categories Cc, Cf, Cs, Zl and Zp, and Zs but for the plain space
FORMATS = (
    r"\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
BLANKS = r"\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# letters, marks and symbols that are not seen either: fillers of Hangul, an empty pattern of Braille, selectors of variants
UNSEEN = r"\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0d\uffa0"
# what emoji are joined and selected by stays between them, and what joins or parts letters in Arabic and Indic scripts
EMOJI = r"\xa9\xae\u203c\u2049\u2100-\u27bf\u2900-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
LETTERS = r"\u0620-\u06d3\u0900-\u0dff"
SELECTOR = rf"(?<![{EMOJI}])[\ufe0e\ufe0f](?!\u20e3)"
JOINED = rf"(?:(?<=[{EMOJI}])|(?<=[{EMOJI}]\ufe0f))\u200d(?=[{EMOJI}])|(?<=[{LETTERS}])[\u200c\u200d](?=[{LETTERS}])"
UNSHOWN = re.compile(rf"[\x00-\x1f\x7f-\x9f\ud800-\udfff{FORMATS}{BLANKS}{UNSEEN}]|{SELECTOR}|(?!{JOINED})[\u200c\u200d]")
SIGNS = frozenset("'=+-@\t\r\n")
FORMULA = re.compile(r"'*[=+\-@\t\r\n]")  # what a spreadsheet runs, and what is that behind apostrophes
ESCAPED = re.compile(r"'+[=+\-@\t\r\n]")
CODE = r"u(?:00(?:0[0-8bce-f]|1[0-9a-f]|7f|[89][0-9a-f])|d[89a-f][0-9a-f]{2})"
RAW = re.compile(rf"(\\*)([\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff])|(\\+)(?={CODE})")
CODED = re.compile(rf"(\\+)({CODE})")


def printable(text: str, keep: str = "", most: int | None = None) -> str:
    """A text as it can be shown on one line, with codes for what cannot: `\\n`, `\\x1b`, `\\u200b`, `\\udcf1`.

    Backslashes are not doubled, so that a text that went through it once stays as it is.

    Args:
        keep: what stays as it is.
        most: characters of the text that are shown, before an ellipsis; None: all.
    """
    if most is not None and len(text) > most:
        return f"{printable(text[:most], keep)}…"
    if text.isascii() and text.isprintable():
        return text
    return UNSHOWN.sub(lambda match: match[0] if match[0] in keep else match[0].encode("unicode_escape").decode(), text)


def quoted(text: str, always: bool = False) -> str:
    """A text as `printable` gives it, in quotes where it begins or ends with a space, or always."""
    shown = printable(text)
    return f"'{shown}'" if always or shown != shown.strip(" ") else shown


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
