"""Hazards of what the product does not have yet. Each check is written with its feature; until then the row says what lacks."""

from hazards.registry import Outcome, hazard
from hazards.shell import require_key

UNWRITTEN = Outcome(False, "the feature is there, and its check is not written yet")


@hazard("several-ranks", "equal to the last digit", size=1, quick=1)
def several_ranks(work, size, rng):
    """103 images evaluated on two ranks and on one"""
    require_key("evaluate", "trainer.devices")
    return UNWRITTEN
