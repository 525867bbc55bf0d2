"""What goes wrong in systems like this one, tried on it: a check for each hazard, a file for each theme."""

from hazards import caches, checkpoints, folders, images, places, ranks, registry, resuming, security, web, weights
from hazards.registry import Hazard, Result, carry_out

THEMES = (checkpoints, resuming, weights, caches, images, folders, places, security, web, ranks)
HAZARDS = {name: one for theme in THEMES for name, one in registry.HAZARDS.items() if one.check.__module__ == theme.__name__}

__all__ = ["HAZARDS", "Hazard", "Result", "carry_out"]
