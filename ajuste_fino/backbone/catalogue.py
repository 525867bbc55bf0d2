"""The known architectures: how each is built, and which preprocessing its pretrained weights expect."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ajuste_fino.backbone.designed import Design, DesignedNet
from ajuste_fino.backbone.embedded import EmbeddedNet
from ajuste_fino.backbone.packaged import ORIGIN, PACKAGED, packaged_tensors, timm_network
from ajuste_fino.backbone.published import timm_tensors, torchvision_tensors
from ajuste_fino.backbone.weight_file import read
from ajuste_fino.errors import UserError, nearest
from ajuste_fino.trust import own_class, source_of

EMBEDDED = Path(__file__).parents[1] / "weights" / "embedded.safetensors"
# these two would be built with an initialisation that takes a minute and that weights overwrite
ARGUMENTS = {name: {"transform_input": True, "init_weights": False} for name in ("googlenet", "inception_v3")}
# the layer and grid that did best on validation splits; every other network is read as the mean of its last map
LAYERS = {"embedded": ("features.block3", 4), "squeezenet1_1": (None, 2), **dict.fromkeys(PACKAGED, ("blocks.6", 2))}


@dataclass(frozen=True)
class Architecture:
    """A network by name: `build()` gives it without weights, `pretrained()` gives them.

    `preprocessing` has the fields of `data.transforms.Preprocessing`; `layer` and `pool` say where the network is cut
    and how finely its map is read, when the configuration leaves it open (`layer` None: the last map). `origin` says whose
    the pretrained weights are, what they were trained on, and their licence, as far as it is known.
    """

    name: str
    build: Callable[[], nn.Module]
    pretrained: Callable[[], dict[str, Tensor]]
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    layer: str | None = None
    pool: int = 1
    design: dict[str, Any] | None = None
    origin: str = ""

    def at(self, size: int | None) -> "Architecture":
        """The same for images of another side in px; the ratio of resize to crop is kept."""
        if size is None:
            return self
        if not 8 <= size <= 4096:
            raise UserError("data.image_size", "must lie between 8 and 4096 px", got=size, fix="224 suits most networks.")
        ratio = self.preprocessing["resize"] / self.preprocessing["size"]
        return replace(self, preprocessing={**self.preprocessing, "size": size, "resize": round(size * ratio)})


def architecture(
    name: str,
    published: bool,
    size: int | None = None,
    design: Mapping[str, Any] | None = None,
    trusted: Sequence[str] = (),
) -> Architecture:
    """Return the architecture of that name; `published` asks for the preprocessing of the weights that `pretrained()` gives.

    Without it, for weights from a file, it is that of the first weights torchvision published for the architecture.
    `size` is needed where the images' side decides the shape of a tensor, as in a vision transformer; `design` has the
    fields of `designed.Design`, for the name `cnn`, or the `_target_` and `arguments` of a trusted class, for `own`.

    Raises:
        UserError: where no library has it.
    """
    layer, pool = LAYERS.get(name, (None, 1))
    if name == "embedded":
        expects = {"size": 64, "resize": 64, "mean": (0.5,) * 3, "std": (0.25,) * 3, "squash": True}
        origin = "of this package, trained on images of fractals; MIT"
        return Architecture(name, EmbeddedNet, partial(read, EMBEDDED), expects, layer, pool, origin=origin)
    if name == "cnn":
        expects = {"size": 32, "resize": 32, "mean": (0.5,) * 3, "std": (0.25,) * 3, "squash": True}
        return Architecture(name, partial(DesignedNet, Design(**(design or {}))), _untrained, expects)
    if name == "own":
        return _custom(design or {}, trusted)
    if name in PACKAGED:
        return _packaged(name, layer, pool)
    if name.startswith("timm/"):
        return _timm(name)
    return _torchvision(name, published, size, layer, pool)


def _untrained() -> dict[str, Tensor]:
    fix = "Pass backbone.weights=none and phases=scratch, or the path of weights of this design."
    raise UserError("backbone.weights", "must not be pretrained: nobody has trained a CNN of your design", fix=fix)


def _custom(design: Mapping[str, Any], trusted: Sequence[str]) -> Architecture:
    """A class of the user's own; the hash of its code is part of the key of cached features."""
    target, arguments = str(design.get("_target_")), dict(design.get("arguments") or {})
    network = own_class(target, nn.Module, trusted, "backbone._target_")
    metadata = {"_target_": target, "arguments": arguments, "code": source_of(network)}

    def build() -> nn.Module:
        try:
            return network(**arguments)
        except (TypeError, ValueError) as error:
            fix = "Change backbone.arguments."
            raise UserError(f"backbone._target_={target}", f"does not accept ({error})", got=arguments, fix=fix) from error

    expects = {"size": 224, "resize": 256, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    return Architecture("own", build, _untrained, expects, design=metadata)


def _torchvision(name: str, published: bool, size: int | None, layer: str | None, pool: int) -> Architecture:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        fix = f"{nearest(name, ['embedded', *PACKAGED, *known])} timm/NAME works too."
        raise UserError("backbone.name", "must be a name that `list` shows, or a network of torchvision", got=name, fix=fix)
    choices = models.get_model_weights(name)
    chosen = choices.DEFAULT if published else next(iter(choices))
    preset = chosen.transforms()
    expects = {
        "size": preset.crop_size[0],
        "resize": preset.resize_size[0],
        "mean": tuple(preset.mean),
        "std": tuple(preset.std),
        "interpolation": preset.interpolation.value,
    }
    arguments = {"image_size": size or preset.crop_size[0]} if name.startswith("vit_") else ARGUMENTS.get(name, {})
    build = partial(models.get_model, name, weights=None, **arguments)
    origin = "as torchvision publishes them, trained on ImageNet"
    return Architecture(name, build, partial(torchvision_tensors, name), expects, layer, pool, origin=origin)


def _packaged(name: str, layer: str | None, pool: int) -> Architecture:
    file = PACKAGED[name]
    colour = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    expects = {"size": file.size, "resize": file.resize, **colour, "interpolation": "bicubic"}
    build = partial(timm_network, file.network)
    return Architecture(name, build, partial(packaged_tensors, name), expects, layer, pool, origin=ORIGIN)


def _timm(name: str) -> Architecture:
    import timm  # takes most of a second

    short = name.removeprefix("timm/")
    if not timm.is_model(short):
        raise UserError("backbone.name", "must be a model of timm", got=name, fix=nearest(short, timm.list_models()))
    build = partial(timm_network, short)
    config = timm.data.resolve_data_config({}, model=build())
    size = config["input_size"][1]
    expects = {
        "size": size,
        "resize": round(size / config["crop_pct"]),
        "mean": tuple(config["mean"]),
        "std": tuple(config["std"]),
        "interpolation": config["interpolation"] if config["interpolation"] in ("bilinear", "bicubic") else "bilinear",
    }
    licence = timm.get_pretrained_cfg_value(short, "license")
    origin = "as timm publishes them" + (f"; {licence}" if licence else "")
    return Architecture(name, build, partial(timm_tensors, short), expects, origin=origin)
