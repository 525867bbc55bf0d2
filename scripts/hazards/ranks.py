"""Two processes that train together: what they count, and how they stop."""

import os
import signal
import time

import numpy as np
from processes import descendants

from hazards.material import photos
from hazards.registry import Outcome, hazard, steps
from hazards.shell import require_key
from hazards.subject import alive, begin

TWO = ("data=folder", "backbone=embedded", "workers=0", "trainer.devices=2", "head.dropout=0")
IN_TIME = 10  # seconds


@hazard("several-ranks", "every image counted once, metrics equal to five digits", size=1, quick=1, seconds=30)
def several_ranks(work, size, rng):
    """103 images to validate and 103 to test, by two processes and by one"""
    require_key("train", "trainer.devices")
    root, found = work / "photos", []
    for name, each in (("train", (20, 20)), ("val", (52, 51)), ("test", (51, 52))):
        for label, images in zip("ab", each, strict=True):
            photos(root / name, rng, classes=(label,), each=images)
    for name, keys in (("one", ("trainer.devices=1",)), ("two", ())):
        out = work / name
        process = begin("train", f"data.root={root}", f"out={out}", *TWO, "epochs=1", *keys)
        said = process.communicate()[1]
        if process.returncode:
            return Outcome(False, f"{name}: exit code {process.returncode}, {said[-200:]}")
        row = (out / "metrics.csv").read_text().splitlines()[-1].split(",")
        images = len((out / "predictions_test.csv").read_text().splitlines()) - 1
        found.append((images, [round(float(number), 5) for number in row]))
    same = found[0] == found[1]
    return Outcome(same and found[0][0] == 103, f"{found[1][0]} images; {'equal' if same else found}")


@hazard("ranks-signals", "20 of 20 end in 10 s, saved, with no process left", size=20, quick=1, seconds=300)
def ranks_signals(work, size, rng):
    """SIGTERM and SIGINT to the group of two processes that train, to the first, and to the second"""
    require_key("train", "trainer.devices")
    root, wrong, slowest = photos(work / "photos", rng, each=16), [], 0.0
    for n in steps(range(size)):
        out, number = work / f"run{n}", (signal.SIGTERM, signal.SIGINT)[n % 2]
        process = begin("train", f"data.root={root}", f"out={out}", *TWO, "epochs=100000", "patience=100000")
        while not (out / "checkpoints" / "best.ckpt").exists() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1))
        if process.poll() is not None:
            return Outcome(False, f"exit code {process.returncode} before the signal, {process.communicate()[1][-300:]}")
        pids, begun = [process.pid, *descendants(process.pid)], time.monotonic()
        if n // 2 % 3 == 0:
            os.killpg(process.pid, number)
        else:
            os.kill(pids[n // 2 % 3 - 1], number)
        while alive(pids) and time.monotonic() - begun < 3 * IN_TIME:
            time.sleep(0.02)
        seconds, left = time.monotonic() - begun, alive(pids)
        said = process.communicate()[1] if process.pid not in left else ""
        slowest = max(slowest, seconds)
        whole = (out / "bundle" / "bundle.json").exists() and (out / "checkpoints" / "last.ckpt").exists()
        if process.returncode != 128 + number or left or not whole or seconds > IN_TIME:
            to = ("the group", "the first", "the second")[n // 2 % 3]
            what = f"{number.name} to {to}: exit code {process.returncode}, {len(left)} left, saved {whole}, {seconds:.1f} s"
            wrong.append(f"{what}, {said[-200:]}")
            for pid in left:
                os.kill(pid, signal.SIGKILL)
    return Outcome(not wrong, "; ".join([f"{size - len(wrong)} of {size}, at most {np.ceil(slowest):.0f} s", *wrong[:3]]))
