"""Images to transfer to: those of a user's folder, or views that are made of two photographs; and the digits."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ajuste_fino.data.images import quiet as quiet_pillow
from ajuste_fino.data.images import read_image
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.lecture.data import Split, digits
from ajuste_fino.lecture.own_images import OwnImages
from ajuste_fino.lecture.views import views

MOST, MEMORY = 10_000, 2 * 10**9  # images of a split that are read, and bytes of them: they are kept in memory
TRAINING, TEST = 40, 40  # views of each place
SEEDS = (0, 1)  # of these views
DIGITS = 400  # for training, of which few are drawn


def photographs(root: str | None, side: int) -> tuple[Split, Split]:
    """Training and test images (N, 3, side, side) of uint8: a folder's as `data.root` takes it, or the made views.

    Raises:
        UserError: where the folder has something that `train` would refuse.
    """
    if root is None:
        return views(TRAINING, side, SEEDS[0]), views(TEST, side, SEEDS[1])
    images, most = OwnImages.at(root), min(MOST, MEMORY // (3 * side**2))
    preprocessing = Preprocessing(size=side, resize=round(side * 8 / 7))  # 256 of 224, as those of ImageNet are cut

    def read(split: str) -> Split:
        samples = images.of(split, most)
        with quiet_pillow():
            pixels = [preprocessing(read_image(sample, preprocessing.min_size)[1]) for sample in samples]
        return Split(torch.stack(pixels), images.targets(samples))

    return read("train"), read("test")


def digit_images(side: int) -> tuple[Split, Split]:
    """Training and test digits (N, 3, side, side) of uint8."""
    train, _, test = digits()
    low, high = train.x.amin(), train.x.amax()

    def drawn(x: Tensor) -> Tensor:
        large = interpolate((x - low) / (high - low), (side, side), mode="bilinear")
        return (large * 255).round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1)

    few = train[:DIGITS]
    return Split(drawn(few.x), few.y), Split(drawn(test.x), test.y)
