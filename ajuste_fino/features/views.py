"""The views of a picture: the plain one, and augmented ones that are the same whenever they are asked for."""

import hashlib
from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from ajuste_fino.data.transforms import Preprocessing, Varying


class Plain:
    """The one view of a picture that judging it needs."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing

    def least(self, view: int) -> int:
        return self.preprocessing.least

    def __call__(self, image: Image.Image, index: int, view: int) -> Tensor:
        return self.preprocessing(image)


class Views(Plain):
    """View 0 of a picture is the plain one; each other is an augmentation that its content and the view's number decide."""

    def __init__(self, preprocessing: Preprocessing, augmentation: Varying, contents: Sequence[str]) -> None:
        super().__init__(preprocessing)
        self.augmentation, self.contents = augmentation, contents

    def least(self, view: int) -> int:
        return self.augmentation.least(self.preprocessing.size) if view else self.preprocessing.least

    def __call__(self, image: Image.Image, index: int, view: int) -> Tensor:
        if view == 0:
            return self.preprocessing(image)
        key = hashlib.sha256(f"{self.contents[index]} {view}".encode()).digest()
        return self.augmentation(image, self.preprocessing.size, int.from_bytes(key[:8], "big", signed=True))
