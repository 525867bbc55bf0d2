"""Which rows of two tables are close to each other, a block at a time."""

from collections.abc import Iterator, Sequence

import numpy as np

BLOCK = 2048  # rows of each side in memory at a time


def close_pairs(one: np.ndarray, other: np.ndarray, min_cosine: float) -> list[tuple[int, int, float]]:
    """Positions in `one` (N, D) and `other` (M, D), rows of unit length, that have at least that cosine; closest first."""
    found = [pair for top in range(0, len(one), BLOCK) for pair in _row_of_blocks(one, other, top, min_cosine)]
    return sorted(found, key=lambda pair: -pair[2])


def _row_of_blocks(one: np.ndarray, other: np.ndarray, top: int, min_cosine: float) -> Iterator[tuple[int, int, float]]:
    for left in range(0, len(other), BLOCK):
        cosines = _unit(one[top : top + BLOCK]) @ _unit(other[left : left + BLOCK]).T
        for row, column in zip(*np.nonzero(cosines >= min_cosine), strict=True):
            yield top + int(row), left + int(column), float(cosines[row, column])


def _unit(rows: np.ndarray) -> np.ndarray:
    """Bits (as ±1) or features, as float32 rows of unit length."""
    if rows.dtype == np.uint8:
        signs = np.unpackbits(rows, axis=1).astype(np.float32) * 2 - 1
        return signs / np.sqrt(np.float32(signs.shape[1]))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


def hash_rows(hashes: Sequence[str]) -> np.ndarray:
    """Hashes in hexadecimal → (N, 32) bytes."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1 if hashes else 32)


def hash_similarity(bits: int, of: int = 256) -> float:
    """The cosine of two hashes, their bits as ±1, of which `bits` differ; a hair less, against rounding."""
    return 1 - 2 * bits / of - 1e-4
