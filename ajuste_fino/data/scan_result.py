"""What a scan of a folder or a table finds."""

from dataclasses import dataclass, field
from typing import NamedTuple

from ajuste_fino.data.sample import Sample


class NoImage(NamedTuple):
    """A file that is none by its name or its first bytes, the class in whose folder it lies, and why it is none."""

    file: str
    label: str
    reason: str


@dataclass
class ScanResult:
    """What a scan found: samples, all classes (empty ones too), files whose names are no images', what was passed over.

    `hidden`, `results`, `stray`, `links` and `unlabelled` were passed over: hidden files and folders, folders that this
    program wrote, files that lie in no class, links to folders, folders of images without a class beside the splits.
    `outside` are links that were followed out of the root. `split_folders` tells which folders were taken for splits where
    that is not plain, `empty_splits` those of them without an image, `split_names` are classes named as a split. `nested`
    has, by class folder, its folders that hold images, and whether it holds images beside them. Of a table, `ignored` are
    columns that are not read, `trimmed` labels with blanks around them, `apostrophes` labels that a table of ours would
    have with one less, `unsplit` rows without a split beside others with one, `splits` columns that seem to say one and are
    not read, `lists` labels that may be lists of other labels.
    """

    samples: list[Sample] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    non_images: list[NoImage] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    split_folders: list[str] = field(default_factory=list)
    empty_splits: list[str] = field(default_factory=list)
    split_names: list[str] = field(default_factory=list)
    nested: dict[str, tuple[list[str], bool]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    trimmed: list[str] = field(default_factory=list)
    apostrophes: list[str] = field(default_factory=list)
    unsplit: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
