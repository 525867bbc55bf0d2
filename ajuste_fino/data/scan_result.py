"""What a scan of a folder or a table finds."""

from dataclasses import dataclass, field

from ajuste_fino.data.sample import Sample


@dataclass
class ScanResult:
    """What a scan found: samples, all classes (empty ones too), files whose names are no images', what was passed over.

    `hidden`, `stray` and `links` were passed over: hidden files and folders, files that lie in no class, links to
    folders. `outside` are links that were followed out of the root. `reasons` says why files are no images.
    """

    samples: list[Sample] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    non_images: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
