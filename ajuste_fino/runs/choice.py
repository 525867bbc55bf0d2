"""What `choose` found: tables, figure, the recommendation, and the command to go on with."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.box import SIMPLE
from rich.table import Column, Table

from ajuste_fino.backbone.taps import Cut
from ajuste_fino.choose.candidate import Candidate
from ajuste_fino.choose.trial import Trial
from ajuste_fino.choose.verdict import Row, Score, pareto, recommend
from ajuste_fino.console import log, screen
from ajuste_fino.escape import printable
from ajuste_fino.files import write_csv, write_json
from ajuste_fino.report import choose as choose_plot
from ajuste_fino.runs.grammar import without

OWN = ("choose", "out", "command")  # keys that train does not have, or that are of this run alone
SCORE = ("backbone", "tap", "pool", "accuracy", "accuracy_low", "accuracy_high", "logme", "features")
ROW = (*SCORE, "milliseconds", "parameters", "default", "chosen", "pareto")


def write_tables(out: Path, rows: Sequence[Row], cuts: Mapping[str, Sequence[Score]]) -> None:
    """Write `choose.csv`, of each candidate its best cut and its default one, and `cuts.csv`, all that were tried."""
    write_csv(out / "choose.csv", ROW, [list(values.values()) for values in _values(rows)])
    tried = [list(_score(label, one).values()) for label, scores in cuts.items() for one in scores]
    write_csv(out / "cuts.csv", SCORE, tried)


def conclude(rows: Sequence[Row], found: Sequence[Candidate], trial: Trial, command: DictConfig, out: Path) -> dict[str, Any]:
    """Draw the figure, show the table, and recommend one; return what `choose.json` has."""
    chosen, front, where = recommend(rows), pareto(rows), trial.loading.device.type
    choose_plot.draw(rows, front, chosen, where, out / "plots" / "choose.png")
    usual = next(row for row in rows if row.default and row.label == chosen.label)
    candidate = next(one for one in found if one.label == chosen.label)
    going_on = _command(candidate, chosen, usual, command)
    report = {
        "images": len(trial.samples),
        "folds": len(trial.folds.unique()),
        "device": where,
        "recommended": chosen.label,
        "command": going_on,
        "rows": _values(rows),
    }
    write_json(out / "choose.json", report)
    screen().print(_table(rows, front, chosen, where))
    log.info(_sentence(chosen, rows))
    screen().print(f"Go on with:\n  {printable(going_on)}", soft_wrap=True)
    log.info(f"Results: {out.absolute()}")
    return report


def _sentence(chosen: Row, rows: Sequence[Row]) -> str:
    cut, (low, high) = chosen.score.cut, chosen.score.interval
    where = f"cut after {short(cut)}, grid {cut.pool}×{cut.pool}"
    what = f"{chosen.label}, {where}: accuracy {chosen.score.accuracy:.3f} ({low:.3f} to {high:.3f})"
    if len({row.label for row in rows}) == 1:
        return f"The only candidate is {what}. ajuste-fino fetch brings others, see ajuste-fino list."
    top = max((row for row in rows if row.chosen), key=lambda row: row.score.accuracy)
    if top is chosen:
        return f"Recommended is {what}: the most accurate, and none within its standard error is faster."
    best = f"{top.label}, {top.score.accuracy:.3f}"
    return f"Recommended is {what}: the fastest within a standard error of the most accurate, which is {best}."


def _command(candidate: Candidate, chosen: Row, usual: Row, command: DictConfig) -> str:
    """The line for `train`, quoted for a shell: what was given here, the backbone, and its cut where it is not the default."""
    shared = without([str(one) for one in OmegaConf.to_container(command.overrides)], OWN)  # type: ignore[union-attr]
    data = [] if any(one.startswith("data=") for one in shared) else ["data=folder"]
    directory = ["--config-dir", command.config_dir] if command.config_dir else []
    cut, default = chosen.score.cut, usual.score.cut
    keys = [f"features.tap={short(cut)}"] if cut.layer != default.layer else []
    keys += [f"features.pool={cut.pool}"] if cut.pool != default.pool else []
    return shlex.join(["ajuste-fino", "train", *directory, *data, *shared, *candidate.keys, *keys])


def _table(rows: Sequence[Row], front: Sequence[Row], chosen: Row, where: str) -> Table:
    caption = f"* recommended; front: none is both faster and more accurate; ms an image on {where}"
    names = [Column(name, overflow="fold") for name in ("backbone", "tap")]
    narrow = [Column(name, no_wrap=True) for name in ("grid", "accuracy (95 %)", "LogME", "ms", "params", "feat.", "")]
    table = Table(*names, *narrow, caption=caption, box=SIMPLE, padding=0, show_edge=False)
    labels = list(dict.fromkeys(row.label for row in rows))
    for row in sorted(rows, key=lambda row: (labels.index(row.label), not row.chosen)):
        cut, (low, high) = row.score.cut, row.score.interval
        table.add_row(
            printable(row.label),
            short(cut),
            f"{cut.pool}×{cut.pool}",
            f"{row.score.accuracy:.3f} ({low:.2f}–{high:.2f})",
            f"{row.score.logme:.3f}",
            f"{row.milliseconds:.3g}",
            f"{row.parameters / 1e6:.1f} M",
            f"{row.score.features:,}",
            _note(row, front, chosen),
            style="bold" if row is chosen else None if row.chosen else "dim",
        )
    return table


def _note(row: Row, front: Sequence[Row], chosen: Row) -> str:
    if not row.chosen:
        return "default" if row.default else "best"
    return f"{'front' if row in front else ''}{' *' if row is chosen else ''}"


def short(cut: Cut) -> str:
    """The block as the key `features.tap` takes it, without what all names of the network begin with."""
    return (cut.layer or "–").removeprefix("features.")


def _score(label: str, score: Score) -> dict[str, Any]:
    low, high = score.interval
    cut = score.cut
    values = (label, cut.layer or "", cut.pool, score.accuracy, low, high, score.logme, score.features)
    return dict(zip(SCORE, values, strict=True))


def _values(rows: Sequence[Row]) -> list[dict[str, Any]]:
    front = pareto(rows)
    return [
        {
            **_score(row.label, row.score),
            "milliseconds": row.milliseconds,
            "parameters": row.parameters,
            "default": row.default,
            "chosen": row.chosen,
            "pareto": row in front,
        }
        for row in rows
    ]
