"""Everything that goes wrong in systems like this one, tried on it; a table of what was aimed at and what was seen.

    python scripts/torture.py                      # all of it, about ten minutes on two cores
    python scripts/torture.py --quick              # a few tries each, about two minutes
    python scripts/torture.py bit-flips bombs      # some
    python scripts/torture.py --list

Each hazard is a function in scripts/hazards/. All happens in temporary folders, the user's cache included; the same seed
makes the same damage. Ctrl-C prints the table so far. What the product lacks counts as not reached. The exit code is 1 where a
target was missed.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from hazards import HAZARDS, Hazard, Result, carry_out
from hazards.subject import end_all
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

STYLES = {"reached": "green", "missed": "bold red", "not there yet": "yellow"}
QUICK = 0.05  # of the time of a whole check


def main() -> int:
    args = arguments()
    console, chosen = Console(), [HAZARDS[name] for name in args.names or HAZARDS]
    if args.list:
        return show_names(console)
    results: list[Result] = []
    try:
        for result in tried(chosen, args.quick, args.seed, Console(stderr=True)):
            results.append(result)
    except KeyboardInterrupt:
        console.print("Stopped; the table so far:")
    console.print(table(results))
    console.print(summary(results, len(chosen), args.seed), highlight=False)
    write(args, results)
    if args.markdown:
        args.markdown.write_text(markdown(results) + "\n" + summary(results, len(chosen), args.seed) + ".\n")
    return int(len(results) < len(chosen) or any(result.state == "missed" for result in results))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*HAZARDS, []], help="of hazards; all, if none is given")
    parser.add_argument("--quick", action="store_true", help="a few tries each")
    parser.add_argument("--list", action="store_true", help="the names, and what each is")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", type=Path, help="where the table goes as Markdown, for docs/hazards.md")
    parser.add_argument("--json", type=Path, default=Path("torture.json"), help="where the table goes as JSON")
    return parser.parse_args()


def show_names(console: Console) -> int:
    names = Table("name", "what", "tries", "quick")
    for one in HAZARDS.values():
        names.add_row(one.name, one.what, f"{one.size:,}", f"{one.quick:,}")
    console.print(names)
    return 0


def tried(chosen: list[Hazard], quick: bool, seed: int, console: Console):
    """The result of each hazard, one after the other, with the progress on the screen."""
    seconds = [one.seconds * (QUICK if quick else 1) for one in chosen]
    columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[left]} left"))
    with Progress(*columns, console=console, transient=True) as progress:
        task, begun, ran = progress.add_task("", total=sum(seconds), left="?"), time.monotonic(), 0.0
        for n, one in enumerate(chosen):

            def listen(share: float, before: float = ran, own: float = seconds[n], rest: float = sum(seconds[n:])) -> None:
                left = (time.monotonic() - begun) / (before + share * own) * (rest - share * own)
                progress.update(task, completed=sum(seconds) - rest + share * own, left=shown(left))

            progress.update(task, description=f"{n + 1} of {len(chosen)} {one.name}")
            result = in_own_places(one, one.quick if quick else one.size, seed, listen)
            if result.state != "not there yet":  # else it took no time, and tells nothing of that of the others
                listen(1.0)
                ran += seconds[n]
            left = f"; {progress.tasks[0].fields['left']} left" if not console.is_terminal else ""
            said = f"{n + 1} of {len(chosen)} {one.name}: {result.state}, {result.seconds:.0f} s{left}; {result.figure}"
            progress.console.print(said, highlight=False, markup=False)
            yield result


def shown(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


def in_own_places(one: Hazard, size: int, seed: int, listen=lambda share: None) -> Result:
    """Try a hazard in a temporary folder, with a cache that is its own."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory(prefix=f"torture-{one.name}-") as folder:
        work = Path(folder, "work")
        work.mkdir()
        os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
        try:
            return carry_out(one, work, size, seed, listen)
        finally:
            end_all()
            os.environ.pop("XDG_CACHE_HOME")
            os.environ.update({} if before is None else {"XDG_CACHE_HOME": before})


def table(results: list[Result]) -> Table:
    found = Table("hazard", "tries", "target", "seen", "s", "", show_lines=True)
    for one in results:
        cells = (one.name, f"{one.size:,}", one.target, one.figure, f"{one.seconds:.0f}", one.state)
        found.add_row(*cells, style=STYLES[one.state] if one.state == "missed" else None)
    return found


def markdown(results: list[Result]) -> str:
    """The same table for a page; in bold what was missed."""
    lines = ["| hazard | what | tries | target | seen | |", "|---|---|---|---|---|---|"]
    for one in results:
        figure = one.figure.replace("|", "\\|").replace("\n", " ")
        state = f"**{one.state}**" if one.state == "missed" else one.state
        lines.append(f"| {one.name} | {one.what} | {one.size:,} | {one.target} | {figure} | {state} |")
    return "\n".join(lines) + "\n"


def summary(results: list[Result], total: int, seed: int) -> str:
    count = {state: sum(one.state == state for one in results) for state in STYLES}
    parts = ", ".join(f"{number} {state}" for state, number in count.items())
    return f"{parts} of {total}; seed {seed}, {sum(one.seconds for one in results) / 60:.1f} min; {machine()}"


def machine() -> str:
    from importlib.metadata import version

    return f"{os.cpu_count()} cores, torch {version('torch')}, Python {platform.python_version()}, {platform.system()}"


def write(args: argparse.Namespace, results: list[Result]) -> None:
    content = {"seed": args.seed, "quick": args.quick, "machine": machine(), "hazards": [one.plain() for one in results]}
    args.json.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
