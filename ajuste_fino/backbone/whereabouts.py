"""Whether the published weights of a backbone are on this machine: the one place that knows every source of them."""

from ajuste_fino.backbone.published import torchvision_file

IN_PACKAGE, HERE, NOT_HERE, DAMAGED, UNKNOWN = "in the package", "here", "not here", "damaged", "unknown"


def whereabouts(name: str) -> str:
    """Say where the weights of a network are; a file in torch's cache is read to its end, for its hash.

    `unknown`: they are another library's, which finds or fetches them itself.
    """
    if name == "embedded":
        return IN_PACKAGE
    file = torchvision_file(name)
    if file is None:
        return UNKNOWN
    if not file.path.exists():
        return NOT_HERE
    return HERE if file.is_whole() else DAMAGED


def is_here(name: str) -> bool:
    """Whether a network can be built with its published weights, whole, without a network."""
    return whereabouts(name) in (IN_PACKAGE, HERE)
