"""A trained model as a graph in one file: ONNX, or torch's own format (.pt2)."""

import ast
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import Dim, ExportedProgram

from ajuste_fino.bundle import Bundle
from ajuste_fino.errors import UserError
from ajuste_fino.escape import printable
from ajuste_fino.export.extras import quiet
from ajuste_fino.export.network import Deployed

INPUT, OUTPUT = "images", "probabilities"
AXES = ("batch", "height", "width")
EXAMPLE = (2, 130, 95, 3)  # three sizes that differ from one another, and from all others
SCOPES = "pkg.torch.onnx.name_scopes"
BACKBONE = "backbone/"  # how the names of its nodes begin
Run = Callable[[np.ndarray], np.ndarray]


def program(parts: Bundle) -> ExportedProgram:
    """The operations from images (N, H, W, 3) to probabilities (N, C), for every N, H and W.

    Raises:
        UserError: where torch cannot follow the code of the network.
    """
    example = torch.zeros(EXAMPLE, dtype=torch.uint8)
    axes = (dict.fromkeys(range(len(AXES)), Dim.DYNAMIC),)
    try:
        with quiet(), torch.no_grad():
            exported = torch.export.export(Deployed(parts), (example,), dynamic_shapes=axes, strict=False)
    except Exception as error:  # whatever the code of a network runs into
        name, reason = parts.backbone.spec.name, printable(" ".join(str(error).split()), most=200)
        fix = "Train with another backbone, or pass format=state_dict."
        raise UserError(f"The backbone {name}", f"cannot be exported as a graph ({reason})", fix=fix) from error
    for node in exported.graph.nodes:
        node.meta.pop("stack_trace", None)  # which has paths of this machine
    return exported


def metadata(parts: Bundle, version: str) -> dict[str, str]:
    """What a reader of the file must know, as texts; lists and numbers are JSON."""
    return {
        "labels": json.dumps(parts.labels, ensure_ascii=False),
        "preprocessing": json.dumps(parts.preprocessing.metadata()),
        "input": "uint8 (batch, height, width, 3): decoded, upright, RGB, of any size; all else is inside",
        "temperature": repr(parts.temperature),
        "backbone": json.dumps(parts.backbone.spec.to_dict()),
        "origin": parts.backbone.origin,
        "ajuste_fino": version,
    }


def write_pt2(exported: ExportedProgram, path: Path, facts: Mapping[str, str]) -> None:
    with quiet():
        torch.export.save(exported, path, extra_files={"metadata.json": json.dumps(facts, ensure_ascii=False)})


def write_onnx(exported: ExportedProgram, path: Path, facts: Mapping[str, str]) -> None:
    """Write one file, its weights inside; each node is named by the part it is of, `backbone/…`, `resize/…` or `head/…`."""
    with quiet():
        made = torch.onnx.export(exported, dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False)
        assert made is not None
        model = made.model_proto
    for value in (*model.graph.input, *model.graph.output):
        for axis, name in zip(value.type.tensor_type.shape.dim, AXES, strict=False):
            if axis.dim_param:
                axis.dim_param = name
    del model.graph.value_info[:]  # sizes by the names they had
    for node in model.graph.node:
        node.name = _part(node) + node.name
        del node.metadata_props[:]  # among which are paths of this machine
    for key, text in facts.items():
        model.metadata_props.add(key=key, value=text)
    path.write_bytes(model.SerializeToString())


def _part(node: Any) -> str:
    scopes = next((one.value for one in node.metadata_props if one.key == SCOPES), "[]")
    parts = [scope for scope in ast.literal_eval(scopes)[:-1] if scope]
    return f"{parts[0]}/" if parts else ""


def by_onnxruntime(path: Path) -> Run:
    """Images (N, H, W, 3) → probabilities (N, C) on the CPU, as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(None, {INPUT: images})[0])


def by_torch(path: Path) -> Run:
    """The same of a .pt2 file."""
    with quiet():
        module = torch.export.load(path).module()

    def run(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found: np.ndarray = module(torch.from_numpy(images)).numpy()
        return found

    return run
