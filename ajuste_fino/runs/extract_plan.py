"""What decides the features that `extract` writes: the same in all of its processes, or they are refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

import ajuste_fino
from ajuste_fino.console import log
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import AjusteFinoError, UserError, counted, preview
from ajuste_fino.features import Extractor, resolve_precision
from ajuste_fino.features.cached import VERSION
from ajuste_fino.features.engine import is_worth_a_graph, require_engine
from ajuste_fino.features.extracted import PARTS
from ajuste_fino.features.extractor import IN_CACHE, identity
from ajuste_fino.features.graph import CompiledExtractor, NoGraph, is_installed
from ajuste_fino.freezing import Frozen
from ajuste_fino.runs import factories
from ajuste_fino.runs.own_weights import WORDS
from ajuste_fino.runs.saved import leaves
from ajuste_fino.storage import Storage

PLAN = f"{PARTS}plan.json"
DECIDING, ORIGIN = "deciding", "origin"
KEYS = ("features.tap", "features.pool", "data.image_size", "data.resize", "data.depth")


def extractor(cfg: DictConfig, data: DataConfig, loading: LoaderConfig, count: int, before: Mapping[str, Any]) -> Extractor:
    """Build what computes the features, by the engine that is wanted.

    Args:
        count: of all images, of all shards: so that `auto` chooses the same engine in each.
        before: what decided the features that are there; empty: there are none.
    """
    backbone, notes = factories.backbone(cfg)
    for note in notes:
        log.info(note)
    precision = resolve_precision(cfg.features.precision, loading.device, backbone)
    found = Extractor(Frozen(backbone), Preprocessing.of(backbone.preprocessing, data), precision)
    engine = cfg.features.engine
    require_engine(engine, loading.device, "cached", True)
    wanted = engine
    if engine == "auto":
        worth = is_installed() and is_worth_a_graph(count, found.preprocessing.size, loading.device)
        wanted = str(before.get("engine", "openvino" if worth else "torch"))
    return _compiled(found, engine == "auto") if wanted == "openvino" and is_installed() else found


def _compiled(found: Extractor, may_be_torch: bool) -> Extractor:
    try:
        return CompiledExtractor(found)
    except NoGraph as error:
        if not may_be_torch:
            raise AjusteFinoError(f"OpenVINO cannot compute this backbone: {error}. Pass features.engine=torch.") from error
        log.warning(f"OpenVINO cannot compute this backbone, so torch does: {error}.")
        return found


def plan(cfg: DictConfig, found: Extractor, loading: LoaderConfig) -> dict[str, Any]:
    """What decides the features, and beside it what does not: where the images are, and the keys with which `train` goes on."""
    on_cpu = loading.device.type == "cpu"
    deciding = {
        "version": VERSION,
        "package": ajuste_fino.__version__,
        "device": loading.device.type,
        "engine": found.engine,
        "at_once": IN_CACHE if on_cpu else loading.batch_size,
        "shape": list(found.backbone.shape),
        "identity": identity(found),
    }
    given = {key: OmegaConf.select(cfg, key) for key in KEYS}
    chosen: Any = OmegaConf.to_container(cfg.backbone, resolve=True)
    backbone = {f"backbone.{key}": value for key, value in chosen.items()}
    if (weights := str(cfg.backbone.weights)) not in WORDS:
        backbone["backbone.weights"] = str(Path(weights).expanduser().absolute())
    drawn = {"seed": cfg.seed} if weights == "none" else {}  # by which random weights are drawn
    config = {**backbone, **given, **drawn, "features.precision": found.precision}
    return {DECIDING: deciding, ORIGIN: {"data": {"name": cfg.data.name, "root": cfg.data.root}, "config": config}}


def kept(storage: Storage) -> dict[str, Any]:
    """The plan of the parts that are there; empty: there are none.

    Raises:
        UserError: where it cannot be read.
    """
    content = storage.read(PLAN)
    try:
        found: dict[str, Any] = {} if content is None else json.loads(content)
        return found
    except ValueError as error:
        fix = "Remove the folder parts there, and start again."
        raise UserError("out", f"has a {PLAN} that cannot be read", got=storage.where, fix=fix) from error


def require_same(where: str, before: Mapping[str, Any], now: Mapping[str, Any], count: int) -> None:
    """Refuse to add features to others that were decided otherwise.

    Args:
        before: what decided those that are there, and `now` those to come.
        count: of the images, for the message.

    Raises:
        UserError: with each thing that differs, its old value and the new one.
    """
    old, new = dict(leaves(before)), dict(leaves(json.loads(json.dumps(now))))
    differ = [
        f"{key}: {old.get(key, 'absent')} → {new.get(key, 'absent')}" for key in {**old, **new} if old.get(key) != new.get(key)
    ]
    if differ:
        fix = f"Pass the keys that it began with, or another out= for these {counted(count, 'image')}.\n{preview(differ)}"
        raise UserError(f"out={where}", "has features that something else decided", fix=fix)
