"""Keys that follow from extracted features: of `train features.from=FOLDER` those with which they were made."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ajuste_fino.errors import UserError
from ajuste_fino.runs import conf
from ajuste_fino.runs.grammar import literal, verbatim
from ajuste_fino.storage import Storage

KEY = "features.from"
DESIGNED = ("cnn", "own")  # backbones with keys of their own


def implied(config: str, overrides: Sequence[str]) -> list[str]:
    """The overrides that follow from the `about.json` of the features that are named.

    Args:
        config: the verb.
        overrides: in Hydra's grammar, paths in quotes.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    given = [one for one in overrides if one.lstrip("+").startswith(f"{KEY}=")]
    if config == "extract" and "merge=true" in overrides:  # which looks at no image
        return [] if any(one.startswith("data.root=") for one in overrides) else ["data.root=null"]
    if not given or "features" not in conf.groups(config):
        return []
    value = OverridesParser.create().parse_override(given[-1]).value()
    about = _about(value) if isinstance(value, str) and value else None
    if about is None:
        return []
    keys = {one.lstrip("+~").partition("=")[0] for one in overrides}
    data = [] if keys & {"data", "data.root", "data.name"} else _data(about["data"])
    return [*data, *_backbone(about["config"], keys), *_others(about["config"], keys)]


def _about(where: str) -> Mapping[str, Any] | None:
    """What `about.json` says; what is wrong with it is told when the run reads it whole."""
    try:
        about = json.loads(Storage(KEY, where.replace(r"\${", "${")).read("about.json") or b"")
        return about if isinstance(about["config"], dict) and isinstance(about["data"], dict) else None
    except (UserError, OSError, ValueError, LookupError, TypeError):
        return None


def _data(found: Mapping[str, Any]) -> list[str]:
    """Where the images are, which is not looked at, for later verbs."""
    root = [f"data.root={literal(verbatim(str(found['root'])))}"] if found.get("root") else []
    return [f"data={found['name']}", *root] if found["name"] in conf.options("data") else root


def _backbone(found: Mapping[str, Any], keys: set[str]) -> list[str]:
    """The backbone, unless any of its keys is given."""
    if any(key == "backbone" or key.startswith("backbone.") for key in keys):
        return []
    own = {key: value for key, value in found.items() if key.startswith("backbone.")}
    group = [f"backbone={own['backbone.name']}"] if own["backbone.name"] in DESIGNED else []
    return [*group, *(f"{key}={literal(value)}" for key, value in own.items())]


def _others(found: Mapping[str, Any], keys: set[str]) -> list[str]:
    return [f"{key}={literal(value)}" for key, value in found.items() if not key.startswith("backbone.") and key not in keys]
