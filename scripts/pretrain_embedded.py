"""Make the embedded backbone's weights from formulas alone: which fractals are in the image?

    python scripts/pretrain_embedded.py --images 560_000 --work pretraining

Prints its progress and the time left. Ctrl-C stops it, and the same command goes on. It runs on CUDA where there is
one. `embedded.safetensors` and `embedded.log.csv` go to the folder of the package's weights.
"""

import argparse
import csv
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy

from ajuste_fino.backbone.embedded import CHANNELS, EmbeddedNet
from ajuste_fino.files import atomic
from ajuste_fino.lecture.fractals import render_masks, scenes

MEAN, STD = 0.5, 0.25
READ = 2  # the block that has a reader of its own: where the network is cut later


class Task(nn.Module):
    """The network with two readers, one of the last block's mean and one of the middle block's 4×4 grid.

    The second keeps the middle of the network, where it is cut later, discriminative.
    Source: Lee, Xie, Gallagher, Zhang and Tu, "Deeply-Supervised Nets", AISTATS 2015.
    """

    def __init__(self, systems: int) -> None:
        super().__init__()
        self.net = EmbeddedNet(systems)
        self.reader = nn.Linear(CHANNELS[READ - 1] * 16, systems)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, s, s) in [0, 1] → the logits of both readers, (N, systems) each."""
        x = (x - MEAN) / STD
        for name, block in self.net.features.named_children():
            x = block(x)
            if name == f"block{READ}":
                middle = self.reader(adaptive_avg_pool2d(x, 4).flatten(1))
        return self.net.classifier(x.mean((2, 3))), middle


def multi_label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy against the present systems in equal shares: (N, S), multi-hot (N, S) → scalar.

    It learns from the first step, where independent sigmoids first spend thousands on saying "absent".
    Source: Mahajan et al., "Exploring the Limits of Weakly Supervised Pretraining", ECCV 2018, section 2.2.
    """
    return cross_entropy(logits.float(), labels / labels.sum(1, keepdim=True))


def layers(step: int, steps: int) -> int:
    """How many fractals an image holds at most: one at first, two from 15 %, three from 35 % of the steps."""
    return 1 + (step >= 0.15 * steps) + (step >= 0.35 * steps)


def arguments() -> argparse.Namespace:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--images", type=int, default=560_000)
    ask.add_argument("--systems", type=int, default=256, help="classes: iterated function systems")
    ask.add_argument("--variants", type=int, default=48, help="masks rendered of each")
    ask.add_argument("--batch", type=int, default=64)
    ask.add_argument("--size", type=int, default=64, help="px")
    ask.add_argument("--rate", type=float, default=2e-3, help="the learning rate at its peak")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--work", type=Path, default=Path("pretraining"), help="where it can be resumed from")
    ask.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "ajuste_fino" / "weights")
    return ask.parse_args()


class Run:
    """Task, optimizer, schedule and the step they are at; saved whole, so that a stop loses 250 steps at most."""

    def __init__(self, args: argparse.Namespace, device: str) -> None:
        torch.manual_seed(args.seed)
        self.args, self.device, self.step, self.steps = args, device, 0, args.images // args.batch
        self.state, self.log = args.work / "state.pt", args.work / "log.csv"
        self.task = Task(args.systems).to(device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.task.parameters(), lr=args.rate, weight_decay=0.02)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, args.rate, self.steps, pct_start=0.1)
        if self.state.exists():
            self.load()

    def load(self) -> None:
        kept = torch.load(self.state, weights_only=True, map_location=self.device)
        for name in ("task", "optimizer", "schedule"):
            getattr(self, name).load_state_dict(kept[name])
        self.step = kept["step"]

    def save(self) -> None:
        kept = {name: getattr(self, name).state_dict() for name in ("task", "optimizer", "schedule")}
        with atomic(self.state) as temporary:
            torch.save({**kept, "step": self.step}, temporary)

    def train_step(self, pool: Tensor) -> Tensor:
        """One batch, which seed and step alone decide; returns loss and the readers' top-1 precision, (3,)."""
        generator = torch.Generator().manual_seed(self.args.seed * 1_000_003 + self.step + 1)
        most = layers(self.step, self.steps)
        images, labels = scenes(pool, self.args.batch, self.args.size, generator, most)
        images, labels = images.to(self.device, memory_format=torch.channels_last), labels.to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            logits = self.task(images)
        loss = sum(multi_label_loss(one, labels) for one in logits) / 2
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        right = [labels.gather(1, one.argmax(1, keepdim=True)).mean() for one in logits]
        return torch.stack([loss.detach(), *right]).cpu()


def train(run: Run, pool: Tensor) -> None:
    start, first, recent = time.time(), run.step, []
    while run.step < run.steps:
        recent.append(run.train_step(pool))
        if run.step % 50 == 0:
            loss, last, middle = torch.stack(recent[-50:]).mean(0).tolist()
            rate = (run.step - first) * run.args.batch / (time.time() - start)
            left = (run.steps - run.step) * run.args.batch / rate / 60
            with run.log.open("a", newline="") as file:
                csv.writer(file).writerow([run.step, run.step * run.args.batch, f"{loss:.4f}", f"{last:.4f}", f"{middle:.4f}"])
            progress = f"loss {loss:.3f}  precision {last:.3f} (block {READ}: {middle:.3f})"
            print(f"step {run.step}/{run.steps}  {progress}  {rate:.0f} images/s  {left:.0f} min left", flush=True)
        if run.step % 250 == 0:
            run.save()


def main() -> None:
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pool = render_masks(args.systems, args.variants, args.size, torch.Generator().manual_seed(args.seed))
    run = Run(args, device)
    train(run, pool)
    tensors = run.task.net.features.cpu().state_dict(prefix="features.")
    with atomic(args.out / "embedded.safetensors") as temporary:
        save_file({k: v.contiguous() for k, v in tensors.items() if v.is_floating_point()}, temporary)
    with atomic(args.out / "embedded.log.csv") as temporary:
        temporary.write_text("step,images,loss,precision_last,precision_middle\n" + run.log.read_text())


if __name__ == "__main__":
    main()
