"""An experiment of the lecture by name: its settings in `conf/lecture/NAME.yaml`, and its findings."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.lecture import experiment, settings
from ajuste_fino.lecture.findings import Findings
from ajuste_fino.runs.configuration import plain

FAST = "AJUSTE_FINO_FAST"  # an environment variable; 1: notebooks run at their fast settings
NOT_SETTINGS = ("defaults",)  # keys of a YAML that no experiment takes


def default_settings(name: str) -> dict[str, Any]:
    """The settings of `conf/lecture/NAME.yaml`, at which the experiment's bands hold."""
    return {key: value for key, value in plain(f"lecture/{name}.yaml").items() if key not in NOT_SETTINGS}


def experiment_settings(name: str, fast: Mapping[str, Any]) -> dict[str, Any]:
    """The default settings, for a notebook; those of `fast` where the environment has AJUSTE_FINO_FAST=1."""
    return dict(fast) if os.environ.get(FAST) == "1" else default_settings(name)


def read_settings(cfg: DictConfig, name: str) -> dict[str, Any]:
    """The settings in a configuration, each of its default's type and within its limits.

    Raises:
        UserError: for settings that the experiment cannot have.
    """
    defaults = default_settings(name)
    given = {str(key): OmegaConf.to_container(cfg, resolve=True)[key] for key in defaults}  # type: ignore[index, call-overload]
    settings.check(given, defaults, getattr(experiment(name), "LIMITS", {}))
    return given


def measure(name: str, given: Mapping[str, Any]) -> Findings:
    """Measure an experiment. There is a verdict where the settings are the default ones; a path may be another."""
    findings: Findings = experiment(name).measure(**given)
    return replace(findings, judged=findings.judged and settings.same(given, default_settings(name)))
