"""`serve`: a page on this machine that names what is on an image."""

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from ajuste_fino.console import log
from ajuste_fino.data.sample import evenly, in_split
from ajuste_fino.errors import Range, UserError
from ajuste_fino.predict import Predictor, load
from ajuste_fino.runs.configuration import trusted, validate_ranges
from ajuste_fino.runs.console import start_log
from ajuste_fino.runs.latest import find_run
from ajuste_fino.runs.own_images import images_of
from ajuste_fino.serve import Examiner, Neighbours, application, require_gradio
from ajuste_fino.serve.application import LOOPBACK
from ajuste_fino.serve.neighbours import MOST

RANGES = {"port": Range(int, 1, 65535), "max_mb": Range(int, 1, 1000)}


def serve(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Answer requests until it is stopped.

    Raises:
        UserError: where there is no such run, the address is taken, or Gradio is missing.
    """
    validate_ranges(cfg, RANGES)
    start_log()
    require_gradio()
    run = find_run(str(cfg.run))
    _require_free(str(cfg.host), cfg.port)
    predictor = load(run, cfg.trainer.accelerator, trusted(cfg))
    examiner = Examiner(predictor, _neighbours(predictor, cfg.data.root))
    with tempfile.TemporaryDirectory(prefix="ajuste_fino_") as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # nothing that was sent is left when it stops
        _answer(cfg, application(examiner, str(cfg.host), cfg.max_mb * 2**20))
    return {"host": cfg.host, "port": cfg.port}


def _answer(cfg: DictConfig, app: Any) -> None:
    import uvicorn

    address = f"http://{cfg.host}:{cfg.port}"
    if cfg.host not in LOOPBACK:
        log.warning(f"Everybody who can reach {cfg.host} can use this page; there is no password.")
    log.info(f"Open {address}/ in a browser. For programs: curl --data-binary @new.jpg {address}/predict")
    log.info("Ctrl-C stops it.")
    uvicorn.run(app, host=str(cfg.host), port=cfg.port, log_level="warning")


def _require_free(host: str, port: int) -> None:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
    except OSError as error:
        rule = f"must be an address of this machine that is free ({error.strerror})"
        raise UserError("host and port", rule, got=f"{host}:{port}", fix="Pass another port, such as port=7861.") from error


def _neighbours(predictor: Predictor, root: str | None) -> Neighbours | None:
    """The training images of the run and their features, from the cache where it has them."""
    if predictor.run is None:
        log.info("A bundle without its run has no training images: none that are like a new one are shown.")
        return None
    samples = evenly(in_split(list(images_of(predictor.run, root).values()), "train"), MOST)
    found = [(batch.positions, batch.features) for batch in predictor.features(samples)]
    positions = [position for places, _ in found for position in places]
    if not positions:
        log.warning("The run's training images are not there any more: none that are like a new one are shown.")
        return None
    return Neighbours.of([samples[n] for n in positions], torch.cat([rows for places, rows in found if places]))
