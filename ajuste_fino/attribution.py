"""Where a model looks: which parts of an image speak for a class."""

import torch
from torch import Tensor, nn

from ajuste_fino.backbone import Backbone, channels_first
from ajuste_fino.errors import UserError

MISSING = "pip install 'ajuste-fino[explain]'"


def is_installed() -> bool:
    """Whether the library that does it is there."""
    try:
        import captum  # noqa: F401
    except ImportError:
        return False
    return True


def require_captum() -> None:
    """Refuse to go on without it.

    Raises:
        UserError: with the extra to install.
    """
    if not is_installed():
        fix = f"Run {MISSING}, or pass attribution=0 for a report without them."
        raise UserError("attribution", "needs the package captum, which is not installed", fix=fix)


def relevance(backbone: Backbone, head: nn.Module, x: Tensor, targets: Tensor) -> Tensor | None:
    """How much each place of the backbone's last map speaks for a class, brought to the size of the image.

    The last map times the gradient of the logit by it, summed over channels; what speaks against the class is 0. Of a linear
    head this is what each place adds to the logit (HiResCAM). Cells of the grid to which a map is averaged may overlap (of 7
    places in 2 cells the middle one is in both); a place is not shown brighter for being in several of them.

    Source: Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks",
    2020, computed by captum.

    Args:
        x: (N, 3, S, S), normalised.
        targets: (N,), the numbers of the classes.

    Returns:
        (N, S, S), the largest value of each image 1; None: the network has no map.
    """
    from captum.attr import LayerAttribution, LayerGradientXActivation

    # a block at whose end the network is stopped gives its map to the pool, and to nobody else
    last = next((name for name in reversed(backbone.blocks) if name in backbone.maps), None)
    if last is None:
        return None
    ends_there = backbone.spec.layer is not None
    layer = backbone.pool if ends_there else backbone.net.get_submodule(last)
    method = LayerGradientXActivation(lambda pixels: head(backbone(pixels)), layer)
    with torch.enable_grad():  # weights stay without gradients: those of the images are enough
        found = method.attribute(x.clone().requires_grad_(), target=targets, attribute_to_layer_input=ends_there)
    found = channels_first(found.detach()).sum(1, keepdim=True).clamp(min=0)
    shares = found / _cells(backbone.pool, found) if ends_there else found
    places = LayerAttribution.interpolate(shares, x.shape[2:], "bilinear")[:, 0]
    return places / places.amax((1, 2), keepdim=True).clamp(min=1e-12)


def _cells(pool: nn.Module, places: Tensor) -> Tensor:
    """(N, 1, h, w) → the weight of each place in the mean over the grid's cells."""
    with torch.enable_grad():
        ones = torch.ones_like(places, requires_grad=True)
        return torch.autograd.grad(pool(ones).sum(), ones)[0]
