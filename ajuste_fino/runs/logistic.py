"""`head=logistic`: logistic regression on the features in the place of training, its penalty chosen on the validation split."""

from math import isfinite
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.utils.data import Dataset

from ajuste_fino import logistic
from ajuste_fino.data.module import DataModule
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.errors import Diverged, Range, UserError
from ajuste_fino.files import write_csv
from ajuste_fino.head import Head
from ajuste_fino.logistic import LinearFit
from ajuste_fino.losses import Loss
from ajuste_fino.phases import Phases
from ajuste_fino.runs.console import log
from ajuste_fino.runs.factories import require_cached_head, require_plain_labels
from ajuste_fino.runs.fit import Kept
from ajuste_fino.scores import metrics

STRENGTH = Range(float, 0, 1e6, above=True)
ROWS = 1024  # that are read at a time
UNUSED = ("optimizer", "schedule", "epochs", "patience", "batch_size", "callbacks")


def strengths(cfg: DictConfig) -> list[float]:
    """The values of C to try, from small to large; none where the head is trained."""
    chosen = cfg.head.get("C")  # a group of the user's own may be older
    given = OmegaConf.to_container(chosen) if OmegaConf.is_list(chosen) else chosen
    values = given if isinstance(given, list) else [] if given is None else [given]
    if given == [] or any(value not in STRENGTH for value in values):
        raise UserError("head.C", f"must be {STRENGTH}, or a list of them", got=given, fix="Pass head.C=[0.01,0.1,1].")
    return sorted(set(map(float, values)))


def require_possible(cfg: DictConfig, phases: Phases) -> None:
    """Refuse what logistic regression cannot do."""
    if not strengths(cfg):
        return
    require_cached_head("head=logistic (head.C)", cfg, phases)
    require_plain_labels("head=logistic (head.C)", phases)
    for key, allowed in (("head.hidden", 0), ("head.dropout", 0), ("head.engine", None), ("ensemble", None)):
        if (got := OmegaConf.select(cfg, key)) != allowed:
            fix = f"Pass head=logistic and leave {key} out, or leave head.C out to train the head."
            raise UserError(key, "has no meaning for logistic regression (head.C)", got=str(got), fix=fix)
    if cfg.imbalance == "sampler":
        fix = "Pass imbalance=weights, or train the head with head=linear."
        raise UserError("imbalance=sampler", "draws batches, and logistic regression has none (head.C)", fix=fix)


def notes(cfg: DictConfig) -> list[str]:
    """What the user should know of it before it begins."""
    sentence = f"Logistic regression is not trained in epochs: {', '.join(UNUSED[:-1])} and {UNUSED[-1]} are not used."
    return [sentence] if strengths(cfg) else []


def fit(head: Head, data: DataModule, candidates: list[float], loss: Loss, weights: Tensor | None, out: Path) -> Kept:
    """Fit the head's last layer for each C; keep that of the lowest validation loss, and write a row of `metrics.csv` for each.

    The kept one is not fitted again with the validation images: its validation metrics are its own.

    Args:
        weights: (C,), what an image of each class counts; None: 1.
        loss: of validation, logits (N, C), classes (N,) → a number.
    """
    x, y = _rows(head, *data.train[0])
    val, true = _rows(head, *data.val[0])
    counts = torch.ones(len(y)) if weights is None else weights[y]
    counts = counts / data.train[0][1].views  # so that C means the same with more views of an image
    rows, best = list[dict[str, float]](), 1
    last: Any = head.layers[-1]
    fits = logistic.fits(x, y, head.shape.num_classes, candidates, counts)
    for number, (c, found) in enumerate(zip(candidates, fits, strict=True), start=1):
        rows.append({"C": c, "train/loss": float(loss(_logits(found, x), y)), **_judge(_logits(found, val), true, loss)})
        if not found.converged:
            log.warning(
                f"Logistic regression with C = {c:g} did not converge in {logistic.STEPS} steps; it is judged as it is."
            )
        log.debug(f"C = {c:g}: validation loss {rows[-1]['val/loss']:.3f}, accuracy {rows[-1]['val/accuracy']:.3f}")
        if not isfinite(rows[-1]["val/loss"]):
            raise Diverged(f"The validation loss of logistic regression with C = {c:g} is not finite: look at the features.")
        if rows[-1]["val/loss"] < rows[best - 1]["val/loss"] or number == 1:
            best = number
            last.load_state_dict({"weight": found.weight, "bias": found.bias})
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "metrics.csv", list(rows[0]), [list(row.values()) for row in rows])
    validation = {name: value for name, value in rows[best - 1].items() if name.startswith("val/")}
    return Kept(best, len(rows), validation, candidates[best - 1])


@torch.inference_mode()
def _rows(head: Head, dataset: Dataset[tuple[Tensor, Tensor]], order: EpochBatchSampler) -> tuple[Tensor, Tensor]:
    """All views of all images, standardised, (views · N, D), and their classes."""
    positions = torch.arange(order.count * order.views).split(ROWS)
    batches = [dataset[batch.tolist()] for batch in positions]
    return torch.cat([head.standardise(x) for x, _ in batches]), torch.cat([y for _, y in batches])


def _judge(logits: Tensor, y: Tensor, loss: Loss) -> dict[str, float]:
    scores = metrics(logits.shape[1])(logits, y)
    return {"val/loss": float(loss(logits, y)), **{f"val/{name}": float(value) for name, value in scores.items()}}


def _logits(found: LinearFit, x: Tensor) -> Tensor:
    return torch.nn.functional.linear(x, found.weight, found.bias)
