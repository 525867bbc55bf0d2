"""`extract`: the features of all images, computed once, in parts, by as many processes as there are."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.console import log, note_if_stopped
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.corrections import Correction, without_removed
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import Range, UserError, counted, preview
from ajuste_fino.features.extracted import ABOUT, Extracted
from ajuste_fino.features.keyed import LocalRunner, Runner
from ajuste_fino.features.parts import FileRow, PartWriter, known_keys, shards_there, write_list
from ajuste_fino.memory import tell_when_full
from ajuste_fino.parquet import require_pyarrow
from ajuste_fino.predict import device
from ajuste_fino.runs import extract_plan
from ajuste_fino.runs.configuration import validate_ranges
from ajuste_fino.runs.console import WORKERS, progress, run_log, workers
from ajuste_fino.runs.data import data_config
from ajuste_fino.runs.extract_listing import Listing, listing
from ajuste_fino.runs.extract_merge import clean, finish, judged, said
from ajuste_fino.runs.extract_plan import DECIDING, PLAN
from ajuste_fino.storage import Storage

RANGES = {
    "features.batch_size": Range(int, 1),
    "features.views": Range(int, 1),
    "features.pool": Range(int, 1, 4, optional=True),
    "data.image_size": Range(int, 8, 4096, optional=True),
    "actors": Range(int, 1, 4096),
    "gpus_per_actor": Range(float, 0, 16),
    "workers": WORKERS,
    **DataConfig.RANGES,
}
NO_IMAGES = "files that are no images"
STOPPED = "The features computed so far are kept; the same command goes on from them."


@run_log()
def extract(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Compute the features of all images, or of a shard of them, into `cfg.out`, a folder or a URL; return what is known of it.

    Raises:
        UserError: for a mistake in the configuration, the folder or the weights, before anything is computed; at the end for
            images that cannot be read, where they stop it.
    """
    shard, shards = _validate(cfg)
    storage = Storage("out", cfg.out)
    storage.require_writable()
    if cfg.merge:
        return _merge(cfg, storage)
    data = data_config(cfg)
    found = listing(data, shard, shards)
    if _is_ready(cfg, data, storage, found):
        return Extracted.read("out", cfg.out).about
    runner = _runner(cfg, data, storage, found.images)
    rows = _computed(runner, found.samples, storage, cfg.features.batch_size)
    rows = _without_removed(rows, found.samples, found.corrections, data.corrections)
    rows += [FileRow(one.file, one.label, "", "", NO_IMAGES, one.reason) for one in found.others]
    write_list(storage, sorted(rows), shard, shards, found.identity)
    if shards > 1:
        return _end_shard(storage, rows, data, shard, shards)
    return _end(storage, data)


def _validate(cfg: DictConfig) -> tuple[int, int]:
    """Refuse what is wrong with the keys; return which shard it is, of how many."""
    require_pyarrow("extract", "")
    validate_ranges(cfg, RANGES)
    if cfg.runner not in ("local", "ray"):
        raise UserError("runner", "must be local or ray", got=cfg.runner, fix="Pass local for this process.")
    if cfg.features.views != 1:
        fix = "Leave it out; train data.root=… features.views=4 caches views."
        raise UserError("features.views", "must be 1 for extract, the plain view", got=cfg.features.views, fix=fix)
    for key in ("data.group", "data.folds"):
        if (got := OmegaConf.select(cfg, key)) is not None:
            raise UserError(key, "has no meaning for extract", got=got, fix="Give the split by folders or by data.split.")
    if cfg.runner == "ray":
        from ajuste_fino.runs.extract_ray import require_ray

        require_ray()
    given = "0/1" if cfg.shard is None else str(cfg.shard)
    match = re.fullmatch(r"(\d+)/(\d+)", given)
    if match is None or not int(match[1]) < int(match[2]) < 10**5:
        fix = "Pass shard=0/3, shard=1/3 and shard=2/3 to three processes."
        raise UserError("shard", "must be k/n, with k from 0 to below n", got=given, fix=fix)
    return int(match[1]), int(match[2])


def _loading(cfg: DictConfig) -> LoaderConfig:
    return LoaderConfig(device(cfg.trainer.accelerator), cfg.features.batch_size, workers(cfg.workers), progress)


def _is_ready(cfg: DictConfig, data: DataConfig, storage: Storage, found: Listing) -> bool:
    """Whether all was done by an earlier start.

    Raises:
        UserError: where it was done for other files, or otherwise.
    """
    if (content := storage.read(ABOUT)) is None:
        return False
    about = json.loads(content)
    if lacking := _lacking(about, storage):
        log.warning(f"{storage.where} lacks {counted(len(lacking), 'file')} that it should have: all is computed again.")
        return False
    loading = _loading(cfg)
    plan = extract_plan.plan(cfg, extract_plan.extractor(cfg, data, loading, found.images, about), loading)[DECIDING]
    extract_plan.require_same(storage.where, {key: about.get(key) for key in plan}, plan, found.images)
    if about["listing"] != found.identity:
        rule = "has the features of other files, or of other labels"
        raise UserError(f"out={storage.where}", rule, fix="Pass another out= for those of today.")
    clean(storage)
    log.info(f"All was done before: {said(about, storage.where)}. Where images have changed since, pass another out=.")
    return True


def _lacking(about: Mapping[str, Any], storage: Storage) -> list[str]:
    """The files of the features that are no longer there."""
    there = set(storage.names())
    return [one["name"] for one in about["files"] if one["name"] not in there]


def _runner(cfg: DictConfig, data: DataConfig, storage: Storage, images: int) -> Runner:
    """What computes the features, once it is known that they may lie beside those that are there."""
    loading, before = _loading(cfg), extract_plan.kept(storage)
    extractor = extract_plan.extractor(cfg, data, loading, images, before.get(DECIDING, {}))
    plan = extract_plan.plan(cfg, extractor, loading)
    if before:
        extract_plan.require_same(storage.where, before[DECIDING], plan[DECIDING], images)
    else:
        storage.write(PLAN, (json.dumps(plan, indent=1) + "\n").encode())
    if cfg.runner == "local":
        return LocalRunner(extractor, loading)
    from ajuste_fino.runs.extract_ray import RayRunner

    return RayRunner(extractor, loading, cfg.actors, cfg.gpus_per_actor)


def _computed(runner: Runner, samples: Sequence[Sample], storage: Storage, batch_size: int) -> list[FileRow]:
    """Compute the features that are in no part yet, and write parts of them; return what became of each file."""
    known, rows, writer = known_keys(storage), list[FileRow](), PartWriter(storage)
    if known:
        log.info(f"The features of {counted(len(known), 'content')} are there already.")
    log.info(f"{counted(len(samples), 'image')} to read.")
    with note_if_stopped(STOPPED), tell_when_full("features.batch_size", batch_size), closing(runner(samples, known)) as stream:
        try:
            for batch in stream:
                fresh = [n for n, key in enumerate(batch.keys) if key not in known]
                if fresh:
                    writer.add([batch.keys[n] for n in fresh], batch.features[fresh])
                known.update(batch.keys)
                for seen in batch.seen:
                    sample = samples[seen.position]
                    rows.append(FileRow(sample.file, sample.label, sample.split, seen.key, seen.kind, seen.reason))
                    if seen.kind:
                        log.debug(f"{sample.file}: {seen.reason}")
        finally:
            writer.flush()
    return rows


def _without_removed(
    rows: list[FileRow], samples: Sequence[Sample], corrections: dict[str, Correction], table: Path | None
) -> list[FileRow]:
    """Leave out what a table of corrections removes; refuse an image that is no longer the one that was looked at."""
    if not corrections:
        return rows
    by_file = {sample.file: sample for sample in samples}
    hashed = [replace(by_file[row.file], sha256=row.key) for row in rows if not row.kind]
    left = {sample.file for sample in without_removed(hashed, corrections, table)}
    return [row for row in rows if row.kind or row.file in left]


def _end_shard(storage: Storage, rows: list[FileRow], data: DataConfig, shard: int, shards: int) -> dict[str, Any]:
    """Say what is bad in a shard, and what comes next; how many may be left out is judged of all of them at the end."""
    judged(rows, replace(data, max_skipped=1.0))
    left = shards - len(shards_there(storage).get(shards, []))
    after = f"{counted(left, 'shard')} to go; then" if left else "It was the last one; now"
    log.info(f"Shard {shard}/{shards} has ended. {after}: ajuste-fino extract out={storage.where} merge=true")
    return {"shard": shard, "shards": shards, "left": left}


def _merge(cfg: DictConfig, storage: Storage) -> dict[str, Any]:
    """Write the files of the features, once all shards have ended."""
    if storage.read(ABOUT) is not None:
        about = Extracted.read("out", cfg.out).about
        if lacking := _lacking(about, storage):
            fix = f"Start extract again without merge, which computes them:\n{preview(lacking)}"
            raise UserError(f"out={storage.where}", "must have the files that it wrote, and some are gone", fix=fix)
        clean(storage)
        log.info(f"All was done before: {said(about, storage.where)}")
        return about
    keys = cfg.data.on_bad_image, cfg.data.max_skipped
    return _end(storage, DataConfig(Path(storage.where), on_bad_image=keys[0], max_skipped=keys[1]))


def _end(storage: Storage, data: DataConfig) -> dict[str, Any]:
    about = finish(storage, data)
    log.info(said(about, storage.where))
    return about
