"""What a scan of a folder or a table finds."""

from dataclasses import dataclass, field

from ajuste_fino.data.sample import Sample


@dataclass
class ScanResult:
    """What a scan found: samples, all classes (empty ones too), files whose names are no images', what was passed over.

    `hidden`, `stray` and `links` were passed over: hidden files and folders, files that lie in no class, links to
    folders. `outside` are links that were followed out of the root. Of a table, `ignored` are columns that are not read,
    `trimmed` labels with blanks around them, `apostrophes` labels that a table of ours would have with one less.
    """

    samples: list[Sample] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    non_images: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    trimmed: list[str] = field(default_factory=list)
    apostrophes: list[str] = field(default_factory=list)
