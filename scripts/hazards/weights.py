"""Weights: flipped bits, frozen layers that move, files that would run code."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np

from hazards.material import KEYS, flip_bit, photos, trained
from hazards.registry import Outcome, hazard, steps
from hazards.shell import call, run


@hazard("bit-flips", "300 of 300 detected", size=300, quick=9, seconds=40)
def bit_flips(work, size, rng):
    """One bit is flipped: in the files of a bundle, of the feature cache, of published weights"""
    run_folder, each = trained(photos(work / "photos", rng), work / "run"), size // 3
    seen = {
        "bundle": sum(in_bundle(run_folder / "bundle", rng) for _ in steps(range(each), size)),
        "cache": sum(in_cache(Path(os.environ["XDG_CACHE_HOME"]), rng) for _ in steps(range(each), size)),
    }
    done = call(published, work, each, int(rng.integers(2**31)))
    seen["weights"] = int(done.out.strip() or 0)
    figure = ", ".join(f"{what} {count} of {each}" for what, count in seen.items())
    return Outcome(sum(seen.values()) == 3 * each, figure + (f"; {done.last}" if done.code else ""))


def in_bundle(folder: Path, rng: np.random.Generator) -> bool:
    from ajuste_fino import bundle
    from ajuste_fino.errors import UserError

    path = folder / ("model.safetensors", "bundle.json", "SHA256SUMS")[rng.integers(3)]
    good = flip_bit(path, rng)
    try:
        bundle.read(folder)
    except UserError:
        return True
    finally:
        path.write_bytes(good)
    return False


def in_cache(cache: Path, rng: np.random.Generator) -> bool:
    from ajuste_fino.store import FeatureStore

    (path,) = cache.rglob("*.npy")
    good = flip_bit(path, rng)
    store = FeatureStore.existing(path.parent)
    path.write_bytes(good)
    return store is None or store.damaged == [path]


def published(work: Path, count: int, seed: int) -> None:
    """Print how many flips are refused in the weights of a network of torchvision, whose file is named by its hash."""
    import torch
    from torchvision import models

    from ajuste_fino.backbone import build
    from ajuste_fino.errors import UserError

    file, rng, refused = work / "weights.pth", np.random.default_rng(seed), 0
    torch.save(models.squeezenet1_1().state_dict(), file)
    name = f"squeezenet1_1-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"
    models.SqueezeNet1_1_Weights.IMAGENET1K_V1.value.url = f"https://127.0.0.1:9/{name}"
    os.environ["TORCH_HOME"] = str(work / "torch")
    path = work / "torch" / "hub" / "checkpoints" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(file.read_bytes())
    build("squeezenet1_1", "pretrained")  # as it is, it is taken
    for _ in range(count):
        good = flip_bit(path, rng)
        try:
            build("squeezenet1_1", "pretrained")
        except UserError:
            refused += 1
        path.write_bytes(good)
    print(refused)


LIVE = (("features.mode=live",), ("features.mode=cached",), ("features.mode=live", "features.views=3", "batch_size=5"))


@hazard("frozen-batchnorm", "every frozen tensor the same to the bit", size=3, quick=1, seconds=5)
def frozen_batchnorm(work, size, rng):
    """Parameters and buffers of the frozen backbone, before and after training"""
    from safetensors.torch import load_file

    import ajuste_fino

    root, moved, compared = photos(work / "photos", rng), [], 0
    before = load_file(Path(ajuste_fino.__file__).parent / "weights" / "embedded.safetensors")
    for n, keys in enumerate(steps(LIVE[:size])):
        after = load_file(trained(root, work / f"run{n}", *keys) / "bundle" / "model.safetensors")
        names = [name for name in before if f"backbone.{name}" in after]
        compared += len(names)
        moved += [name for name in names if before[name].numpy().tobytes() != after[f"backbone.{name}"].numpy().tobytes()]
    return Outcome(compared > 0 and not moved, f"{compared - len(moved)} of {compared} tensors the same in {size} runs")


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def payloads(work: Path, mark: Path) -> list[tuple[str, list[str], dict[str, str]]]:
    """Files that would touch `mark`: what they are, the arguments that name them, the environment that leads there."""
    import torch

    evil, found = Payload(mark), in_torchs_cache(work, Payload(mark))
    for suffix in (".pth", ".pt", ".ckpt", ".bin", ".safetensors"):
        (work / f"plain{suffix}").write_bytes(pickle.dumps({"state_dict": evil}))
        found.append((f"pickle {suffix}", [f"backbone.weights={work / f'plain{suffix}'}"], {}))
    torch.save({"state_dict": {"a": torch.zeros(1)}, "callbacks": evil}, work / "zip.ckpt")
    torch.save({"a": evil}, work / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"a": evil}, work / "run.zip")
    found += [(name, [f"backbone.weights={work / name}"], {}) for name in ("zip.ckpt", "old.pth")]
    found.append(("zip as run", [f"config={work / 'run.zip'}"], {}))
    return found


def in_torchs_cache(work: Path, evil: Payload) -> list[tuple[str, list[str], dict[str, str]]]:
    """Where the published weights of two networks should be, a payload, in the old format and as a bare pickle."""
    import torch

    hub = work / "torch" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    torch.save({"a": evil}, hub / "alexnet-owt-7be5be79.pth", _use_new_zipfile_serialization=False)
    (hub / "squeezenet1_1-b8a52dc0.pth").write_bytes(pickle.dumps({"state_dict": evil}))
    environment = {"TORCH_HOME": str(work / "torch")}
    return [(f"torch's cache, {name}", [f"backbone={name}"], environment) for name in ("alexnet", "squeezenet1_1")]


@hazard("malicious-weights", "nothing executed, a message for each", size=10, quick=4, seconds=5)
def malicious_weights(work, size, rng):
    """Pickles with a payload: as weights, as checkpoints, in torch's cache, as a run"""
    mark, wrong = work / "executed", []
    for what, keys, environment in steps(payloads(work, mark)[:size]):
        done = run("train", f"out={work / 'run'}", *keys, **environment)
        if mark.exists() or done.code != 2 or "Traceback" in done.err:
            wrong.append(f"{what}: {'executed' if mark.exists() else f'exit code {done.code}'}, {done.last}")
        mark.unlink(missing_ok=True)
    return Outcome(not wrong, f"{size - len(wrong)} of {size}{'; ' + '; '.join(wrong) if wrong else ''}")


@hazard("non-finite", "stops within a step, exit code 1, last good kept, the batch's files named", size=2, quick=2, seconds=4)
def non_finite(work, size, rng):
    """A loss that is no number at step 7; a learning rate that explodes"""
    from hazards.checkpoints import readable

    root, wrong = photos(work / "photos", rng), []
    cases = {"nan": (nan_at_7, ()), "rate": (None, ("optimizer=sgd", "optimizer.lr=1e38"))}
    for name, (before, keys) in steps(list(cases.items())[:size]):
        out = work / name
        done = run("train", *KEYS, "epochs=9", "batch_size=6", f"data.root={root}", f"out={out}", *keys, before=before)
        named = sum(f"{path.parent.name}/{path.name}" in done.err for path in root.rglob("*.png"))
        kept = name != "nan" or readable(out / "checkpoints" / "best.ckpt")
        late = name == "nan" and "step 2 of epoch 2" not in done.err  # the seventh step, of four an epoch, from 0
        if done.code != 1 or not kept or named != 6 or late or (out / "bundle").exists():
            wrong.append(f"{name}: exit code {done.code}, {named} files named, {done.last}")
    return Outcome(not wrong, f"{size - len(wrong)} of {size}{'; ' + '; '.join(wrong) if wrong else ''}")


def nan_at_7() -> None:
    """Make the loss of the seventh step NaN."""
    at_step(7, lambda loss: loss * float("nan"))


def at_step(number, change) -> None:
    """Pass the loss of a step, counted from 1, through a function."""
    from ajuste_fino.classifier import Classifier

    real, count = Classifier.training_step, iter(range(1, 10**9))

    def step(self, batch, index):
        loss = real(self, batch, index)
        return change(loss) if next(count) == number else loss

    Classifier.training_step = step


def full_memory() -> None:
    at_step(7, raise_out_of_memory)


def raise_out_of_memory(_loss):
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@hazard("out-of-memory", "trained with half the images in a batch, told, checkpoint whole", size=1, quick=1, seconds=2)
def out_of_memory(work, size, rng):
    """OutOfMemoryError at a step of the second epoch"""
    from hazards.checkpoints import readable

    root, out = photos(work / "photos", rng), work / "run"
    done = run("train", *KEYS, "batch_size=6", f"data.root={root}", f"out={out}", before=full_memory)
    whole = all(readable(path) for path in (out / "checkpoints").glob("*.ckpt")) and (out / "checkpoints").exists()
    told = next((line for line in done.err.splitlines() if "memory is full" in line), "not told")
    reached = done.code == 0 and "batch_size=3" in done.err and whole and "Traceback" not in done.err
    return Outcome(reached, f"exit code {done.code}, {'whole' if whole else 'no whole checkpoint'}: {told}")
