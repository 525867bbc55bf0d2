"""How a measured value, and the band it was expected in, are written."""

from math import inf


def number(value: float) -> str:
    """Four digits."""
    return f"{value:.4g}"


def band(low: float, high: float) -> str:
    """`≥ 0.05`, `≤ 1`, `0.1 … 10`, or the one number that is right."""
    if low == high:
        return number(low)
    if high == inf:
        return f"≥ {number(low)}"
    return f"≤ {number(high)}" if low == -inf else f"{number(low)} … {number(high)}"
