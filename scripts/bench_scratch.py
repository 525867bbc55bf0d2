"""Time and memory of the parts written by hand, beside torch's in the same process: `python scripts/bench_scratch.py`.

Every ratio is the median time of ours over the median time of torch's, the two taken in turns, so that a busy machine
slows both. Layers: forward and backward, float32. Optimizers: one step on the parameters of ResNet-18.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torchvision.models import resnet18

from ajuste_fino.scratch import nn as ours
from ajuste_fino.scratch import optim

MAPS, IMAGES, DEEP = (16, 64, 56, 56), (32, 1, 28, 28), (16, 256, 14, 14)
LAYERS = [
    ("Conv2d", (64, 64, 3), {"padding": 1}, MAPS, 2.0),
    ("Conv2d", (1, 16, 3), {"padding": 1}, IMAGES, 2.0),
    ("Conv2d", (256, 256, 3), {"padding": 1}, DEEP, 3.0),
    ("MaxPool2d", (2,), {}, MAPS, 2.5),
    ("MaxPool2d", (3, 2, 1), {}, MAPS, 2.5),
    ("AvgPool2d", (2,), {}, MAPS, 2.5),
    ("LPPool2d", (2, 2), {}, MAPS, 2.5),
    ("AdaptiveAvgPool2d", (1,), {}, MAPS, 2.5),
    ("AdaptiveAvgPool2d", (7,), {}, MAPS, 2.5),
    ("AdaptiveMaxPool2d", (7,), {}, MAPS, 2.5),
    ("ReLU", (), {}, MAPS, 2.5),
    ("Dropout", (), {}, MAPS, 2.5),
    ("Dropout2d", (), {}, MAPS, 2.5),
    ("CrossEntropyLoss", (), {}, (256, 1000), 2.5),
]
STEPS = [
    ("SGD", {"lr": 1e-3, "momentum": 0.9}),
    ("Adagrad", {}),
    ("RMSprop", {}),
    ("Adam", {}),
]
FUSED = ("SGD", "Adagrad", "Adam")


def pass_of(layer: nn.Module, shape: tuple[int, ...], device: str) -> Callable[[], None]:
    """Forward and backward once, on the same numbers for whichever layer."""
    torch.manual_seed(0)
    layer, x = layer.to(device), torch.randn(shape, device=device, requires_grad=True)
    target = [torch.randint(shape[1], shape[:1], device=device)] if isinstance(layer, nn.CrossEntropyLoss) else []
    g = torch.randn_like(layer(x, *target))

    def run() -> None:
        layer.zero_grad()
        x.grad = None
        layer(x, *target).backward(g)

    return run


def step_of(optimizer: type[torch.optim.Optimizer], device: str, **arguments: object) -> Callable[[], None]:
    """One step on ResNet-18."""
    torch.manual_seed(0)
    parameters = list(resnet18().to(device).parameters())
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter) * 1e-3
    return optimizer(parameters, **arguments).step


def seconds(run: Callable[[], None], device: str) -> float:
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(mine: Callable[[], None], theirs: Callable[[], None], device: str, repeats: int) -> tuple[float, float]:
    """Median seconds of each, taken in turns after two rounds that do not count."""
    rounds = [(seconds(mine, device), seconds(theirs, device)) for _ in range(repeats + 2)][2:]
    return statistics.median(m for m, _ in rounds), statistics.median(t for _, t in rounds)


def layers(device: str, repeats: int) -> Iterator[tuple[str, float, float, float]]:
    for name, arguments, keywords, shape, limit in LAYERS:
        pair = [pass_of(getattr(home, name)(*arguments, **keywords), shape, device) for home in (ours, nn)]
        yield f"{name}{arguments} on {shape}", *compare(*pair, device, repeats), limit


def steps(device: str, repeats: int) -> Iterator[tuple[str, float, float, float]]:
    for name, arguments in STEPS:
        pair = [step_of(getattr(home, name), device, **arguments) for home in (optim, torch.optim)]
        yield f"{name} step, against torch's default", *compare(*pair, device, repeats), 1.05
    for name, arguments in [(n, a) for n, a in STEPS if n in FUSED]:
        mine = step_of(getattr(optim, name), device, compiled=True, **arguments)
        theirs = step_of(getattr(torch.optim, name), device, fused=True, **arguments)
        yield f"{name} step, compiled, against fused", *compare(mine, theirs, device, repeats), 1.2


def memory(whose: str, case: int) -> int:
    """KiB by which the peak of this process rises above what it held before one forward and backward; on Linux."""
    name, arguments, keywords, shape, _ = LAYERS[case]
    run = pass_of(getattr(ours if whose == "ours" else nn, name)(*arguments, **keywords), shape, "cpu")
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    run()
    return status("VmHWM") - before


def status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def peak(whose: str, case: int) -> int:
    command = [sys.executable, __file__, "--memory", whose, "--case", str(case)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--memory", choices=["ours", "torch"], help=argparse.SUPPRESS)
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        print(memory(given.memory, given.case))
        return
    console, table = Console(), Table("what", "ours, ms", "torch, ms", "ratio", "at most")
    for part in (layers, steps):
        for name, mine, theirs, limit in part(given.device, given.repeats):
            if given.only in name:
                table.add_row(name, f"{mine * 1e3:.2f}", f"{theirs * 1e3:.2f}", f"{mine / theirs:.2f}", f"{limit}")
    if given.device == "cpu":
        for case in range(3):
            mine, theirs = peak("ours", case), peak("torch", case)
            sizes = (f"{mine / 1024:.1f} MiB", f"{theirs / 1024:.1f} MiB", f"{mine / max(theirs, 1):.2f}", "3.0")
            table.add_row(f"peak memory of {LAYERS[case][0]} on {LAYERS[case][3]}", *sizes)
    console.print(table)


if __name__ == "__main__":
    main()
