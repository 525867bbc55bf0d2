"""`list`: the names one can choose from."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from ajuste_fino.runs.configuration import folder, options

GROUPS = {
    "backbone": "backbone=NAME, or backbone.name=any classification model of torchvision, or timm/NAME",
    "data": "data=NAME",
    "head": "head=NAME",
    "phases": "phases=NAME",
    "optimizer": "optimizer=NAME",
    "schedule": "schedule=NAME",
}


def show(verbs: Mapping[str, str]) -> None:
    """Print verbs and names."""
    table = Table("what", "names", "how", show_lines=True)
    table.add_row("verbs", "\n".join(f"{name}: {what}" for name, what in verbs.items()), "ajuste-fino VERB")
    for group, how in GROUPS.items():
        table.add_row(group, ", ".join(_described(group, name) for name in options(group)), how)
    Console().print(table, markup=False)


def _described(group: str, name: str) -> str:
    first = (folder() / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    return f"{name} ({first[2:].split(':')[0]})" if first.startswith("# ") and group in ("data", "phases") else name
