"""Where the published weights of a backbone are, and whether they are here: the one place that knows every source."""

from ajuste_fino.backbone.packaged import PACKAGED, PackagedFile
from ajuste_fino.backbone.published import PublishedFile, torchvision_file

IN_PACKAGE, HERE, DAMAGED, UNKNOWN = "in the package", "here", "damaged", "unknown"


def weights_file(name: str) -> PublishedFile | PackagedFile | None:
    """The file of a backbone's published weights; None: they come with this package, or another library finds them itself."""
    return PACKAGED.get(name) or torchvision_file(name)


def whereabouts(name: str) -> str:
    """Say where the weights are; a file is read to its end, for its hash.

    `unknown`: they are another library's, which finds or fetches them itself.
    """
    if name == "embedded":
        return IN_PACKAGE
    file = weights_file(name)
    if file is None:
        return UNKNOWN
    if file.path is None or not file.path.exists():
        return file.missing
    return HERE if file.is_whole() else DAMAGED


def is_here(name: str) -> bool:
    """Whether a network can be built with its published weights, whole, without a network."""
    return whereabouts(name) in (IN_PACKAGE, HERE)
