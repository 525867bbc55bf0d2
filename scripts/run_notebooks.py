"""Run every notebook, each in an empty namespace of one kernel, so that libraries are imported once.

    python scripts/run_notebooks.py [NAME …]

Nothing is written: notebooks are kept without outputs. Exits with 1 at the first cell that fails.
"""

import sys
import time
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).parents[1] / "notebooks"


def run(path: Path, manager, client) -> float:
    """Seconds that the notebook took."""
    start = time.perf_counter()
    notebook = nbformat.read(path, as_version=4)
    runner = NotebookClient(notebook, km=manager, timeout=120)
    runner.kc = client
    client.execute_interactive("%reset -f", silent=True)
    for number, cell in enumerate(notebook.cells):
        runner.execute_cell(cell, number)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    if not any("image/png" in output.get("data", {}) for output in shown):
        raise SystemExit(f"{path.name} shows no figure")
    return time.perf_counter() - start


def main() -> None:
    paths = [FOLDER / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb"))
    manager, client = start_new_kernel(kernel_name="python3")
    total = 0.0
    try:
        for path in paths:
            seconds = run(path, manager, client)
            total += seconds
            print(f"{path.stem:16} {seconds:5.1f} s", flush=True)
    except CellExecutionError as error:
        raise SystemExit(f"{path.name}: {error}") from error
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(f"{len(paths)} notebooks, {total:.1f} s")


if __name__ == "__main__":
    main()
