"""A map of images: their features in two dimensions."""

from importlib.util import find_spec

import torch
from torch import Tensor

from ajuste_fino.choose.heads import Basis
from ajuste_fino.errors import UserError

WAYS = ("pca", "umap")


def require_way(way: str) -> None:
    """Refuse a way to draw the map that there is not, or whose library is not installed.

    Raises:
        UserError: where that is so.
    """
    if way not in WAYS:
        raise UserError("map", "must be pca or umap", got=way, fix="Pass pca, which needs no other library.")
    if way == "umap" and find_spec("umap") is None:
        fix = "Install it with: pip install 'ajuste-fino[umap]'. Or pass map=pca."
        raise UserError("map=umap", "needs the library umap-learn", fix=fix)


def project(x: Basis, way: str, seed: int) -> Tensor:
    """Places (N, 2), each axis from 0 to 1.

    By pca they are the two directions of standardised features along which images differ most; by umap (McInnes, Healy and
    Melville, arXiv:1802.03426, 2018) neighbours stay neighbours, and far distances mean little.
    """
    rows = x.rows[:, :-1]
    places = _umap(rows, seed) if way == "umap" else rows[:, -2:].flip(1)
    if places.shape[1] < 2:  # features that are all the same
        places = torch.cat([places, torch.zeros(len(places), 2 - places.shape[1])], 1)
    low, high = places.min(0).values, places.max(0).values
    return (places - low) / (high - low).clamp(min=1e-12)


def _umap(rows: Tensor, seed: int) -> Tensor:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba, and of how a seed costs its threads
        from umap import UMAP

        found = UMAP(n_neighbors=min(15, len(rows) - 1), random_state=seed, n_jobs=1).fit_transform(rows.numpy())
    return torch.from_numpy(found).float()
