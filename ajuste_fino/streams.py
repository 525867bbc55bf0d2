"""Standard output and error that a command can always write to: closed, a pipe without a reader, or of few characters."""

import codecs
import errno
import io
import os
import sys
from typing import TextIO

GONE = (errno.EPIPE, errno.EIO, errno.EBADF)  # the reader of a pipe has left; the terminal was closed; nothing to write to
NARROWEST = 20  # characters of a line
PLAIN = {"…": "...", "×": "x", "–": "-", "—": "-", "−": "-", "·": ".", "“": '"', "”": '"', "’": "'"}


class _Stream(io.FileIO):
    """A file whose reader may leave: what is written from then on goes nowhere, and the work goes on."""

    gone = False

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno not in GONE:
                error.filename = f"Standard {'error' if self.fileno() == 2 else 'output'}"
                raise
        self.gone = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return memoryview(data).nbytes  # type: ignore[arg-type]


def prepare() -> None:
    """Replace the standard streams of this process by such ones, unless somebody else has replaced them before."""
    codecs.register_error("ajuste_fino.plain", _plain)
    width = os.environ.get("COLUMNS", "")
    if width and not (width.isdecimal() and int(width) >= NARROWEST):
        del os.environ["COLUMNS"]  # no table can be shown on so few: the terminal says how many it has
    _open_closed()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _tolerant(stream, by_line=name == "stderr" or stream.line_buffering))


def _tolerant(stream: io.TextIOWrapper, by_line: bool) -> TextIO:
    if sys.platform == "win32":  # a console there is no file
        stream.reconfigure(errors="ajuste_fino.plain")
        return stream
    stream.flush()
    raw = _Stream(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, "ajuste_fino.plain", line_buffering=by_line)


def _open_closed() -> None:
    """Where a stream is closed, as by `>&-`, open it to nowhere, so that no file of the run takes its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115  # it stays open
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def output_has_gone() -> bool:
    """Whether whoever read the standard output left before its end; what is still to be written is, first.

    Raises:
        OSError: where it cannot be written for another reason, such as a full disk.
    """
    sys.stdout.flush()
    return bool(getattr(getattr(getattr(sys.stdout, "buffer", None), "raw", None), "gone", False))


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What the encoding lacks, in plain signs; else as `\\xe9`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in text), error.end
