"""The frozen backbone once over all pictures, its features kept on disk by content: ten epochs cost one pass."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ajuste_fino.data.images import BadImage
from ajuste_fino.data.loading import Order
from ajuste_fino.data.look import Look
from ajuste_fino.data.scan import Sample
from ajuste_fino.data.transforms import identity
from ajuste_fino.errors import some
from ajuste_fino.features.live import Live, refuse_changed
from ajuste_fino.files import cache_folder, fingerprint
from ajuste_fino.store import Rows, Store

VERSION = 2  # of what a feature is: raise it when the same key would give other numbers


class Cached:
    """Features computed once and kept on disk; `misses` counts those that had to be computed.

    The key of a row is the SHA-256 of a picture's content and the number of its view, so that renaming costs nothing
    and one changed pixel is another picture. Everything else that decides a feature names the folder.
    """

    def __init__(self, live: Live) -> None:
        space = {"version": VERSION, "device": live.work.device.type, **live.extractor.identity()}
        self.live = live
        self.body: nn.Module | None = None
        self.num_features = live.num_features
        self.varied = fingerprint(identity(live.augmentation))[:8]
        self.store = Store(cache_folder() / "features" / fingerprint(space)[:32], live.extractor.num_features)
        self.misses = 0

    def figures(self) -> dict[str, object]:
        """`cache/hit` is true where not one picture had to go through the backbone."""
        return {"cache/hit": self.misses == 0, "cache/misses": self.misses}

    def warnings(self) -> list[str]:
        """What the user should know of the state of the cache."""
        damaged = [path.name for path in self.store.damaged]
        return (
            [f"Damaged files in the feature cache, which are left out and computed again:\n{some(damaged)}"] if damaged else []
        )

    def lacks(self, contents: Sequence[str]) -> list[int]:
        """The positions of contents whose plain features are not on disk."""
        return self.store.missing(contents)

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Look | BadImage]:
        """What each sample is; the features of those that are pictures come to disk from the same decoding."""
        order = Order(len(samples), self.live.work.batch_size)
        with self.store as store:
            for features, batch in self.live.compute(samples, order, looks=True):
                self.misses += len(batch.positions)
                store.add([samples[position].sha256 for position in batch.positions], features.numpy())
                seen: dict[int, Look | BadImage] = {**batch.looks, **dict(batch.bad)}
                yield from (seen[position] for position in sorted(seen))

    def rows(self, samples: Sequence[Sample], views: int = 1) -> Rows:
        """(views · N, D): view v of sample n is row v · N + n. What is not on disk yet is computed and put there.

        Stopping it loses at most the batch at work: the same call goes on.
        """
        contents = [sample.sha256 for sample in samples]
        keys = contents + [f"{content}-{self.varied}{view:07}" for view in range(1, views) for content in contents]
        todo = self.store.missing(keys)
        todo.sort(key=lambda position: position % len(samples))  # a picture's views together: it is decoded once for them
        self.misses += len(todo)
        if todo:
            with self.store as store:
                for features, batch in self.live.compute(samples, Chosen(todo, self.live.work.batch_size)):
                    refuse_changed(batch)
                    store.add([keys[position] for position in batch.positions], features.numpy())
        return self.store.rows(keys)

    def training(self, samples: Sequence[Sample], targets: Sequence[int], views: int) -> Dataset[tuple[Tensor, Tensor]]:
        """What a training step reads: features and targets."""
        return FeatureSet(self.rows(samples, views), targets)

    def plain(self, samples: Sequence[Sample]) -> Iterator[Tensor]:
        """The features of the plain views in the samples' order, a batch (n, D) at a time; read when asked for."""
        rows = self.rows(samples)
        return (torch.from_numpy(rows[slice(start, start + 1024)]) for start in range(0, len(rows), 1024))


class Chosen(Order):
    """Some positions, in the order given."""

    def __init__(self, positions: list[int], batch_size: int) -> None:
        super().__init__(len(positions), batch_size)
        self.positions = positions

    def __iter__(self) -> Iterator[list[int]]:
        for start in range(0, self.count, self.batch_size):
            yield self.positions[start : start + self.batch_size]


class FeatureSet(Dataset[tuple[Tensor, Tensor]]):
    """Cached features with the numbers of their labels, a batch of positions at a time: (N, D), (N,)."""

    def __init__(self, rows: Rows, targets: Sequence[int]) -> None:
        self.rows, self.targets = rows, torch.tensor(targets)

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.rows[positions]), self.targets[torch.tensor(positions) % len(self.targets)]
