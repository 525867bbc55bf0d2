"""`backbone.weights=RUN`: go on from the backbone of a run of one's own."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ajuste_fino.bundle_files import SUMS, find, is_of_run
from ajuste_fino.errors import UserError, listed
from ajuste_fino.escape import quoted
from ajuste_fino.files import expanded
from ajuste_fino.runs import conf
from ajuste_fino.runs.grammar import literal

if TYPE_CHECKING:  # torch would take a second before the first line is said
    from ajuste_fino.backbone import Backbone

KEY = "backbone.weights"
WORDS = ("pretrained", "none")  # which are no paths
SHOWN = 5  # classes of the run that a note names


def implied(config: str, overrides: Sequence[str]) -> list[str]:
    """The overrides that name the backbone of the run that `backbone.weights=` gives, where none is named.

    Args:
        config: the verb.
        overrides: in Hydra's grammar, paths in quotes.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    given = [one for one in overrides if one.lstrip("+").startswith(f"{KEY}=")]
    keys = {one.lstrip("+~").partition("=")[0] for one in overrides}
    if not given or keys & {"backbone", "backbone.name"} or "backbone" not in conf.groups(config):
        return []
    value = OverridesParser.create().parse_override(given[-1]).value()
    spec = _spec(value.replace(r"\${", "${")) if isinstance(value, str) and value else None
    if spec is None:
        return []
    if spec["name"] == "cnn":
        known = {key.name for key in conf.members("backbone", "cnn")}
        design = {key: one for key, one in (spec.get("design") or {}).items() if key in known}
        return ["backbone=cnn", *(f"backbone.{key}={literal(one)}" for key, one in design.items())]
    return [f"backbone.name={literal(spec['name'])}"] if spec["name"] != "own" else []  # a class is named by its user


def _spec(value: str) -> Mapping[str, Any] | None:
    """What `bundle.json` says of the backbone; what is wrong with it is told when the run reads it whole."""
    path = expanded(value)
    try:
        if value in WORDS or not is_of_run(path):
            return None
        _, files = find(path, ("bundle.json",), SUMS)
        spec = json.loads(files["bundle.json"])["backbone"]
        is_one = isinstance(spec, dict) and isinstance(spec.get("name"), str) and isinstance(spec.get("design"), dict | None)
        return spec if is_one else None
    except (UserError, OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def trained_backbone(weights: str, trusted: Sequence[str], **keys: Any) -> "tuple[Backbone, list[str]] | None":
    """The backbone of a run, to go on from, and a sentence on what of the run is not taken; None: that is no run.

    Args:
        weights: what `backbone.weights` gives.
        trusted: packages that may have the class of its backbone.
        keys: the other arguments of `backbone.continued.go_on_from`.

    Raises:
        UserError: where the run has no model, its files are damaged, or it is one of another backbone.
    """
    from ajuste_fino import bundle
    from ajuste_fino.backbone.continued import go_on_from

    path = expanded(weights)
    if weights in WORDS or not is_of_run(path):
        return None
    try:
        parts = bundle.read(path, trusted)
    except UserError as error:
        thing, rule, fix, got = error.parts
        raise UserError(re.sub(r"^run\b", KEY, thing), rule, got=got, fix=fix.replace("run=", f"{KEY}=")) from error
    classes = listed([quoted(label) for label in parts.labels], SHOWN)
    note = f"Of {weights} the backbone is taken; the head is new, also for classes that the run knows ({classes})."
    return go_on_from(parts.backbone, weights, trusted=trusted, **keys), [note]
