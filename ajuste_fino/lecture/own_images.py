"""Images of the user's own, by `data.root`, as `train` reads and divides them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import cpu_count

import torch

from ajuste_fino.choose.sample import draw
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.manifest import Manifest, load_manifest
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.sources.opening import open_root
from ajuste_fino.errors import UserError

LEAST_TESTED = 200  # test images below which no verdict is given: the bands are argued for some hundreds


def quiet(items: Iterable, _total: int, _what: str) -> Iterator:
    """No progress is shown."""
    return iter(items)


@dataclass(frozen=True)
class OwnImages:
    """Images and what divides them into classes and splits."""

    manifest: Manifest

    @classmethod
    def at(cls, root: str, progress: Callable = quiet) -> "OwnImages":
        """Find, hash and decode them; what was decoded once is not decoded again. Unreadable ones are left out, up to 1 %.

        Raises:
            UserError: for what `train` would refuse of them, and where none are left to test on.
        """
        config = DataConfig(open_root(root, None, {}), on_bad_image="skip")
        manifest = load_manifest(config, cpu_count() or 1, progress)
        if not manifest.split("test"):
            fix = "Add a folder test, or give one folder a class, which is divided into all three splits."
            raise UserError("data.root", "must have test images for an experiment", got=root, fix=fix)
        return cls(manifest)

    def of(self, split: str, most: int) -> list[Sample]:
        """About `most` images of a split, each class in its share but at least two of each; of copies, one."""
        return draw(self.manifest.split(split), most, 0)

    def targets(self, samples: list[Sample]) -> torch.Tensor:
        """Their classes (N,)."""
        return torch.tensor(self.manifest.targets(samples))
