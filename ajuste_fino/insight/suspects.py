"""Which labels look wrong: those that heads which did not see the image find improbable, ranked by cleanlab.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", *JAIR* 70, 2021.
"""

from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor

from ajuste_fino.calibration import fit_temperature
from ajuste_fino.errors import UserError


class Suspects(NamedTuple):
    """Positions of images, the likeliest wrong label first; the scores of all images (N,), low where a label looks wrong.

    `estimated` is about how many labels are wrong, by confident learning.
    """

    order: list[int]
    scores: Tensor
    estimated: int


def require_cleanlab() -> None:
    """Refuse to begin what needs cleanlab where it is not installed.

    Raises:
        UserError: where that is so.
    """
    if find_spec("cleanlab") is None:
        fix = "Install it with: pip install 'ajuste-fino[data]'. Or pass suspects=0 to leave this part out."
        raise UserError("cleanlab", "is needed to tell which labels look wrong", fix=fix)


def calibrated(logits: Tensor, targets: Tensor) -> Tensor:
    """Probabilities (N, C) of out-of-fold logits, at the temperature that suits them."""
    return (logits.double() / fit_temperature(logits, targets)).softmax(1)


def suspects(probabilities: Tensor, targets: Tensor, most: int) -> Suspects:
    """Rank the images whose label is not the likeliest one.

    Args:
        probabilities: (N, C), out of fold; each class has an image.
        targets: (N,), the given labels.
        most: how many of them to name.
    """
    from cleanlab.count import num_label_issues
    from cleanlab.rank import get_label_quality_scores

    p, labels = probabilities.numpy(), targets.numpy()
    scores = torch.from_numpy(get_label_quality_scores(labels, p, method="self_confidence"))
    other = probabilities.argmax(1) != targets
    order = [position for position in scores.argsort(stable=True).tolist() if other[position]]
    return Suspects(order[:most], scores, int(num_label_issues(labels, p)))
