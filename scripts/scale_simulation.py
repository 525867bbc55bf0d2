"""Extraction by workers that sleep, to see whether scale_model.py tells what queues, batches and shared links make of it.

`python scripts/bench_scale.py` runs it. A process is made as `extract` is: workers read and decode batches ahead, two each,
which are taken in their order; the process itself computes and writes. On a CPU they take turns. What sleeps takes no core, so
it is the model that is tested, not the machine. Decoding takes as long as chance says, with a deviation of half its mean.
"""

import random
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from scale_model import Costs, Machines

AHEAD, BATCH, PART = 2, 8, 64  # batches that a worker has at work; images of one; rows of a part, and of a batch in turns
SPREAD = 4  # shape of the gamma distribution of an image's decoding: a deviation of 1/√4 of the mean


@dataclass
class Link:
    """A bandwidth that all share: who comes later waits."""

    rate: float  # bytes a second
    free: float = 0.0
    lock: Lock = field(default_factory=Lock)

    def send(self, size: float) -> None:
        with self.lock:
            self.free = max(self.free, time.monotonic()) + size / self.rate
            until = self.free
        time.sleep(max(until - time.monotonic(), 0))


@dataclass
class Process:
    """A process with its workers, beside others."""

    costs: Costs
    machines: Machines
    read: Link
    write: Link
    random: random.Random

    def run(self, images: int) -> None:
        if self.machines.beside:
            self._beside(images // BATCH)
        else:
            self._in_turns(images // PART)

    def _decode(self, images: int) -> None:
        time.sleep(self.machines.wait * images)
        self.read.send(images * self.costs.image_bytes)
        time.sleep(sum(self.random.gammavariate(SPREAD, self.costs.decode_s / SPREAD) for _ in range(images)))

    def _compute(self, images: int, done: int) -> None:
        time.sleep(images * self.costs.forward_s)
        if done % PART == 0:
            time.sleep(PART * self.costs.part_s)
            self.write.send(PART * self.costs.row_bytes)

    def _beside(self, batches: int) -> None:
        workers = int(self.machines.cores)
        with ThreadPoolExecutor(workers) as pool:
            waiting = deque(pool.submit(self._decode, BATCH) for _ in range(min(AHEAD * workers, batches)))
            for batch in range(batches):
                waiting.popleft().result()
                if batch + AHEAD * workers < batches:
                    waiting.append(pool.submit(self._decode, BATCH))
                self._compute(BATCH, (batch + 1) * BATCH)

    def _in_turns(self, batches: int) -> None:
        with ThreadPoolExecutor(int(self.machines.cores)) as pool:
            for _ in range(batches):
                list(pool.map(self._decode, [1] * PART))
                self._compute(PART, PART)


def simulated(costs: Costs, machines: Machines, seconds: float, rate: float) -> float:
    """Images a second of all processes, from the start to the end of the last, while they work for some seconds.

    Args:
        rate: of all of them that is expected, which decides how many images each gets.
    """
    images = max(round(seconds * rate / machines.devices / PART), 1) * PART
    read, write = Link(machines.read), Link(machines.write)
    processes = [Process(costs, machines, read, write, random.Random(n)) for n in range(machines.devices)]
    begun = time.monotonic()
    with ThreadPoolExecutor(machines.devices) as pool:
        list(pool.map(Process.run, processes, [images] * machines.devices))
    return machines.devices * images / (time.monotonic() - begun)
