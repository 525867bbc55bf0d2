"""Time and memory of the parts written by hand, beside torch's in the same process: `python scripts/bench_scratch.py`.

Every ratio is the median time of ours over the median time of torch's, the two taken in turns, so that a busy machine
slows both. Layers: forward and backward, float32. Optimizers: one step on the parameters of ResNet-18. Memory (Linux):
how far the peak of a process rises above what it held before, median of three processes.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
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


def cases() -> Iterator[tuple[str, Callable[[str], list[Callable[[], None]]], float]]:
    """What is compared, how to make ours and torch's on a device, and the ratio to reach."""
    for name, arguments, keywords, shape, limit in LAYERS:

        def both(device: str, name=name, arguments=arguments, keywords=keywords, shape=shape) -> list[Callable[[], None]]:
            return [pass_of(getattr(home, name)(*arguments, **keywords), shape, device) for home in (ours, nn)]

        yield f"{name}{arguments} on {shape}", both, limit
    for name, arguments in STEPS:

        def default(device: str, name=name, arguments=arguments) -> list[Callable[[], None]]:
            return [step_of(getattr(home, name), device, **arguments) for home in (optim, torch.optim)]

        yield f"{name} step, beside torch's default", default, 1.05
    for name, arguments in [(name, arguments) for name, arguments in STEPS if name in FUSED]:

        def fast(device: str, name=name, arguments=arguments) -> list[Callable[[], None]]:
            mine = step_of(getattr(optim, name), device, compiled=True, **arguments)
            return [mine, step_of(getattr(torch.optim, name), device, fused=True, **arguments)]

        yield f"{name} step, compiled=True beside torch's fused=True", fast, 1.2


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
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--only", default="", help="rows whose name contains this; a minute or less instead of five")
    parser.add_argument("--memory", choices=["ours", "torch"], help=argparse.SUPPRESS)
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        print(memory(given.memory, given.case))
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {given.device}", flush=True)
    print("| what | ours | torch | ratio | at most |\n|---|---|---|---|---|", flush=True)
    for name, make, limit in cases():
        if given.only in name:
            mine, theirs = compare(*make(given.device), given.device, given.repeats)
            print(f"| {name} | {mine * 1e3:.2f} ms | {theirs * 1e3:.2f} ms | {mine / theirs:.2f} | {limit} |", flush=True)
    for case in range(3) if given.device == "cpu" and given.only in "Conv2d" else ():
        mine, theirs = (statistics.median(peak(whose, case) for _ in range(3)) for whose in ("ours", "torch"))
        sizes = f"{mine / 1024:.1f} MiB | {theirs / 1024:.1f} MiB | {mine / max(theirs, 1):.2f} | 3.0"
        print(f"| peak memory of {LAYERS[case][0]} on {LAYERS[case][3]} | {sizes} |", flush=True)


if __name__ == "__main__":
    main()
