"""The tables that `bench_peers.py` prints, with what chance does to an accuracy and to a difference of two.

`python scripts/bench_peers.py FOLDER` prints one of them when all competitors have ended.
"""

from math import sqrt
from typing import Any, NamedTuple

from ajuste_fino.scores import paired_difference


class Row(NamedTuple):
    """What a competitor took and reached; `right` says of each test image whether it was, None: not known."""

    seconds: float
    peak: float  # MiB
    accuracy: float | None
    right: dict[str, bool] | None = None
    trained: int | None = None  # parameters of the backbone


def standard_error(share: float, n: int) -> float:
    """Of a share of n independent cases."""
    return sqrt(share * (1 - share) / n)


def paired(right: dict[str, bool], other: dict[str, bool]) -> tuple[float, float, int]:
    """How much larger the first's accuracy is, its standard error, and on how many images both were judged."""
    both = right.keys() & other.keys()
    return *paired_difference({image: other[image] for image in both}, right), len(both)


def show_head(rows: dict[str, Row], args: Any) -> None:
    how = f", peers timed over {args.peer_epochs}" if args.peer_epochs else ""
    print(f"{args.backbone}, {args.weights.name if args.weights else 'random weights'}, {args.epochs} epochs{how}\n")
    print("| | seconds | peak MiB | test accuracy | times ours, first | times ours, again |")
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        said = f"{row.accuracy:.4f}" if row.accuracy is not None and args.weights else "–"
        print(f"| {name} | {row.seconds:.1f} | {row.peak:.0f} | {said} | {times(row, rows)} |")


def show_ladder(rows: dict[str, Row], args: Any) -> None:
    how = f", peers timed over {args.peer_epochs}" if args.peer_epochs else ""
    weights = args.weights.name if args.weights else "random weights"
    print(f"{args.backbone}, {weights}, {args.epochs} epochs of fine-tuning{how}; ± is a standard error\n")
    print("| | trained of the backbone | seconds | peak MiB | test accuracy | less ours, first | times ours, first | … again |")
    print("|---|---|---|---|---|---|---|---|")
    ours = rows["ours, first"].right
    for name, row in rows.items():
        said = less = "–"
        if row.right and ours and args.weights:
            said = f"{row.accuracy:.4f} ± {standard_error(row.accuracy or 0, len(row.right)):.4f}"
            less = "{:+.4f} ± {:.4f} of {}".format(*paired(row.right, ours)) if row.right is not ours else "–"
        print(f"| {name} | {row.trained:,} | {row.seconds:.1f} | {row.peak:.0f} | {said} | {less} | {times(row, rows)} |")


def times(row: Row, rows: dict[str, Row]) -> str:
    """How many times as long as ours it took, with an empty cache and again."""
    return " | ".join(f"{row.seconds / rows[ours].seconds:.1f}" for ours in ("ours, first", "ours, again"))
