"""`export`: write a trained model as files that run without this package, and measure that they say what it says."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf

import ajuste_fino
from ajuste_fino import bundle
from ajuste_fino.bundle import Bundle
from ajuste_fino.console import log
from ajuste_fino.data.history import History
from ajuste_fino.data.inputs import Source
from ajuste_fino.data.sample import Sample, evenly
from ajuste_fino.errors import Range, UserError, counted, nearest
from ajuste_fino.export import hub
from ajuste_fino.export.card import card
from ajuste_fino.export.extras import require_onnx
from ajuste_fino.export.formats import by_onnxruntime, by_torch, metadata, program, write_onnx, write_pt2
from ajuste_fino.export.int8 import quantise
from ajuste_fino.export.measure import Compared, compare, judge
from ajuste_fino.export.parity import arrays
from ajuste_fino.export.state_dict import Library, verify, write_state_dict
from ajuste_fino.files import sha256, write_json, write_text
from ajuste_fino.places import size
from ajuste_fino.predict import Predictor
from ajuste_fino.runs.configuration import trusted, validate_ranges
from ajuste_fino.runs.console import progress, start_log
from ajuste_fino.runs.latest import find_run
from ajuste_fino.runs.own_images import folder_of, some_images
from ajuste_fino.runs.predict import given_images
from ajuste_fino.runs.run_folder import claim, require_empty

RANGES = {"check": Range(int, 1, 10**6), "calibration": Range(int, 1, 10**6)}
FILES = {"onnx": "model.onnx", "pt2": "model.pt2", "state_dict": "backbone.safetensors"}
INT8, CARD, TABLE = "model.int8.onnx", "README.md", "export.json"
WAY_OUT = "Pass images=FOLDER with some like those of the run."


class Images(NamedTuple):
    """By which images the files are compared with the model, the 8 bits calibrated and judged."""

    compared: Sequence[Source]
    training: list[Sample]
    judging: list[Sample]


def export(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Write the files, `README.md` and `export.json` into `out`; return what was measured.

    All is written beside `out` first, so that a failure leaves nothing.

    Raises:
        UserError: where there is no such run, image or library, or the network cannot be written as a graph.
        AjusteFinoError: where a file says something else than the model.
    """
    validate_ranges(cfg, RANGES)
    start_log()
    formats = _formats(cfg)
    require_empty(out, cfg)
    api = hub.require_account(cfg.upload) if cfg.upload else None
    run = find_run(str(cfg.run))
    parts = bundle.read(run, trusted(cfg))
    if "state_dict" in formats:
        Library.of(parts.backbone.spec.name)
    images = _images(cfg, run, formats, parts.split)
    predictor = Predictor(parts, torch.device("cpu"), folder_of(run))
    with _beside(out) as folder:
        metrics, said = _write(folder, formats, bool(cfg.int8), parts, predictor, images)
        for sentence in said:
            log.info(sentence)
        names = [name for name in (*FILES.values(), INT8) if (folder / name).is_file()]
        write_text(folder / CARD, card(parts, names, predictor.metrics, said))
        hashes = {name: sha256(folder / name) for name in names}
        about = {"ajuste_fino": ajuste_fino.__version__, "labels": parts.labels, "files": hashes, "metrics": metrics}
        write_json(folder / TABLE, about)
        out = claim(out, cfg)
        out.mkdir(parents=True, exist_ok=True)
        for name in (*names, CARD, TABLE):
            (folder / name).replace(out / name)
    log.info(f"Written: {', '.join(f'{name} ({size((out / name).stat().st_size)})' for name in names)} in {out.absolute()}")
    if api is not None:
        log.info(f"Uploaded: {hub.upload(api, out, cfg.upload, bool(cfg.private))}")
    return metrics


def _formats(cfg: DictConfig) -> list[str]:
    """What `format=` names, which this machine can write."""
    given = OmegaConf.to_container(cfg.format) if OmegaConf.is_config(cfg.format) else [cfg.format]
    names = list(dict.fromkeys(map(str, given)))  # type: ignore[arg-type]
    if unknown := [name for name in names if name not in FILES]:
        raise UserError("format", f"must be of {', '.join(FILES)}", got=unknown[0], fix=nearest(unknown[0], list(FILES)))
    if not names:
        raise UserError("format", "must name at least one", got="[]", fix="Pass format=onnx.")
    if cfg.int8 and "onnx" not in names:
        fix = "Pass format=onnx as well, or leave int8 out."
        raise UserError("int8", "is made of an ONNX file", got=f"format={','.join(names)}", fix=fix)
    if "onnx" in names:
        require_onnx()
    return names


def _images(cfg: DictConfig, run: Path, formats: Sequence[str], split: str | None) -> Images:
    """The images that the work needs, which are there; `split` is the SHA-256 of the run's `split.csv`."""
    if formats == ["state_dict"]:
        return Images([], [], [])
    given, folder = cfg.images, folder_of(run)
    if folder is None and (given is None or cfg.int8):
        rule = "is a model without its run, which has the images that int8 needs" if cfg.int8 else "has no images of its own"
        raise UserError(f"run={run}", rule, fix="Pass the run folder." if cfg.int8 else WAY_OUT)
    compared: Sequence[Source]
    if given is not None:
        compared = evenly(given_images(given), cfg.check)
    else:
        assert folder is not None
        compared = some_images(folder, ("test", "val", "train"), cfg.check, WAY_OUT)
    if not cfg.int8 or folder is None:
        return Images(compared, [], [])
    back = "Bring them back, or leave int8 out."
    if unknown := History.of(folder, split).unknown:
        raise UserError(str(folder / "split.csv"), unknown, fix="Bring back the one that the run wrote, or leave int8 out.")
    training = some_images(folder, ("train",), cfg.calibration, back)
    return Images(compared, training, some_images(folder, ("val", "test"), cfg.check, back))


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A temporary folder in that of `out`, which is gone at the end."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(
    folder: Path, formats: Sequence[str], int8: bool, parts: Bundle, predictor: Predictor, images: Images
) -> tuple[dict[str, Any], list[str]]:
    """Write the files of the formats, and measure each; return the metrics, and sentences of them."""
    paths, metrics, said = {name: folder / FILES[name] for name in formats}, dict[str, Any](), list[str]()
    if "state_dict" in paths:
        write_state_dict(parts, paths["state_dict"])
        verify(parts, paths["state_dict"])
        library = Library.of(parts.backbone.spec.name)
        said.append(f"{FILES['state_dict']} gives the same features in {library.network} of {library.name}.")
    graphs = [name for name in formats if name != "state_dict"]
    if not graphs:
        return metrics, said
    compared = _compared(paths, parts, predictor, images)
    metrics |= {key: value for one in compared for key, value in one.metrics().items()}
    said += [sentence for one in compared for sentence in one.sentences(FILES[one.name])]
    if int8:
        quantise(paths["onnx"], folder / INT8, _shown(images.training, predictor, "Calibrating 8 bits"))
        runs = {"onnx": by_onnxruntime(paths["onnx"]), "int8": by_onnxruntime(folder / INT8)}
        targets = [parts.labels.index(sample.label) for sample in images.judging]
        judged = judge(runs, _shown(images.judging, predictor, "Judging 8 bits"), targets)
        metrics |= judged.metrics()
        said.append(judged.sentence(INT8, images.judging[0].split))
    return metrics, said


def _compared(paths: Mapping[str, Path], parts: Bundle, predictor: Predictor, images: Images) -> list[Compared]:
    """Write the graphs and compare them with the model; one that differs is refused."""
    log.info(
        f"Writing the model as a graph, which takes a while; then {counted(len(images.compared), 'image')} compare the two."
    )
    exported, facts = program(parts), metadata(parts, ajuste_fino.__version__)
    runs = {}
    if "onnx" in paths:
        write_onnx(exported, paths["onnx"], facts)
        runs["onnx"] = by_onnxruntime(paths["onnx"])
    if "pt2" in paths:
        write_pt2(exported, paths["pt2"], facts)
        runs["pt2"] = by_torch(paths["pt2"])
    compared = compare(runs, predictor, _shown(images.compared, predictor, "Comparing"))
    for one in compared:
        one.to_model.require(FILES[one.name])
    return compared


def _shown(sources: Sequence[Any], predictor: Predictor, what: str) -> Iterator[Any]:
    """The images as arrays, with progress."""
    return progress(arrays(sources, predictor.preprocessing.depth), len(sources), what)
