"""The weights of a backbone under the names of the library that has it, for those who go on elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ajuste_fino.backbone import Backbone
from ajuste_fino.backbone.blocks import classifier_name, probe
from ajuste_fino.backbone.catalogue import architecture
from ajuste_fino.backbone.cut import close
from ajuste_fino.backbone.packaged import PACKAGED
from ajuste_fino.bundle import Bundle
from ajuste_fino.errors import AjusteFinoError, UserError


@dataclass(frozen=True)
class Library:
    """Where a network is from, and what it is called there."""

    name: str
    network: str

    @classmethod
    def of(cls, backbone: str) -> "Library":
        """The library of a backbone.

        Raises:
            UserError: where it is of no library.
        """
        if backbone in PACKAGED:
            return cls("timm", PACKAGED[backbone].network)
        if backbone.startswith("timm/"):
            return cls("timm", backbone.removeprefix("timm/"))
        if backbone in ("embedded", "cnn", "own"):
            fix = "Pass format=onnx or format=pt2."
            raise UserError("format=state_dict", "needs a backbone of timm or torchvision", got=backbone, fix=fix)
        return cls("torchvision", backbone)

    def build(self, size: int) -> nn.Module:
        """The network with random weights, as the library makes it; of timm without a classifier."""
        if self.name == "timm":
            import timm

            net: nn.Module = timm.create_model(self.network, pretrained=False, num_classes=0)
            return net.eval()
        return architecture(self.network, False, size).build().eval()


def write_state_dict(parts: Bundle, path: Path) -> None:
    """Write the tensors up to the block at which the backbone ends.

    Raises:
        UserError: where no library has the backbone.
    """
    library, spec = Library.of(parts.backbone.spec.name), parts.backbone.spec
    facts = {"format": "pt", "library": library.name, "network": library.network, "last_block": spec.layer or ""}
    tensors = {name.removeprefix("backbone."): t for name, t in parts.tensors().items() if name.startswith("backbone.")}
    path.write_bytes(save(tensors, facts))


@torch.no_grad()
def verify(parts: Bundle, path: Path) -> None:
    """Load the file into the library's own network; its features must be those of the model.

    Raises:
        AjusteFinoError: where a name is unknown there, or the features are others.
    """
    backbone, size = parts.backbone, parts.preprocessing.size
    net = Library.of(backbone.spec.name).build(size)
    _, unknown = net.load_state_dict(load_file(path), strict=False)
    x = probe(size)
    same = not unknown and close(backbone.pool(_output(net, backbone, x)), backbone(x))
    if not same:
        rest = f", unknown names: {', '.join(unknown[:5])}" if unknown else ""
        raise AjusteFinoError(f"{path.name} does not give the model's features in the library's network{rest}.")


def _output(net: nn.Module, backbone: Backbone, x: Tensor) -> Tensor:
    """What the library's network gives at the place where the backbone ends."""
    layer, kept = backbone.spec.layer, list[Tensor]()
    if layer:
        net.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: kept.append(output.clone()))
    elif not hasattr(net, "reset_classifier"):
        place: Any = net.get_submodule(classifier_name(net))
        place.register_forward_pre_hook(lambda _module, inputs: kept.append(inputs[0]))
    whole: Tensor = net(x)
    return kept[0] if kept else whole
