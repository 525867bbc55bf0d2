"""`fetch`: download published weights to this machine's cache, to work without a network later."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ajuste_fino.backbone.catalogue import architecture
from ajuste_fino.backbone.whereabouts import weights_file
from ajuste_fino.errors import UserError
from ajuste_fino.runs.console import log, start_log


def fetch(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Download the weights unless they are there already; say where they are.

    Raises:
        UserError: where the backbone has no published weights, or they cannot be had.
    """
    start_log()
    name = str(cfg.backbone.name)
    if cfg.backbone.weights != "pretrained":
        fix = "Leave backbone.weights out; without published weights there is nothing to fetch."
        raise UserError("backbone.weights", "must be pretrained to be fetched", got=cfg.backbone.weights, fix=fix)
    if name == "embedded":
        log.info("The weights of embedded come with the package.")
        return {"tensors": 0}
    state = architecture(name, published=True).pretrained()
    file = weights_file(name)
    log.info(f"The weights of {name} are on this machine" + (f": {file.path}" if file else ""))
    return {"tensors": len(state), "file": str(file.path) if file else None}
