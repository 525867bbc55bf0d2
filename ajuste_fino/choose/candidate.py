"""A backbone that may be chosen."""

from dataclasses import dataclass

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.backbone.taps import Cut


@dataclass(frozen=True)
class Candidate:
    """A network by the name of its architecture, and its weights: `pretrained`, or the path of a file.

    `label` is what the user calls it, `keys` what makes `train` use it; `size` is the side of the images in px, where it is not
    that of the weights.
    """

    label: str
    name: str
    weights: str
    keys: tuple[str, ...]
    size: int | None = None

    def build(self, cut: Cut | None = None) -> Backbone:
        """Build it, ended where its architecture's default is or at another cut.

        Raises:
            UserError: where there is no such network, or the weights do not fit it.
        """
        where = {} if cut is None else {"layer": cut.layer, "pool": cut.pool}
        return build(self.name, self.weights, size=self.size, **where)[0]  # type: ignore[arg-type]
