"""The README.md beside exported files: a model card as the Hugging Face Hub reads it, and how to run them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ajuste_fino.bundle import Bundle
from ajuste_fino.export.state_dict import Library

LICENCES = {"mit": "mit", "apache-2.0": "apache-2.0", "cc-by-nc-4.0": "cc-by-nc-4.0", "cc-by-4.0": "cc-by-4.0"}
SPLITS = {"test": "test split", "val": "validation split"}
KINDS = {"accuracy": ("accuracy", "Accuracy"), "macro_f1": ("f1", "Macro F1")}
FITTED = {
    "squash": "the whole image resized to {size} × {size} px",
    "pad": "the longer side resized to {size} px, the rest of the square in the mean colour",
    "crop": "the shorter side resized to {resize} px, the {size} × {size} px in the middle cut out",
}

ONNX = """\
import json
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("{file}")
labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
image = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
probabilities = session.run(None, {{"images": np.asarray(image)[None]}})[0][0]
print(labels[probabilities.argmax()], probabilities.max())
"""
PT2 = """\
import json
import numpy as np
import torch
from PIL import Image, ImageOps

files = {{"metadata.json": ""}}
network = torch.export.load("{file}", extra_files=files).module()
labels = json.loads(json.loads(files["metadata.json"])["labels"])
image = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
probabilities = network(torch.from_numpy(np.array(image))[None])[0]
print(labels[probabilities.argmax()], probabilities.max().item())
"""
TIMM = """\
import timm
from safetensors.torch import load_file

network = timm.create_model("{network}", num_classes=0)
print(network.load_state_dict(load_file("{file}"), strict=False))
"""
TORCHVISION = """\
from safetensors.torch import load_file
from torchvision.models import get_model

network = get_model("{network}", weights=None)
print(network.load_state_dict(load_file("{file}"), strict=False))
"""
BEFORE = """\
`images` is uint8 (batch, height, width, 3), of any height and width: decoded, upright, RGB. `probabilities` is (batch,
{classes}), in the order of the labels. Inside, as in training:

- {fitted}, antialiased, rounded to uint8;
- normalisation, backbone, head, temperature, softmax.

Before it, do what training did when it decoded an image, which `ajuste_fino.data.images.load_image` does{depth}:

- the EXIF orientation is applied;
- transparency is laid on white;
- 16-bit grey is divided by {white}; grey, palettes and CMYK become RGB.
"""


def code(name: str, parts: Bundle) -> str:
    """How to run one of the files, in about ten lines."""
    if name.endswith(".safetensors"):
        library = Library.of(parts.backbone.spec.name)
        return (TIMM if library.name == "timm" else TORCHVISION).format(file=name, network=library.network)
    return (ONNX if name.endswith(".onnx") else PT2).format(file=name)


def card(parts: Bundle, files: Sequence[str], metrics: Mapping[str, Any], said: Sequence[str]) -> str:
    """The text of README.md.

    Args:
        files: the names of what was exported.
        metrics: those of the run, by the names of `metrics.json`.
        said: sentences of what was measured of the files.
    """
    labels, spec = parts.labels, parts.backbone.spec
    layer = f", up to `{spec.layer}`" if spec.layer else ""
    results = _results(metrics)
    sections = [
        f"---\n{_front(parts, files, results)}---\n",
        "# Image classifier\n",
        f"It tells {len(labels)} classes apart: {', '.join(_escaped(label) for label in labels)}.\n",
        *(f"{name} {text} ({of}).\n" for name, text, of, *_ in results),
        f"Backbone: `{spec.name}`{layer}; weights: {parts.backbone.origin or 'of an origin that is not known'}.\n",
        *(f"{sentence}\n" for sentence in said),
    ]
    graphs = [name for name in files if not name.endswith(".safetensors")]
    if graphs:
        sections.append(f"## What goes in\n\n{_before(parts)}")
    for name in files:
        as_other = name.endswith(".int8.onnx")
        how = "As the file in float32.\n" if as_other else "```python\n" + code(name, parts) + "```\n"
        sections.append(f"## How to run `{name}`\n\n{how}")
    return "\n".join(sections)


def _front(parts: Bundle, files: Sequence[str], results: Sequence[tuple[str, str, str, str, float]]) -> str:
    """The YAML that the hub reads; a licence only where that of the backbone's weights is known."""
    found = next((LICENCES[word] for word in re.split(r"[;,\s]+", parts.backbone.origin.lower()) if word in LICENCES), None)
    libraries = {".onnx": "onnx", ".pt2": "pytorch"}
    first = next((name for end, name in libraries.items() if any(file.endswith(end) for file in files)), None)
    front: dict[str, Any] = {
        **({"license": found} if found else {}),
        "library_name": first or Library.of(parts.backbone.spec.name).name,
        "pipeline_tag": "image-classification",
        "tags": ["ajuste_fino", "transfer-learning"],
        "labels": parts.labels,
    }
    if results:
        measured = [{"type": kind, "name": f"{name}, {of}: {text}", "value": value} for name, text, of, kind, value in results]
        result = {
            "task": {"type": "image-classification"},
            "dataset": {"type": "imagefolder", "name": results[0][2]},
            "metrics": measured,
        }
        front["model-index"] = [{"name": f"ajuste_fino {parts.backbone.spec.name}", "results": [result]}]
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=120)


def _results(metrics: Mapping[str, Any]) -> list[tuple[str, str, str, str, float]]:
    """Name, value with its interval, split, kind and value of the metrics of the split that judged the run."""
    split = next((name for name in SPLITS if f"{name}/accuracy" in metrics), None)
    if split is None:
        return []
    found = []
    for key, (kind, name) in KINDS.items():
        if (value := metrics.get(f"{split}/{key}")) is not None:
            limits = [metrics.get(f"{split}/{key}_{end}") for end in ("low", "high")]
            interval = f" (95 % interval {limits[0]:.3f} to {limits[1]:.3f})" if None not in limits else ""
            found.append((name, f"{value:.4f}{interval}", SPLITS[split], kind, float(value)))
    return found


def _before(parts: Bundle) -> str:
    how = parts.preprocessing
    rule = "squash" if how.squash else "pad" if how.pad else "crop"
    white = 257 if how.depth is None else f"{(2**how.depth - 1) / 255:g}, where {2**how.depth - 1} is white"
    depth = f", with depth={how.depth}" if how.depth else ""
    fitted = FITTED[rule].format(size=how.size, resize=how.resize)
    return BEFORE.format(fitted=fitted, classes=len(parts.labels), white=white, depth=depth)


def _escaped(label: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(label.split()))
