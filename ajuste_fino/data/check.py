"""Every picture is really decoded once, before anything is trained on it; a content that was found good stays good."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from torch.utils.data import DataLoader, Dataset

from ajuste_fino.data.images import BadImage, load_image
from ajuste_fino.data.scan import Sample
from ajuste_fino.files import cache_folder, sha256, write_text

RULES = 1  # of load_image: raise it when they change, and everything is decoded anew
Progress = Callable[[Iterable, int, str], Iterator]
T = TypeVar("T")


class Verdicts(Dataset[tuple[str, str]]):
    """By position the SHA-256 of a file's content, and why it is no picture ("" where it is one)."""

    def __init__(self, paths: list[Path], good: frozenset[str]) -> None:
        self.paths, self.good = paths, good

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> tuple[str, str]:
        path = self.paths[position]
        try:
            content = _content(path)
            if content not in self.good:
                load_image(path)
        except BadImage as bad:
            return "", bad.reason
        except OSError as error:
            return "", error.strerror or str(error)
        return content, ""


def _content(path: Path) -> str:
    if not path.is_file():  # a pipe would never end
        raise BadImage(path, "not a regular file")
    return sha256(path)


def check(samples: list[Sample], workers: int, progress: Progress) -> tuple[list[Sample], list[BadImage]]:
    """The samples with the hash of their content, and those that are no pictures."""
    known = _known()
    loader = DataLoader(
        Verdicts([sample.path for sample in samples], known),
        batch_size=32,
        num_workers=workers if len(samples) > 64 else 0,
        collate_fn=list,
    )
    good, bad = [], []
    verdicts = (verdict for batch in loader for verdict in batch)
    for sample, (content, reason) in progress(zip(samples, verdicts, strict=True), len(samples), "Checking pictures"):
        if reason:
            bad.append(BadImage(sample.file, reason))
        else:
            good.append(replace(sample, sha256=content))
    _remember(known, {sample.sha256 for sample in good})
    return good, bad


def _record() -> Path:
    return cache_folder() / f"decoded-{RULES}.txt"


def _known() -> frozenset[str]:
    record = _record()
    return frozenset(record.read_text().split()) if record.exists() else frozenset()


def _remember(known: frozenset[str], good: set[str]) -> None:
    if not good <= known:
        write_text(_record(), "\n".join(sorted(known | good)) + "\n")
