"""Phases of training as data: which blocks are trained, for how long, at which learning rates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

from ajuste_fino.errors import Range, UserError

HEAD, UPPER, ALL = "head", "upper", "all"


@dataclass(frozen=True)
class Phase:
    """Which part of the model a phase trains, and how.

    Args:
        train_from: the first block of the backbone that is trained with the head; `head`: none is; `all`: all are; `upper`:
            the last blocks, which do at most `backbone.UPPER_SHARE` of the backbone's work.
        epochs: how many; None: as the key `epochs` says.
        lr: the head's learning rate; None: the optimizer's.
        backbone_lr_mult: the backbone's learning rate, as a share of the head's; 0 where it is not trained.
        views: of each training image, the plain one and others; None: 1.
        label_smoothing: the share of a label that is spread over all classes in the loss of training.
        mixup, cutmix: α of the Beta distribution of the proportion in which images are mixed; 0: they are not.
    """

    RANGES: ClassVar[dict[str, Range]] = {
        "epochs": Range(int, 1, optional=True),
        "lr": Range(float, 0, 1000, optional=True),
        "backbone_lr_mult": Range(float, 0, 1000),
        "views": Range(int, 1, 10**6, optional=True),
        "label_smoothing": Range(float, 0, 0.999),
        "mixup": Range(float, 0, 100),
        "cutmix": Range(float, 0, 100),
    }

    train_from: str = HEAD
    epochs: int | None = None
    lr: float | None = None
    backbone_lr_mult: float = 0.0
    views: int | None = None
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name, allowed in self.RANGES.items():
            if getattr(self, name) not in allowed:
                key = f"phases.schedule: {name}"
                raise UserError(key, f"must be {allowed}", got=getattr(self, name), fix="Change it.")
        if self.trains_backbone == (self.backbone_lr_mult == 0):
            rule = f"must {'not ' if self.trains_backbone else ''}be 0 for train_from={self.train_from}"
            fix = "train_from=head trains the head alone, any other the backbone as well."
            raise UserError("phases.rate (backbone_lr_mult)", rule, got=self.backbone_lr_mult, fix=fix)

    @property
    def trains_backbone(self) -> bool:
        return self.train_from != HEAD

    @property
    def changes_labels(self) -> bool:
        """Whether the loss of training is of other labels than those of the images."""
        return bool(self.label_smoothing or self.mixup or self.cutmix)


class Moment(NamedTuple):
    """An epoch, from 0, as one of a phase: the phase's number and the epoch's in it, both from 0."""

    phase: int
    epoch: int


class Phases(Sequence[Phase]):
    """Phases one after the other, each with the number of its epochs and views: what an epoch trains follows from its number.

    Args:
        epochs: of the phases that do not say it.
        views: the same.
    """

    def __init__(self, phases: Sequence[Phase], epochs: int, views: int = 1) -> None:
        self.phases = [replace(one, epochs=one.epochs or epochs, views=one.views or views) for one in phases]

    def __getitem__(self, number: Any) -> Any:
        return self.phases[number]

    def __len__(self) -> int:
        return len(self.phases)

    def __iter__(self) -> Iterator[Phase]:
        return iter(self.phases)

    @property
    def epochs(self) -> int:
        return sum(self.lengths)

    @property
    def lengths(self) -> list[int]:
        return [phase.epochs or 0 for phase in self.phases]

    @property
    def trains_backbone(self) -> bool:
        return any(phase.trains_backbone for phase in self.phases)

    def at(self, epoch: int) -> Moment:
        """Return in which phase an epoch is; those after the last are in the last."""
        for number, length in enumerate(self.lengths[:-1]):
            if epoch < length:
                return Moment(number, epoch)
            epoch -= length
        return Moment(len(self) - 1, epoch)

    def require_nested(self, counts: Sequence[int]) -> None:
        """Refuse phases of which one trains less than an earlier one: what was computed of frozen blocks would be stale.

        Args:
            counts: how many blocks each trains.

        Raises:
            UserError: with the phase.
        """
        for number, (before, after) in enumerate(pairwise(counts), start=2):
            if after < before:
                rule = f"must train at least the blocks of the one before, train_from={self[number - 2].train_from}"
                fix = "Put the phases in the order head, later blocks, earlier blocks, all."
                raise UserError(f"Phase {number} of phases.schedule", rule, got=self[number - 1].train_from, fix=fix)
