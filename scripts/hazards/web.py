"""The page that `serve` makes: where it listens, and whether a file of the machine can be had from it."""

import socket
import time
from http.client import HTTPConnection

from hazards.material import KEYS, photos
from hazards.registry import NotYet, Outcome, hazard
from hazards.shell import run, start

PATHS = ("/gradio_api/file=/etc/passwd", "/file=/etc/passwd", "/gradio_api/file=../../../etc/passwd", "/../etc/passwd")
PATIENCE = 60  # seconds


@hazard("web-page", "loopback only, 403 or 404 for a file", size=len(PATHS), quick=len(PATHS))
def web_page(work, size, rng):
    """The web page: where it listens, and whether a file can be had from it"""
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise NotYet("gradio is not installed") from error
    run("train", *KEYS, f"data.root={photos(work / 'photos', rng)}", f"out={work / 'run'}")
    port = _free()
    server = start("serve", f"run={work / 'run'}", f"port={port}")
    try:
        if not _answers("127.0.0.1", port):
            return Outcome(False, "it does not answer")
        refused = [_status(port, path) in (403, 404) for path in PATHS]
        foreign = _status(port, "/config", {"Host": "evil.example"}) == 400
        outside = [address for address in _addresses() if _connects(address, port)]
    finally:
        server.stop()
        done = server.wait(20)
    figure = f"{sum(refused)} of {size} refused, {'not ' if outside else ''}on loopback only, exit code {done.code}"
    return Outcome(all(refused) and foreign and not outside and done.code == 143, figure)


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _connects(address: str, port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(1)
        return not tried.connect_ex((address, port))


def _answers(address: str, port: int) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if _connects(address, port):
            return True
        time.sleep(0.2)
    return False


def _addresses() -> list[str]:
    """The addresses of this machine beside loopback."""
    found = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    return [address for address in found if not address.startswith("127.")]


def _status(port: int, path: str, headers: dict[str, str] | None = None) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers or {})
    status = connection.getresponse().status
    connection.close()
    return status
