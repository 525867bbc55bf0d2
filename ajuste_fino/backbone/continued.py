"""Go on from the backbone of a trained model: its tensors in a network that may end earlier, for another head."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ajuste_fino.backbone import Backbone, BackboneSpec, record_blocks
from ajuste_fino.backbone.blocks import PREFIX, resolve
from ajuste_fino.backbone.catalogue import architecture
from ajuste_fino.backbone.designed import DesignedNet
from ajuste_fino.backbone.weights import load_tensors
from ajuste_fino.errors import UserError

OF_IMAGES = ("depth",)  # of a preprocessing: what says how images are stored, and nothing of weights
FREE = ("impl", "dropout", "code")  # of a design: what may change while the tensors mean the same


def go_on_from(
    trained: Backbone,
    source: str,
    name: str,
    *,
    layer: str | None = None,
    pool: int | None = None,
    size: int | None = None,
    design: Mapping[str, Any] | None = None,
    trusted: Sequence[str] = (),
) -> Backbone:
    """Build the same network with the tensors of a trained one, which expects the preprocessing that it was trained with.

    Args:
        trained: the backbone of a bundle; its own network stays as it is.
        source: what a message calls it: the path of its run.
        layer: the block after which the new one ends, and `pool` the grid of its map; by default those of the trained one.
        size: side of the images in px; by default that of the trained one.

    The others are those of `build`.

    Raises:
        UserError: for another architecture, a block that the trained one no longer has, or a size that its tensors do not fit.
    """
    spec = trained.spec
    if name != spec.name:
        fix = f"Pass {_keys(spec)}, or leave backbone= out to take the run's."
        raise UserError(f"backbone.weights={source}", f"is a run of {spec.name}, which must be the backbone", got=name, fix=fix)
    expects = {key: value for key, value in trained.preprocessing.items() if key not in OF_IMAGES}
    known = architecture(name, False, size or expects["size"], design, trusted)
    known = replace(known, preprocessing=expects).at(size)
    net = known.build()
    metadata = net.design.metadata() if isinstance(net, DesignedNet) else known.design
    _require_same_design(spec, metadata or {}, source)
    end, side = resolve(net, layer) if layer else spec.layer, known.preprocessing["size"]
    recording = record_blocks(net, name, side, end, bool(design))
    backbone = Backbone(net, BackboneSpec(name, end, pool or spec.pool, metadata), known.preprocessing, recording)
    tensors = trained.net.state_dict()
    _require_there(backbone.net, tensors, source, spec, layer, size)
    load_tensors(backbone.net, {key: tensors[key] for key in backbone.net.state_dict()}, strict=True)
    backbone.origin = trained.origin
    return backbone


def _require_same_design(spec: BackboneSpec, given: Mapping[str, Any], source: str) -> None:
    trained = spec.design or {}
    differ = [key for key in trained if key not in FREE and trained[key] != given.get(key)]
    if differ:
        rule = f"is a run of another design ({', '.join(differ)})"
        raise UserError(f"backbone.weights={source}", rule, fix=f"Pass {_keys(spec)}.")


def _keys(spec: BackboneSpec) -> str:
    """What makes `train` use the architecture."""
    if spec.design is None:
        return f"backbone.name={spec.name}"
    keys = (f"backbone.{key}={_typed(value)}" for key, value in spec.design.items() if key not in FREE and value != {})
    return " ".join([f"backbone={spec.name}", *keys])


def _typed(value: object) -> str:
    """A list or a dictionary without the blanks and quotes that a shell would want quoted."""
    return str(value).replace(" ", "").replace("'", "")


def _require_there(
    net: nn.Module, tensors: Mapping[str, Tensor], source: str, spec: BackboneSpec, layer: str | None, size: int | None
) -> None:
    expected = net.state_dict()
    if expected.keys() - tensors.keys():
        end = (spec.layer or "the classifier's input").removeprefix(PREFIX)
        rule = f"must not lie behind {end}, where the backbone of {source} ends: it keeps nothing of later blocks"
        raise UserError("features.tap", rule, got=layer, fix=f"Pass features.tap={end} or an earlier block, or leave it out.")
    other = next((key for key in expected if expected[key].shape != tensors[key].shape), None)
    if other:
        rule = f"does not suit the weights of {source}: {other} has the shape of another size"
        raise UserError(f"data.image_size={size}", rule, fix="Leave data.image_size out to take the run's own.")
