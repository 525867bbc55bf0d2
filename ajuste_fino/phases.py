"""A phase of training as data: which blocks are trained, for how long, at which learning rates."""

from dataclasses import dataclass
from typing import ClassVar

from ajuste_fino.errors import Range, UserError


@dataclass(frozen=True)
class Phase:
    """Which part of the model a phase trains, and how.

    Args:
        train_from: the first block of the backbone that is trained with the head; `head`: none is; `all`: all are.
        epochs: at most; None: as the key `epochs` says.
        lr: the head's learning rate; None: the optimizer's.
        backbone_lr_mult: the backbone's learning rate, as a share of the head's; 0 where it is not trained.
    """

    RANGES: ClassVar[dict[str, Range]] = {
        "epochs": Range(int, 1, optional=True),
        "lr": Range(float, 0, 1000, optional=True),
        "backbone_lr_mult": Range(float, 0, 1000),
    }

    train_from: str = "head"
    epochs: int | None = None
    lr: float | None = None
    backbone_lr_mult: float = 0.0

    def __post_init__(self) -> None:
        for name, allowed in self.RANGES.items():
            if getattr(self, name) not in allowed:
                key = f"phases.schedule: {name}"
                raise UserError(key, f"must be {allowed}", got=getattr(self, name), fix="Change it.")
        if self.trains_backbone == (self.backbone_lr_mult == 0):
            rule = f"must {'not ' if self.trains_backbone else ''}be 0 for train_from={self.train_from}"
            fix = "train_from=head trains the head alone, phases=full and phases=scratch the backbone as well."
            raise UserError("phases.rate (backbone_lr_mult)", rule, got=self.backbone_lr_mult, fix=fix)

    @property
    def trains_backbone(self) -> bool:
        return self.train_from != "head"
