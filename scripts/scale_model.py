"""The cost model of docs/scale.md: what each stage does a second, which is the slowest, and what is paid besides.

`python scripts/bench_scale.py` measures what it needs, checks it and prints its tables. Seconds and bytes everywhere.
"""

from dataclasses import dataclass
from math import ceil

from ajuste_fino.data.sources.source import MOST
from ajuste_fino.features.extracted import GROUPS, group_rows
from ajuste_fino.features.merge import CHUNK_BYTES
from ajuste_fino.features.parts import PART_BYTES, PART_SECONDS

READ_ROWS = 0.8  # of all rows that an epoch reads: all but the test split


@dataclass(frozen=True)
class Costs:
    """What an image, a name and a row cost."""

    image_bytes: float  # of a file
    decode_s: float  # of a core: hash, decode, resize
    forward_s: float  # of a device
    part_s: float  # of the process that has the device: encode, hash and write a row of a part
    width: int  # numbers of a feature
    row_bytes: float  # of a feature in a file, with its name
    name_s: float  # a shard lists a name, its own or not
    visit_s: float  # the merge opens a part and reads some groups of rows of it
    merge_s: float  # the merge reads a row, encodes and writes it
    row_memory: float  # bytes that a row's name, label and hash take in the merge
    index_s: float  # training reads the label of a row, once
    head_s: float  # training reads a row, and steps


@dataclass(frozen=True)
class Machines:
    """Devices, each with a process, and what they share."""

    devices: int
    cores: float  # that decode for each of them
    read: float  # bytes a second, of all together
    write: float
    wait: float = 0.0  # until the first byte of an image comes
    beside: bool = True  # cores decode beside the device; False: the device is these cores, and both take turns


def stages(costs: Costs, machines: Machines) -> dict[str, float]:
    """Images a second that each stage lets pass.

    A worker waits for the bytes that it decodes, and a process for those that it writes, which takes their time as well.
    """
    decode = (machines.wait + costs.image_bytes / machines.read + costs.decode_s) / machines.cores
    forward = costs.forward_s + costs.part_s + costs.row_bytes / machines.write
    limits = {"read": machines.read / costs.image_bytes, "write": machines.write / costs.row_bytes}
    if not machines.beside:
        return limits | {"decode + forward": machines.devices / (decode + forward)}
    return limits | {"decode": machines.devices / decode, "forward": machines.devices / forward}


def slowest(costs: Costs, machines: Machines) -> tuple[str, float]:
    """The stage that limits, and its images a second."""
    return min(stages(costs, machines).items(), key=lambda stage: stage[1])


def cores_needed(costs: Costs, wait: float = 0.0) -> float:
    """Cores that keep a device busy."""
    return (wait + costs.decode_s) / (costs.forward_s + costs.part_s)


def times_read(rows: int, shards: int) -> float:
    """How often a piece of so many rows of Parquet is read: by each shard that has one of them, as their hashes decide."""
    return shards * (1 - (1 - 1 / shards) ** rows)


def parts_and_chunks(width: int, rows: int, shards: int, a_second: float) -> tuple[int, int]:
    """How many parts extraction leaves, and in how many chunks the merge puts them in order, opening every part for each.

    Args:
        a_second: rows that a process computes; a part ends by its size or its age.
    """
    of_part = max(min(PART_BYTES / (4 * width), PART_SECONDS * a_second), 1)
    of_file = GROUPS * group_rows(width)
    of_chunk = max(CHUNK_BYTES // (4 * width * of_file), 1) * of_file
    return shards * ceil(rows / shards / of_part), ceil(rows / of_chunk)


@dataclass(frozen=True)
class Plan:
    """Seconds of each step, one after the other, and bytes."""

    limit: str  # the stage that decides `extract`
    listing: float
    extract: float
    merge: float
    index: float
    epoch: float
    bytes: float  # of the features
    memory: float  # of the merge

    @property
    def features(self) -> float:
        """Until the features lie there."""
        return self.listing + self.extract + self.merge


def plan(costs: Costs, machines: Machines, images: int) -> Plan:
    """What `extract` of so many images costs, and training on their features.

    A shard has `MOST` images at most, so that a device may have several, each of which lists all names; merge and training are
    one process each.
    """
    limit, rate = slowest(costs, machines)
    shards = max(ceil(images / MOST), machines.devices)
    parts, chunks = parts_and_chunks(costs.width, images, shards, rate / machines.devices)
    return Plan(
        limit,
        listing=ceil(shards / machines.devices) * images * costs.name_s,
        extract=images / rate,
        merge=parts * chunks * costs.visit_s + images * costs.merge_s,
        index=images * costs.index_s,
        epoch=READ_ROWS * images * costs.head_s,
        bytes=images * costs.row_bytes,
        memory=images * costs.row_memory,
    )
