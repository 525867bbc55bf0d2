"""Addresses of files elsewhere, `s3://bucket/photos`, and what must not stand in them. Nothing is opened here."""

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ajuste_fino.errors import UserError

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # one letter is a drive of Windows
CHAINED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://[^:]*)?::")
PASSWORD = re.compile(r"://[^/]*:(?!\d*(/|$))[^/]*")  # a colon before the first slash, and no port behind it
SECRET = re.compile(
    r"(?i)[?&#](x-(amz|goog)-(signature|credential|security-token)|[\w-]*(sig|signature|token|secret|password|api_?key))="
)
CREDENTIALS = (
    "Give it as the library takes it that reads the address, never in the address, which is written to config.yaml: for s3:// "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for gs:// GOOGLE_APPLICATION_CREDENTIALS, for hf:// HF_TOKEN."
)


@dataclass(frozen=True, slots=True)
class Url:
    """The address of a file or a folder, which is joined and taken apart as a `Path` is."""

    text: str

    def __truediv__(self, name: str) -> "Url":
        plain = posixpath.normpath(name)  # an object storage knows no ./
        return self if plain == "." else Url(f"{self.text.rstrip('/')}/{plain}")

    @property
    def name(self) -> str:
        return self.text.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> "Url":
        return Url(self.text.rstrip("/").rpartition("/")[0])

    def __str__(self) -> str:
        return self.text


def is_address(value: object) -> bool:
    """Whether a value is an address rather than a path of this machine."""
    return isinstance(value, str) and bool(ADDRESS.match(value) or CHAINED.match(value))


def refuse_secrets(key: str, value: object) -> None:
    """Refuse an address that holds a password, a token or a signature; the message does not repeat it.

    Raises:
        UserError: where it does.
    """
    if not (isinstance(value, str) and is_address(value)):
        return
    if PASSWORD.search(value) or SECRET.search(value):
        shown = f"{value.partition('://')[0]}://…"
        raise UserError(key, "must not hold a password, a token or a signature", got=shown, fix=CREDENTIALS)


def address(key: str, value: str) -> Url:
    """The address that a key gives.

    Raises:
        UserError: where it is none that can be read, or holds a secret.
    """
    refuse_secrets(key, value)
    if CHAINED.match(value):
        fix = "Pass the last of them, such as s3://bucket/photos."
        raise UserError(key, "must be one address, without ::", got=value, fix=fix)
    if not value.partition("://")[2].strip("/"):
        raise UserError(key, "must name a bucket or a folder", got=value, fix="Pass for example s3://bucket/photos.")
    if urlsplit(value).query:
        fix = "Leave out what follows the question mark."
        raise UserError(key, "must be an address without a query", got=value.partition("?")[0], fix=fix)
    return Url(value.rstrip("/"))
