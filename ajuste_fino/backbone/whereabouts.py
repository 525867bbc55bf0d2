"""Which file holds the published weights of a backbone, and whether it is on this machine."""

from ajuste_fino.backbone.packaged import PACKAGED, PackagedFile
from ajuste_fino.backbone.published import PublishedFile, torchvision_file


def weights_file(name: str) -> PublishedFile | PackagedFile | None:
    """The file of a backbone's published weights; None: they come with this package, or are not known before they are read."""
    return PACKAGED.get(name) or torchvision_file(name)


def whereabouts(name: str) -> str:
    """Whether the published weights of a backbone are on this machine, in words; the whole file is read."""
    file = weights_file(name)
    if file is None:
        return "in the package"
    if not file.is_there():
        return file.missing
    return "here" if file.is_whole() else "damaged"
