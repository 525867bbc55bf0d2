"""What goes wrong in systems like this one, tried on it: a check for each hazard, a file for each theme."""

from hazards import caches, checkpoints, folders, images, places, security, weights
from hazards.registry import HAZARDS, Hazard, Result, carry_out

__all__ = [
    "HAZARDS",
    "Hazard",
    "Result",
    "caches",
    "carry_out",
    "checkpoints",
    "folders",
    "images",
    "places",
    "security",
    "weights",
]
