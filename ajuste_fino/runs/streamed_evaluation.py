"""Evaluate a head on rows that are streamed: the table of predictions grows, and the metrics with it."""

from pathlib import Path

import torch

from ajuste_fino.bundle import Bundle
from ajuste_fino.calibration import Reliability
from ajuste_fino.features.streamed import StreamedFeatures
from ajuste_fino.growing import growing_csv
from ajuste_fino.head import probabilities
from ajuste_fino.report.plots import draw_confusion
from ajuste_fino.runs.evaluation import NAMES, Metrics
from ajuste_fino.scores import Scores, prediction_header, prediction_rows


def evaluate_stream(name: str, rows: StreamedFeatures, kept: Bundle, out: Path) -> Metrics:
    """Write `predictions_NAME.csv` and the confusion matrix into `out`; return the metrics as `NAME/…`, as `evaluate_split`."""
    scores, reliability, accepted = Scores(rows.labels), Reliability(), 0
    blocks = rows.of(name)
    with growing_csv(out / f"predictions_{name}.csv", prediction_header(rows.labels)) as write:
        for block, (x, y) in zip(blocks.blocks, blocks.each(range(len(blocks.blocks))), strict=True):
            found = probabilities(kept.head, [x], kept.temperature)
            files, labels = rows.texts(block, "file", "label")
            for row in prediction_rows(files, labels, found, rows.labels):
                write(row)
            scores.update(found.argmax(1), y)
            reliability.update(found, y)
            if kept.novelty is not None:
                with torch.inference_mode():
                    accepted += int((kept.novelty.distances(kept.head.standardise(x)) <= 1).sum())
    draw_confusion(scores.counts.tolist(), rows.labels, out / "plots" / "confusion.png", NAMES[name])
    metrics = scores.compute() | {"ece": reliability.compute()}
    known = {} if kept.novelty is None else {"accepted": accepted / rows.total(name)}
    return {f"{name}/{metric}": value for metric, value in (metrics | known).items()}
