"""Which columns of a Parquet file are the image, its label and its split, by their types and usual names."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ajuste_fino.errors import UserError, listed, nearest

IMAGES = ("image", "images", "img", "jpg", "jpeg", "png", "webp", "picture", "photo", "pixels", "bytes", "content")
LABELS = ("label", "labels", "class", "classes", "class_name", "category", "target", "species", "cls", "y")
SPLIT = "split"


@dataclass(frozen=True)
class Columns:
    """The path of the image's bytes, the column of the label and its class names, if there are any; the split's, or None."""

    image: str
    label: str
    names: Sequence[str] | None
    split: str | None


def columns(schema: Any, place: object, image: str | None, label: str | None) -> Columns:
    """Find the columns in a schema.

    Args:
        image: the column that the user names; None: it is found.
        label: the same of the label.

    Raises:
        UserError: where there is none, or several may be meant.
    """
    features = _features(schema)
    path = _image(schema, place, image)
    if _is_null(schema, path):
        raise no_image(place, path)
    label = _label(schema, place, label, path.partition(".")[0], features)
    split = SPLIT if SPLIT in schema.names and label != SPLIT and _is_text(schema.field(SPLIT).type) else None
    return Columns(path, label, _class_names(features.get(label)), split)


def no_image(place: object, path: str) -> UserError:
    """What is said of a column of images that holds nothing but nulls."""
    fix = "It may name files beside it by their paths; write the data set again with the images in it."
    return UserError(str(place), f"has no image in its column {path}, which holds nothing but nulls", fix=fix)


def _is_null(schema: Any, path: str) -> bool:
    import pyarrow as pa

    name, _, inside = path.partition(".")
    kind = schema.field(name).type if name in schema.names else schema.field(path).type
    return bool(pa.types.is_null(kind.field(inside).type if pa.types.is_struct(kind) else kind))


def _image(schema: Any, place: object, given: str | None) -> str:
    if given is not None:
        _require(schema, place, "data.image_column", given)
        if not (found := _path(schema, given)):
            rule = "must be a column of bytes, or a struct with bytes in it"
            raise UserError("data.image_column", rule, got=_told(schema, given), fix=_there(schema))
        return found
    fits = [name for name in schema.names if _path(schema, name)]
    return _path(schema, _one("image", "data.image_column", schema, place, fits, IMAGES, fits))


def _path(schema: Any, name: str) -> str:
    """The path of the bytes in a column: itself, or the field `bytes` of its struct; "" where it has none."""
    import pyarrow as pa

    kind = schema.field(name).type
    if pa.types.is_struct(kind):
        number = kind.get_field_index("bytes")
        inside = kind.field(number).type if number >= 0 else None
        fits = inside is not None and (_is_bytes(inside) or pa.types.is_null(inside))  # as where no row has any
        return f"{name}.bytes" if fits else ""
    return name if _is_bytes(kind) else ""


def _label(schema: Any, place: object, given: str | None, image: str, features: dict[str, Any]) -> str:
    if given is not None:
        _require(schema, place, "data.label_column", given)
        if not _may_be_label(schema.field(given).type):
            rule = "must be a column of texts or of whole numbers, one label for each image"
            raise UserError("data.label_column", rule, got=_told(schema, given), fix=_there(schema))
        return given
    fits = [name for name in schema.names if name != image and _may_be_label(schema.field(name).type)]
    surely = [name for name in fits if _class_names(features.get(name))]
    return _one("label", "data.label_column", schema, place, fits, LABELS, surely)


def _one(
    what: str, key: str, schema: Any, place: object, fits: Sequence[str], usual: Sequence[str], surely: Sequence[str]
) -> str:
    """The column that is meant: the only sure one, else the only one of a usual name, of several the likeliest by its name."""
    named = [name for word in usual for name in fits if name.lower() == word]
    if len(surely) == 1:
        return surely[0]
    among = [name for name in named if name in surely] if surely else named
    if len(among) == 1 or (among and among[0].lower() == usual[0]):
        return among[0]
    several = among or surely
    rule = f"has {'several columns' if several else 'no column'} that may be the {what}"
    fix = f"Pass {key}=NAME. {_there(schema)}"
    raise UserError(str(place), rule, got=listed(list(several)) if several else None, fix=fix)


def _require(schema: Any, place: object, key: str, name: str) -> None:
    if name not in schema.names:
        raise UserError(key, f"must be a column of {place}", got=name, fix=f"{nearest(name, schema.names)} {_there(schema)}")


def _there(schema: Any) -> str:
    return f"Its columns: {listed([_told(schema, name) for name in schema.names], 30)}."


def _told(schema: Any, name: str) -> str:
    kind = str(schema.field(name).type)
    return f"{name} ({kind if len(kind) < 60 else f'{kind[:60]}…'})"


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in tests)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    tests: tuple[Callable[[Any], bool], ...] = (pa.types.is_string, pa.types.is_large_string)
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(test(kind) for test in tests)


def _may_be_label(kind: Any) -> bool:
    import pyarrow as pa

    return _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def _features(schema: Any) -> dict[str, Any]:
    """What a data set of the Hugging Face Hub says of its columns; nothing where it is none, or says it otherwise."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _class_names(feature: Any) -> list[str] | None:
    """The names of the classes of a column of numbers, in the order of these; None where it has none."""
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    return [str(name) for name in names] if isinstance(names, list) and names else None
