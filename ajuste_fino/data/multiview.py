"""Test-time augmentation: the views of an image whose probabilities are averaged, in prediction."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from PIL import Image
from torch import Tensor

from ajuste_fino.data.loading import PlainView
from ajuste_fino.data.transforms import Augment, Augmentation, Preprocessing
from ajuste_fino.errors import Range, UserError

VIEWS = Range(int, 2, 64, optional=True)
SMALLEST = 0.9  # share of the area of the smallest part; on photographs of clothes 0.8 gave a higher cross-entropy
CORNERS = ((0, 0), (1, 1), (0, 1), (1, 0))  # top, left: opposite ones after each other
GOLDEN = 0.618  # its multiples, modulo 1, fill an interval evenly, however many there are


class Part(NamedTuple):
    """Of an image, a part of its shape: the share of its sides, in which corner it lies, and whether it is mirrored."""

    side: float
    corner: tuple[int, int]
    mirrored: bool


def kept(augmentation: Augment, views: int) -> dict[str, Any] | None:
    """What a model keeps of the augmentation that it was trained with; None: it saw nothing but plain views.

    Of a user's own class that is its name, since a model holds no code.
    """
    if views < 2:
        return None
    if isinstance(augmentation, Augmentation):
        return asdict(augmentation)
    return {"class": f"{type(augmentation).__module__}.{type(augmentation).__qualname__}"}


class MultiView(PlainView):
    """View 0 of an image is the plain one, view 1 its mirror; the others are parts from its corners, every second mirrored.

    They are those changes of the run's own augmentation that leave an image easy to know: none is mirrored where the run
    flipped none, no part is smaller than the run's smallest, nor than 0.9 of the area; colours stay. Each part goes through the
    same preprocessing as the whole image. Nothing is drawn at random.

    Args:
        augmentation: what a model keeps of it; None: parts alone, because a mirrored image may be of another class.
        count: how many views, K.

    Raises:
        UserError: where the augmentation does not give as many views, or is a class of the user's own.
    """

    def __init__(self, preprocessing: Preprocessing, augmentation: Mapping[str, Any] | None, count: int) -> None:
        super().__init__(preprocessing)
        if count is None or count not in VIEWS:
            raise UserError("tta", f"must be {VIEWS}", got=count, fix="Pass for example tta=8.")
        given = augmentation or {}
        if "class" in given:
            rule = f"needs an augmentation of the package, and the model was trained with {given['class']}"
            raise UserError("tta", rule, got=count, fix="Leave tta out.")
        self.count, self.flips = count, augmentation is not None and given.get("flip", 0) > 0
        self.smallest = max(SMALLEST, given.get("scale", SMALLEST))
        most = 1 + self.flips if self.smallest == 1 else count
        if count > most:
            rule = f"has {most} to average where the run cut out no parts (data.augment.scale=1)"
            fix = f"Pass tta={most}." if most > 1 else "Leave tta out: it flipped none either (data.augment.flip=0)."
            raise UserError("tta", rule, got=count, fix=fix)
        mirror = [Part(1, (0, 0), True)] if self.flips else []
        self.parts = [*mirror, *(self._part(n) for n in range(count - 1 - len(mirror)))]

    def _part(self, n: int) -> Part:
        """The n-th: the four corners in turn, at the smallest area first."""
        turn, corner = divmod(n, len(CORNERS))
        area = self.smallest + (1 - self.smallest) * (turn * GOLDEN % 1)
        return Part(area**0.5, CORNERS[corner], self.flips and (n + turn) % 2 == 1)

    def __call__(self, image: Image.Image, index: int, view: int) -> Tensor:
        if view == 0:
            return self.preprocessing(image)
        side, (down, right), mirrored = self.parts[view - 1]
        width, height = (max(1, round(side * length)) for length in image.size)
        left, top = right * (image.width - width), down * (image.height - height)
        pixels = self.preprocessing(image.crop((left, top, left + width, top + height)))
        return pixels.flip(2) if mirrored else pixels

    def summary(self) -> str:
        """A sentence: which views they are."""
        what = ["the plain one", *(["its mirror"] if self.flips else [])]
        if self.count > len(what):
            what.append(f"parts of at least {self.smallest:.0%} of it{'' if self.flips else ', none mirrored'}")
        return f"Averaged over {self.count} views of each image (tta): {', '.join(what)}."
