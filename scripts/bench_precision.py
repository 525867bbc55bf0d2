"""How far bf16 moves the features of backbones, and the labels of a head on them, by torch and by a graph of OpenVINO.

    python scripts/bench_precision.py FOLDER --backbones embedded efficientnet_lite0 mobilenet_v2=FILE --images 900

FOLDER holds a sub-folder a class, at any depth. A logistic regression is fitted to the standardised fp32 features of five
ninths of the images, drawn by a fixed seed; of the others, the labels by the features of each way are compared. Rounding is
the root mean square of the change, in deviations of a feature.
"""

import argparse
import random
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ajuste_fino.backbone import build
from ajuste_fino.data.images import load_image
from ajuste_fino.data.kinds import SUFFIXES
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.features import Extraction, Extractor
from ajuste_fino.features.graph import CompiledExtractor
from ajuste_fino.freezing import Frozen

CPU = torch.device("cpu")
WAYS = [("torch", "fp32"), ("openvino", "fp32"), ("torch", "bf16"), ("openvino", "bf16")]


def features(wanted, paths):
    """By engine and precision, (N, D)."""
    name, _, weights = wanted.partition("=")
    backbone, _ = build(name, weights or "pretrained")
    preprocessing, frozen = Preprocessing(**backbone.preprocessing), Frozen(backbone)
    pixels = torch.stack([preprocessing(load_image(path, preprocessing.min_size)) for path in paths])
    found = {}
    for engine, precision in WAYS:
        extractor = Extractor(frozen, preprocessing, precision)
        extractor = extractor if engine == "torch" else CompiledExtractor(extractor)
        found[engine, precision] = Extraction(extractor, CPU)(pixels).numpy()
    return found


def compare(wanted, paths, split):
    labels, found = [path.parent.name for path in paths], features(wanted, paths)
    exact = found[WAYS[0]]
    scaler = StandardScaler().fit(exact[:split])
    scaled = {way: scaler.transform(values) for way, values in found.items()}
    head = LogisticRegression(C=1e-3, max_iter=200).fit(scaled[WAYS[0]][:split], labels[:split])
    told = {way: head.predict(values[split:]) for way, values in scaled.items()}
    for way in WAYS[1:]:
        rounding = ((scaled[way] - scaled[WAYS[0]]) ** 2).mean() ** 0.5
        same = (told[way] == told[WAYS[0]]).mean()
        print(f"| `{wanted.partition('=')[0]}` | {way[0]} {way[1]} | {rounding:.4f} | {same:.4f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbones", nargs="+", default=["embedded", "efficientnet_lite0"], metavar="NAME[=FILE]")
    parser.add_argument("--images", type=int, default=900)
    args = parser.parse_args()
    paths = sorted(path for path in args.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    random.Random(0).shuffle(paths)
    paths = paths[: args.images]
    print("| backbone | engine, precision | rounding | labels as by torch in fp32 |\n|---|---|---|---|")
    for wanted in args.backbones:
        compare(wanted, paths, len(paths) * 5 // 9)


if __name__ == "__main__":
    main()
