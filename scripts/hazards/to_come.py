"""Hazards of what the product does not have yet. Each check is written with its feature; until then the row says what lacks."""

from hazards.registry import Outcome, hazard
from hazards.shell import require_key, require_verb

UNWRITTEN = Outcome(False, "the feature is there, and its check is not written yet")


@hazard("resume-kill", "the same weights to the bit, 50 of 50", size=50, quick=1)
def resume_kill(work, size, rng):
    """SIGKILL while training, then resume: dropout and augmentation, workers 0 and 2, frozen and all trained"""
    require_key("train", "resume")
    return UNWRITTEN


@hazard("damaged-checkpoint", "40 of 40 go on from the one before, and say so", size=40, quick=2)
def damaged_checkpoint(work, size, rng):
    """The newest checkpoint is cut off or has a flipped bit, then the run is resumed"""
    require_key("train", "resume")
    return UNWRITTEN


@hazard("resume-config", "what does not fit refused with old → new, the rest taken", size=15, quick=2)
def resume_config(work, size, rng):
    """A run is resumed with a key changed, one key at a time"""
    require_key("train", "resume")
    return UNWRITTEN


@hazard("several-ranks", "equal to the last digit", size=1, quick=1)
def several_ranks(work, size, rng):
    """103 images evaluated on two ranks and on one"""
    require_key("evaluate", "trainer.devices")
    return UNWRITTEN


@hazard("web-page", "loopback only, 403 or 404 for a file", size=1, quick=1)
def web_page(work, size, rng):
    """The web page: where it listens, and whether a file can be had from it"""
    require_verb("serve")
    return UNWRITTEN
