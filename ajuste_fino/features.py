"""The frozen backbone once over all pictures, its features kept on disk by content: ten epochs cost one pass."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from ajuste_fino.backbone import Backbone
from ajuste_fino.data.images import changed
from ajuste_fino.data.loading import Batch, Labelled, Order, Pictures, loader
from ajuste_fino.data.scan import Sample
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.errors import UserError, some
from ajuste_fino.files import cache_folder, fingerprint
from ajuste_fino.freezing import Frozen
from ajuste_fino.store import Rows, Store

VERSION = 1  # of what a feature is: raise it when the same key would give other numbers
Progress = Callable[[Iterable, int, str], Iterator]


def resolve_precision(wanted: str, device: torch.device) -> str:
    """`fp32` or `bf16`; `auto` is bf16 where the processor multiplies it in hardware.

    An emulated bf16 is slower than fp32, tenfold on processors without AVX512-BF16 or AMX.
    """
    if wanted not in ("auto", "fp32", "bf16"):
        raise UserError("features.precision", "must be auto, fp32 or bf16", got=wanted, fix="auto takes the faster one.")
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        can = torch.cpu.get_capabilities()
        fast = device.type == "cpu" and bool(can.get("amx_bf16") or can.get("avx512_bf16"))
    return "bf16" if fast else "fp32"


class Extractor(nn.Module):
    """(N, 3, size, size) uint8 → (N, num_features) float32, through preprocessing and backbone at one precision."""

    def __init__(self, backbone: Frozen | Backbone, preprocessing: Preprocessing, precision: str) -> None:
        super().__init__()
        self.backbone, self.preprocessing, self.precision = backbone, preprocessing, precision
        self.num_features = backbone.num_features

    def identity(self) -> dict[str, object]:
        """All that decides the features of a picture, as plain values.

        Raises:
            TypeError: where the backbone learns: its features are others after each step.
        """
        if not isinstance(self.backbone, Frozen):
            raise TypeError("only a frozen backbone has features that stay")
        cut, preprocessing = asdict(self.backbone.spec), asdict(self.preprocessing)
        return {"weights": self.backbone.before, "cut": cut, "preprocessing": preprocessing, "precision": self.precision}

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.preprocessing.normalise(pixels).contiguous(memory_format=torch.channels_last)
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            features = self.backbone(x)
        return features.float()


@torch.inference_mode()
def stream(extractor: nn.Module, batches: Iterable[Batch], device: torch.device) -> Iterator[tuple[Tensor, Batch]]:
    """The features (N, D) of each batch, on the CPU, and the batch."""
    extractor.to(device).eval()
    for batch in batches:
        if len(batch.pixels):
            yield extractor(batch.pixels.to(device, non_blocking=True)).cpu(), batch
        else:
            yield torch.empty(0, 0), batch


class Views:
    """View 0 of a picture is the plain one; each other is an augmentation that its content and the view's number decide."""

    def __init__(self, preprocessing: Preprocessing, augmentation: Augmentation, contents: Sequence[str]) -> None:
        self.preprocessing, self.augmentation, self.contents = preprocessing, augmentation, contents

    def __call__(self, image: Image.Image, index: int, view: int) -> Tensor:
        if view == 0:
            return self.preprocessing(image)
        key = hashlib.sha256(f"{self.contents[index]} {view}".encode()).digest()
        return self.augmentation(image, self.preprocessing.size, int.from_bytes(key[:8], "big", signed=True))


@dataclass(frozen=True)
class Work:
    """How a pass over pictures is done: where, how many at once, by how many decoding processes, and who shows it."""

    device: torch.device
    batch_size: int
    workers: int
    progress: Progress


class Live:
    """Images through the extractor whenever they are needed."""

    def __init__(self, extractor: Extractor, augmentation: Augmentation, work: Work) -> None:
        self.extractor, self.augmentation, self.work = extractor, augmentation, work
        self.body: nn.Module | None = extractor

    def figures(self) -> dict[str, object]:
        return {"cache/hit": False}

    def warnings(self) -> list[str]:
        return []

    def pictures(self, samples: Sequence[Sample]) -> Pictures:
        """The pictures of samples, in all their views."""
        contents = [sample.sha256 for sample in samples]
        views = Views(self.extractor.preprocessing, self.augmentation, contents)
        return Pictures([sample.path for sample in samples], views, contents)

    def compute(self, samples: Sequence[Sample], order: Order) -> Iterator[tuple[Tensor, Batch]]:
        """Features of the positions that `order` gives, with progress."""
        batches = loader(self.pictures(samples), order, self.work.workers, pin=self.work.device.type == "cuda")
        for features, batch in self.work.progress(
            stream(self.extractor, batches, self.work.device), len(order), "Extracting features"
        ):
            if batch.bad:
                raise changed(batch.bad[0][1])
            yield features, batch

    def training(self, samples: Sequence[Sample], targets: Sequence[int], _views: int) -> Dataset[tuple[Tensor, Tensor]]:
        """What a training step reads: uint8 images and targets."""
        return Labelled(self.pictures(samples), targets)

    def plain(self, samples: Sequence[Sample]) -> Iterator[Tensor]:
        """The features of the plain views in the samples' order, a batch (n, D) at a time."""
        for features, _ in self.compute(samples, Order(len(samples), self.work.batch_size)):
            yield features


class Cached:
    """Features computed once and kept on disk; `misses` counts those that had to be computed.

    The key of a row is the SHA-256 of a picture's content and the number of its view, so that renaming costs nothing
    and one changed pixel is another picture. Everything else that decides a feature names the folder.
    """

    def __init__(self, live: Live) -> None:
        space = {"version": VERSION, "device": live.work.device.type, **live.extractor.identity()}
        self.live, self.body = live, None
        self.varied = fingerprint(asdict(live.augmentation))[:8]
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

    def rows(self, samples: Sequence[Sample], views: int = 1) -> Rows:
        """(views · N, D): view v of sample n is row v · N + n. What is not on disk yet is computed and put there.

        Stopping it loses at most the batch at work: the same call goes on.
        """
        contents = [sample.sha256 for sample in samples]
        keys = contents + [f"{content}-{self.varied}{view:07}" for view in range(1, views) for content in contents]
        todo = self.store.missing(keys)
        self.misses += len(todo)
        if todo:
            with self.store as store:
                for features, batch in self.live.compute(samples, Chosen(todo, self.live.work.batch_size)):
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


def statistics(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (D,) over all rows, in float64, a batch at a time."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    shift = None
    for batch in batches:
        x = batch.double()
        shift = x.mean(0) if shift is None else shift  # against cancellation where the mean is far from zero
        count, total, squares = count + len(x), total + (x - shift).sum(0), squares + (x - shift).square().sum(0)
    if shift is None:
        raise ValueError("statistics of no rows")
    variance = squares / count - (total / count).square()
    return (shift + total / count).float(), variance.clamp(min=0).sqrt().float()
