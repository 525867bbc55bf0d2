"""A trained model beside what `ajuste-fino export` writes of it: are they the same, how fast are they, how often right?

    python scripts/bench_export.py FOLDER                  # trains the default backbone on FOLDER, exports it, both tables
    python scripts/bench_export.py FOLDER --run RUN        # of a run that there is
    python scripts/bench_export.py FOLDER --parity 300 --only parity

FOLDER has images in sub-folders `test/CLASS`, or in `CLASS`.

Parity: images of the folder are stored anew, of other sizes and shapes, in turns as RGB, turned by EXIF, grey, with
transparency, with 16 bits, as CMYK and with a palette, then read by `load_image`; the model in fp32 and each file get the
same arrays. Speed: from decoded images of 400 × 533 px to probabilities, resize included, in turns, the fastest
round, since others may use the machine. Accuracy: on the run's own test split, or validation split.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ajuste_fino.classifier import probabilities
from ajuste_fino.data.images import load_image
from ajuste_fino.data.kinds import SUFFIXES
from ajuste_fino.export.formats import by_onnxruntime
from ajuste_fino.export.parity import CLEAR, Parity, arrays, in_parts, outputs, reference
from ajuste_fino.predict import load
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.export import INT8, export
from ajuste_fino.runs.own_images import some_images
from ajuste_fino.scores import wilson

MODES = ("RGB", "turned", "L", "RGBA", "I;16", "CMYK", "P", "LA")
SHAPE = (533, 400)  # height and width of the images that are timed
ROUNDS = {1: 100, 32: 12}


def photographs(root, count, seed=0):
    """Paths of the folder, drawn by a fixed seed."""
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    return [found[n] for n in np.random.default_rng(seed).permutation(len(found))[:count]]


def stored_anew(paths, folder, seed=1):
    """Files of all modes and orientations, of sizes from 40 to 1,600 px and shapes up to 3 to 1."""
    rng = np.random.default_rng(seed)
    for n, path in enumerate(paths):
        long = int(np.exp(rng.uniform(np.log(40), np.log(1600))))
        sides = [long, max(16, round(long * rng.uniform(1 / 3, 1)))]
        image = load_image(path).resize(tuple(sides if rng.random() < 0.5 else sides[::-1]))
        yield stored(image, MODES[n % len(MODES)], folder / f"{n:04}", 1 + n // len(MODES) % 8)


def stored(image, mode, stem, turn):
    """One image in a file; `turn` is what its EXIF says where the mode is `turned`."""
    if mode == "turned":
        exif = Image.Exif()
        exif[274] = turn
        image.save(path := stem.with_suffix(".jpg"), exif=exif, quality=92)
    elif mode == "CMYK":
        image.convert("CMYK").save(path := stem.with_suffix(".jpg"), quality=92)
    elif mode == "I;16":
        grey = np.asarray(image.convert("L")).astype(np.uint16) * 256 + 17
        Image.fromarray(grey).save(path := stem.with_suffix(".png"))
    else:
        image = image.convert("RGB")
        if mode == "RGBA":
            image.putalpha(image.convert("L").point(lambda v: 255 - v // 3))
        image.convert(mode).save(path := stem.with_suffix(".png"))
    return path


def compare(model, files, root, count):
    """Print how far each file is from the model in fp32."""
    with tempfile.TemporaryDirectory() as folder:
        images = [np.array(load_image(path)) for path in stored_anew(photographs(root, count), Path(folder))]
    sizes = len({image.shape for image in images})
    wanted = torch.cat([reference(model, part) for part in in_parts(images)])
    print(f"\n{len(images)} images of {sizes} sizes, modes {', '.join(MODES)}, all 8 orientations\n")
    print(f"| file | largest difference | labels that differ | of them with the first two more than {CLEAR} apart |")
    print("|---|---|---|---|")
    for name, path in files.items():
        parity = Parity.of(outputs(by_onnxruntime(path), images), wanted)
        print(f"| {name} | {parity.largest:.2g} | {parity.labels} | {parity.clear} |", flush=True)


def by_model(model):
    """Arrays (N, H, W, 3) → probabilities, as `predict` computes them of decoded images, in the bundle's own precision."""

    @torch.inference_mode()
    def run(images):
        pixels = torch.stack([model.preprocessing(Image.fromarray(image)) for image in images])
        return probabilities(model.head, [model.extractor(pixels)], model.temperature).numpy()

    return run


def timed(runs, images):
    """Milliseconds for a batch, of each way, the fastest of rounds in turns."""
    seconds = {name: [] for name in runs}
    for run in runs.values():
        run(images)
    for _ in range(ROUNDS[len(images)]):
        for name, run in runs.items():
            started = time.perf_counter()
            run(images)
            seconds[name].append(time.perf_counter() - started)
    return {name: 1000 * min(values) for name, values in seconds.items()}


def judged(runs, model, run):
    """How many of how many each is right on."""
    samples = some_images(run, ("test", "val"), 10**6, "Pass the folder of a run.")
    right = dict.fromkeys(runs, 0)
    for sample, image in zip(samples, arrays(samples, model.preprocessing.depth), strict=True):
        for name, compute in runs.items():
            right[name] += model.labels[compute(image[None])[0].argmax()] == sample.label
    return right, len(samples), samples[0].split


def speed(model, files, run, root):
    runs = {"bundle, torch": by_model(model), **{name: by_onnxruntime(path) for name, path in files.items()}}
    rng = np.random.default_rng(0)
    several = [load_image(path).resize(SHAPE[::-1]) for path in photographs(root, 32)]
    batch = np.stack([np.asarray(several[n]) for n in rng.permutation(32)])
    one, many = timed(runs, batch[:1]), timed(runs, batch)
    right, count, split = judged(runs, model, run)
    print(f"\n{torch.get_num_threads()} threads; {model!r}\n")
    print(f"| | latency, batch 1 | throughput, batch 32 | accuracy, {count} {split} images | 95 % interval |")
    print("|---|---|---|---|---|")
    for name in runs:
        low, high = wilson(right[name], count)
        share = f"{right[name] / count:.4f} | {low:.3f} to {high:.3f}"
        print(f"| {name} | {one[name]:.1f} ms | {32_000 / many[name]:.0f} images/s | {share} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", type=Path, help="a run of train; without it one is made")
    parser.add_argument("--parity", type=int, default=300, help="images that compare the files with the model")
    parser.add_argument("--only", choices=["parity", "speed"])
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = wanted.run or trained(wanted.folder, Path(scratch) / "run")
        out = Path(scratch) / "export"
        few = ["check=40"] if wanted.only == "speed" else []
        export(compose("export", [f"run={run}", f"out={out}", "int8=true", *few]), out)
        model = load(run, "cpu")
        files = {"ONNX": out / "model.onnx", "ONNX, int8": out / INT8}
        if wanted.only != "speed":
            compare(model, files, wanted.folder, wanted.parity)
        if wanted.only != "parity":
            speed(model, files, run, wanted.folder)


def trained(folder, out):
    from ajuste_fino import fine_tune

    fine_tune(folder, out=str(out))
    return out


if __name__ == "__main__":
    sys.exit(main())
