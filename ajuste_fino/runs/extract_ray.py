"""`extract runner=ray`: the same extractor in actors of Ray Data, on this machine or on a cluster."""

import logging
import os
import warnings
from collections.abc import Collection, Generator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from ajuste_fino.data.keyed import KeyedImages, Seen
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import UserError
from ajuste_fino.features.extractor import Extractor
from ajuste_fino.features.graph import CompiledExtractor
from ajuste_fino.features.keyed import Computed, FixedExtraction, rows_of

BATCHES = 4  # of images in a block, which is computed anew where its actor dies
QUIET = ("ray", "ray.data", "ray.serve", "ray.tune", "ray.train")


def require_ray() -> None:
    """Refuse to start without the library.

    Raises:
        UserError: where it is not installed.
    """
    if find_spec("ray") is None:
        fix = "Install it: pip install 'ajuste-fino[ray]'. Or pass runner=local, with shard=k/n on several machines."
        raise UserError("runner=ray", "needs the library ray", fix=fix)


class RayRunner:
    """Computes features in actors; a worker that dies is started again by Ray, and its block computed anew.

    Args:
        actors: how many there are.
        gpus: that each of them has, or a share of one.
    """

    def __init__(self, extractor: Extractor, loading: LoaderConfig, actors: int, gpus: float) -> None:
        self.extractor, self.loading, self.actors, self.gpus = extractor, loading, actors, gpus

    def __call__(self, samples: Sequence[Sample], known: Collection[str]) -> Generator[Computed, None, None]:
        if not samples:
            return
        ray = _started(self.actors)
        try:
            batches = -(-len(samples) // self.loading.batch_size)
            blocks = max(-(-batches // BATCHES), min(batches, 2 * self.actors))
            stream = self._dataset(ray, samples, known, blocks).iter_batches(
                batch_size=None, batch_format="numpy", prefetch_batches=0
            )
            for batch in self.loading.progress(stream, blocks, "Extracting features"):
                yield _computed(batch)
        finally:
            ray.shutdown()

    def _dataset(self, ray: Any, samples: Sequence[Sample], known: Collection[str], blocks: int) -> Any:
        plain = self.extractor.at(self.extractor.precision)  # a graph is made again where it is used
        given = ray.put((plain, self.extractor.engine, list(samples), frozenset(known), self.loading.batch_size))
        positions = ray.data.range(len(samples), override_num_blocks=blocks)
        return positions.map_batches(
            Actor,
            fn_constructor_kwargs={"given": [given], "gpus": self.gpus},
            batch_size=self.loading.batch_size,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(size=self.actors),
            num_gpus=self.gpus or None,
        )


class Actor:
    """Features of samples by their positions, in a process of Ray's.

    Args:
        given: what all actors share, as a reference: extractor, engine, samples, contents that are known, batch size.
    """

    def __init__(self, given: list[Any], gpus: float) -> None:
        import ray

        extractor, engine, samples, known, batch_size = ray.get(given[0])
        device = torch.device("cuda" if gpus else "cpu")
        computing = CompiledExtractor(extractor) if engine == "openvino" else extractor
        self.width = int(np.prod(extractor.backbone.shape))
        self.images = KeyedImages(samples, extractor.preprocessing, 1, known)
        self.extraction = FixedExtraction(computing, device, batch_size)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = self.images[batch["id"].tolist()]
        rows = dict(zip(found.keys, rows_of(self.extraction, found.pixels), strict=True))
        fresh = np.array([one.key in rows and not one.kind for one in found.seen])
        nothing = np.zeros(self.width, np.float32)
        return {
            "position": np.array([one.position for one in found.seen]),
            **{name: np.array([getattr(one, name) for one in found.seen], object) for name in ("key", "kind", "reason")},
            "fresh": fresh,
            "feature": np.stack([rows[one.key] if new else nothing for one, new in zip(found.seen, fresh, strict=True)]),
        }


def _computed(batch: dict[str, np.ndarray]) -> Computed:
    names = ("position", "key", "kind", "reason")
    seen = [Seen(int(position), *map(str, rest)) for position, *rest in zip(*(batch[name] for name in names), strict=True)]
    places = {seen[place].key: place for place in np.flatnonzero(batch["fresh"]).tolist()}
    return Computed(seen, list(places), batch["feature"][list(places.values())])


def _started(actors: int) -> Any:
    """Ray, on the cluster of RAY_ADDRESS, or on this machine with a processor for each actor; it says nothing of itself."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # an actor's death among them, of which the run recovers
    import ray
    import ray.data

    cores = max(os.cpu_count() or 1, actors) + 1  # one for what hands out the positions
    here: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": cores, "include_dashboard": False}
    if not ray.is_initialized():
        ray.init(logging_level=logging.ERROR, log_to_driver=False, **here)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="ray")  # of few images for many actors
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray
