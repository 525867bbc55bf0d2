"""What a source of images is: a root that lists samples, and finds them again by their names."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from ajuste_fino.data.content import BadImage, Content
from ajuste_fino.data.label_lists import lists_perhaps, refuse_lists
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.sources.storage import AT_ONCE, Place, image_at
from ajuste_fino.errors import UserError
from ajuste_fino.url import Url

MOST = 1_000_000  # images that a list of samples, their hashes and their split may hold
AHEAD = 8  # files that are looked into at the same time
ONE_CLASS = "Make a folder for each class."
NOT_THERE = "there is no such image any more"

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Missing:
    """An image of which nothing is there but its name."""

    name: str
    reason: str = NOT_THERE

    def read(self) -> bytes:
        raise BadImage(self, self.reason)

    def __str__(self) -> str:
        return self.name


class Source(ABC):
    """Images that are no files of a local folder.

    `place` is the path or the address by which the user gave them, as which it is also shown and saved.
    """

    place: Place
    one_class: ClassVar[str] = ONE_CLASS  # what to do where all images have one label

    @abstractmethod
    def read(self, found: ScanResult) -> Iterator[Sample]:
        """Yield each image with its label and, where one is given, its split; no content is read.

        Args:
            found: where to note what is passed over or odd; its samples stay empty.

        Raises:
            UserError: where it cannot be reached, or an image has no label.
        """

    @abstractmethod
    def contents(self, names: Sequence[str]) -> list[Content]:
        """Return the images of these names, which `read` gave them; one that is no longer there raises when it is read."""

    @abstractmethod
    def column(self, name: str) -> dict[str, str]:
        """Return what a column that `data.group` names has of each image, by its name.

        Raises:
            UserError: where there is no such column.
        """

    @abstractmethod
    def scan(self) -> ScanResult:
        """Find all images.

        Raises:
            UserError: where there are none, or too many for a list, and for what `read` refuses.
        """

    def collect(self, samples: Iterable[Sample], found: ScanResult, data: str) -> None:
        """Bring images together in `found`.

        Args:
            data: the override that chooses this source, `data=parquet`.

        Raises:
            UserError: where there are none, or too many, or labels are lists of labels.
        """
        for sample in samples:
            found.samples.append(sample)
            if len(found.samples) > MOST:
                raise too_many(self, data)
        if not (found.samples or found.non_images):
            raise UserError("data.root", "must hold images", got=self, fix="Check that it is the data set that you mean.")
        found.classes |= {sample.label for sample in found.samples}
        if not found.unsplit and any(sample.split for sample in found.samples):
            found.unsplit = [sample.file for sample in found.samples if not sample.split]
        refuse_lists(self, found.classes)
        found.lists = lists_perhaps(found.classes)

    def __str__(self) -> str:
        return str(self.place)


Root = Path | Source


def too_many(source: object, data: str) -> UserError:
    """What is said of more images than a list may hold.

    Args:
        data: the override that chooses the source, `data=parquet`.
    """
    fix = (
        f"Compute their features first, a share at a time: ajuste-fino extract {data} data.root={source} out=FEATURES "
        "shard=0/8, and so on, then ajuste-fino train features.from=FEATURES."
    )
    return UserError("data.root", f"must hold at most {MOST:,} images for this verb", got=f"more in {source}", fix=fix)


def readers(root: Root, workers: int) -> int:
    """How many images are read at the same time to be hashed: from elsewhere more, as each of them is waited for."""
    return max(AT_ONCE, workers) if isinstance(root, Source) and isinstance(root.place, Url) else workers


def contents(root: Root, names: Sequence[str]) -> list[Content]:
    """The images of these names, as a scan of the root gave them."""
    if isinstance(root, Source):
        return root.contents(names)
    base = root if root.is_dir() else root.parent
    return [image_at(base / name) for name in names]


def ahead(work: Callable[[A], B], items: Iterable[A], most: int = AHEAD) -> Iterator[B]:
    """The results in the order of the items, of which some are at work before they are asked for; never all."""
    waiting: deque[Future[B]] = deque()
    with ThreadPoolExecutor(most) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
