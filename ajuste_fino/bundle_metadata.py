"""What `bundle.json` must say, before a network is built by it: it may have been written by hand."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from torch import Tensor

from ajuste_fino.data.transforms import INTERPOLATION, Augmentation
from ajuste_fino.errors import Range

SIDE = Range(int, 1, 2**14)  # px
COUNT = Range(int, 1, 2**31)
RATE = Range(float, 0, 1)
TEMPERATURE = Range(float, 1e-3, 1e3)  # beyond, logits divided by it are no longer numbers, or all alike
KEYS = ("labels", "preprocessing", "precision", "backbone", "head")


def parsed(content: bytes) -> dict[str, Any]:
    """The keys of `bundle.json`; what they must be, `check` says.

    Raises:
        ValueError: where it is no JSON, or not that of a bundle.
    """
    try:
        metadata = json.loads(content.decode())
    except RecursionError as error:
        raise ValueError("lists within lists, too many to read") from error
    _require(isinstance(metadata, dict) and "format" in metadata, "there must be a format")
    return dict(metadata)


def check(metadata: Mapping[str, Any], head: Mapping[str, Tensor]) -> None:
    """Refuse what contradicts itself or the tensors of the head.

    Raises:
        ValueError: where something does.
    """
    for key in KEYS:
        _require(key in metadata, f"there must be {key}")
    for key in ("preprocessing", "backbone", "head"):
        _require(isinstance(metadata[key], dict), f"{key} must have keys")
    _check_labels(metadata["labels"])
    _check_preprocessing(metadata["preprocessing"])
    _check_backbone(metadata["backbone"])
    _require(metadata["precision"] in ("fp32", "bf16"), "precision must be fp32 or bf16")
    for key in ("origin", "engine"):
        _require(isinstance(metadata.get(key, ""), str), f"{key} must be a text")
    _require(metadata.get("temperature", 1) in TEMPERATURE, f"temperature must be {TEMPERATURE}")
    _check_augmentation(metadata.get("augmentation", {}))
    _check_head(metadata["head"], len(metadata["labels"]), metadata.get("ensemble", 1), head)


def _check_labels(labels: object) -> None:
    texts = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    _require(texts and bool(labels), "labels must be a list of texts")
    assert isinstance(labels, list)
    _require(len(set(labels)) == len(labels), "labels must differ from one another")


def _check_preprocessing(values: Mapping[str, Any]) -> None:
    for key in ("size", "resize"):
        _require(values.get(key) in SIDE, f"preprocessing.{key} must be {SIDE}")
    for key in ("mean", "std"):
        _require(key not in values or _is_colour(values[key]), f"preprocessing.{key} must be three numbers")
    _require(min(values.get("std", (1,))) > 0, "preprocessing.std must be above 0")
    _require(str(values.get("interpolation", "bilinear")) in INTERPOLATION, "preprocessing.interpolation must be known")
    for key in ("squash", "pad"):
        _require(isinstance(values.get(key, False), bool), f"preprocessing.{key} must be true or false")
    _require(not (values.get("squash") and values.get("pad")), "preprocessing.squash and preprocessing.pad exclude each other")
    mean = values.get("mean", (0,))
    _require(not values.get("pad") or 0 <= min(mean) <= max(mean) <= 1, "preprocessing.mean must be a colour to pad with")
    _require(values.get("depth") in Range(int, 1, 16, optional=True), "preprocessing.depth must be a number of bits")


def _is_colour(values: object) -> bool:
    numbers = isinstance(values, list) and len(values) == 3 and all(type(value) in (int, float) for value in values)
    return numbers and all(isfinite(value) for value in values)  # type: ignore[attr-defined]


def _check_backbone(values: Mapping[str, Any]) -> None:
    _require(isinstance(values.get("name"), str), "backbone.name must be a text")
    _require(isinstance(values.get("tap"), str | None), "backbone.tap must be a text or null")
    _require(values.get("pool") in COUNT, f"backbone.pool must be {COUNT}")
    _require(isinstance(values.get("design"), dict | None), "backbone.design must have keys or be null")


def _check_augmentation(values: object) -> None:
    """A later release may have more fields, which are as plain."""
    _require(isinstance(values, dict), "augmentation must have keys")
    assert isinstance(values, dict)
    for name, value in values.items():
        plain = isinstance(value, bool | int | float | str | None) and (not isinstance(value, float) or isfinite(value))
        _require(plain, f"augmentation.{name} must be a plain value")
        allowed = Augmentation.RANGES.get(f"data.augment.{name}")
        _require(allowed is None or value in allowed, f"augmentation.{name} must be {allowed}")
    _require(isinstance(values.get("class", ""), str), "augmentation.class must be a text")


def _check_head(values: Mapping[str, Any], labels: int, members: object, tensors: Mapping[str, Tensor]) -> None:
    """Also the sizes: a head that is larger than its tensors is not to be built."""
    width, hidden = values.get("num_features"), values.get("hidden", 0)
    _require(width in COUNT, f"head.num_features must be {COUNT}")
    _require(hidden == 0 or hidden in COUNT, "head.hidden must be a number of units")
    _require(members in COUNT, f"ensemble must be {COUNT}")
    _require(values.get("num_classes") == labels, f"head.num_classes must be that of the labels, {labels}")
    for key in ("dropout", "hidden_dropout"):
        _require(values.get(key, 0) in RATE, f"head.{key} must be {RATE}")
    assert isinstance(width, int)
    assert isinstance(members, int)
    one = (width + 1) * hidden + (hidden + 1) * labels if hidden else (width + 1) * labels
    held = sum(tensor.numel() for tensor in tensors.values())
    _require(members * one + 2 * width == held, "the sizes of head must be those of its tensors")


def _require(right: bool, rule: str) -> None:
    if not right:
        raise ValueError(rule)
