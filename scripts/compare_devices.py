"""Are two processes that train together the same as one? The weights that each ends with, and how far they are apart.

    python scripts/compare_devices.py                     # the embedded digits, gloo on the CPU
    python scripts/compare_devices.py --keys data=folder data.root=FOLDER backbone=embedded

Dropout and augmentation are off, and a batch is as large for two processes as for one. In float64 two processes differ from
one by the order of summation alone. In float32 they are compared with one process that reads each batch in other orders, of
which the largest difference of six is shown. At last the two processes are killed by SIGKILL in the middle of training, and
resumed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import descendants

from ajuste_fino.callbacks.checkpoints import load_checkpoint
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.features.extractor import AtPrecision
from ajuste_fino.freezing import Frozen
from ajuste_fino.runs import fit
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.train import train

HEAD = ("head.dropout=0", "features.precision=fp32", "epochs=3")
SCHEDULE = "{train_from: upper, epochs: 2, lr: 1e-3, backbone_lr_mult: 0.5, views: 1}"
PHASES = {
    "head": HEAD,
    "ladder": (*HEAD, "phases=ladder", f"phases.schedule=[{{train_from: head, epochs: 3}}, {SCHEDULE}]"),
}


OTHER_ORDERS = 6


def in_order(batch, number):
    """The images of a batch in an order by its number; 0: as they are."""
    return random.Random(number).sample(batch, len(batch)) if number else batch


def work(precision, order, out, keys):
    """Train, as one of the processes: in that precision, and each batch in an order."""
    trainer, batches, call = fit.pl.Trainer, EpochBatchSampler.batches, fit.Fit.__call__

    def single_at_the_end(self, classifier, *given):
        found = call(self, classifier, *given)
        classifier.float()  # what comes behind training is made for it
        return found

    fit.pl.Trainer, fit.Fit.__call__ = (lambda **given: trainer(precision=precision, **given)), single_at_the_end
    if precision == "64-true":
        Frozen.verify_frozen = lambda self: self.before  # the same numbers have other bytes
        AtPrecision.forward = lambda self, x: self.backbone(x.to(next(self.parameters()).dtype))
    EpochBatchSampler.batches = lambda self: [in_order(batch, int(order)) for batch in batches(self)]
    train(compose("train", [f"out={out}", *keys]), Path(out))


def start(precision, order, out, *keys):
    command = [sys.executable, __file__, "--work", precision, order, str(out), *keys]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def trained(home, name, *keys, precision="32-true", order="0"):
    """The final weights of a run."""
    process = start(precision, order, home / name, *keys)
    said = process.communicate()[1]
    if process.returncode:
        raise SystemExit(f"{name} ended with {process.returncode}: {said[-500:]}")
    return weights(home / name)


def weights(out):
    return load_checkpoint(out / "checkpoints" / "last.ckpt")["state_dict"]


def apart(one, other):
    """The largest difference of two trainings."""
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def killed(home, name, *keys):
    """The final weights of two processes that were killed in the middle, and resumed."""
    out = home / name
    process = start("32-true", "0", out, *keys)
    while not (out / "checkpoints" / "last.ckpt").exists() and process.poll() is None:
        time.sleep(0.01)
    for pid in (*descendants(process.pid), process.pid):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    return trained(home, name, f"resume={out}", "callbacks.last.seconds=0.05")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", nargs="*", default=[], help="further keys of train")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(*args.work[:3], args.work[3:])
        return
    print(
        "| trained | float64: two and one | float32: two and one | float32: one, and one in another order | killed, resumed |"
    )
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for name, keys in PHASES.items():
            home, keys, two = Path(folder) / name, (*keys, *args.keys), ("trainer.devices=2", "callbacks.last.seconds=0.05")
            one64, two64 = (trained(home, f"{n}-64", *keys, *given, precision="64-true") for n, given in ((1, ()), (2, two)))
            one, both = (trained(home, f"{n}-32", *keys, *given) for n, given in ((1, ()), (2, two)))
            others = [trained(home, f"order{n}", *keys, order=str(n)) for n in range(1, 1 + OTHER_ORDERS)]
            again = killed(home, "killed", *keys, *two)
            same = "equal bits" if all(again[key].equal(both[key]) for key in both) else f"{apart(again, both):.1e}"
            differences = apart(one64, two64), apart(one, both), max(apart(one, other) for other in others)
            print(f"| {' | '.join([name, *(f'{value:.1e}' for value in differences), same])} |", flush=True)


if __name__ == "__main__":
    main()
