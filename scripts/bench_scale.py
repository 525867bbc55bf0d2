"""What a run past this machine would cost: constants measured here, the model checked, the plan printed.

    python scripts/bench_scale.py FOLDER --save costs.json      constants, checks by simulation and by `extract` itself, plan
    python scripts/bench_scale.py --costs costs.json --cores 32 the plan alone, of constants that were saved
    python scripts/bench_scale.py FOLDER --costs costs.json     the check by `extract`, and the plan
    python scripts/bench_scale.py --simulate                    the simulation alone

The model is scripts/scale_model.py, the simulation scripts/scale_simulation.py; docs/scale.md tells what they say. What a GPU
computes and what a network carries is not measured but assumed, by the options that say so; it is printed beside the plan.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

from scale_model import Costs, Machines, cores_needed, plan, slowest, stages, times_read
from scale_simulation import simulated

GB, HOUR = 1e9, 3600.0
DEVICES, IMAGES = (1, 8, 800), (10**6, 10**8, 10**9)
PIECE = 1000  # rows of Parquet that are read at once, such as a group of them
PROCESSES = (1, 2, 4, 8)
MADE_UP = Costs(100e3, 0.008, 0.001, 0.0001, 1280, 5e3, 0, 0, 0, 0, 0, 0)
FREE = Machines(1, 4, 1e12, 1e12)
CASES = {  # what limits: costs and machines of the simulation
    "decoding": (MADE_UP, FREE),
    "the device": (replace(MADE_UP, forward_s=0.004), FREE),
    "waiting for each image": (MADE_UP, replace(FREE, wait=0.02)),
    "reading, 100 MB/s for all": (MADE_UP, replace(FREE, read=1e8)),
    "writing, 5 MB/s for all": (MADE_UP, replace(FREE, write=5e6)),
    "turns, as on a CPU": (MADE_UP, replace(FREE, beside=False)),
}


def show_simulation(seconds: float) -> None:
    print("\n| limited by | processes | slowest stage | predicted images/s | simulated | ratio |\n|---|---|---|---|---|---|")
    for name, (costs, machines) in CASES.items():
        for count in PROCESSES:
            these = replace(machines, devices=count)
            limit, rate = slowest(costs, these)
            found = simulated(costs, these, seconds, rate)
            print(f"| {name} | {count} | {limit} | {rate:,.0f} | {found:,.0f} | {found / rate:.2f} |", flush=True)


def machines_of(given: argparse.Namespace, devices: int) -> Machines:
    """So many GPUs in hosts, whose links and the storage limit what all can read and write."""
    hosts = -(-devices // given.host)
    both = min(given.storage, given.link * hosts) * GB
    return Machines(devices, given.cores, both, both, given.wait / 1000)


def on_gpus(costs: Costs, given: argparse.Namespace) -> Costs:
    return replace(costs, forward_s=1 / given.gpu_images)


def duration(seconds: float) -> str:
    for size, name in ((365.25 * 86400, "years"), (86400, "days"), (HOUR, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {name}"
    return f"{seconds:.1f} s"


def amount(size: float) -> str:
    for power, name in ((15, "PB"), (12, "TB"), (9, "GB"), (6, "MB")):
        if size >= 10**power:
            return f"{size / 10**power:,.1f} {name}"
    return f"{size / 1000:.1f} kB"


def show_costs(costs: Costs) -> None:
    shown = {
        "bytes of an image": amount(costs.image_bytes),
        "images that a core decodes a second": f"{1 / costs.decode_s:,.0f}",
        "images that the backbone passes a second on this CPU": f"{1 / costs.forward_s:,.0f}",
        "rows that a process encodes, hashes and writes a second": f"{1 / costs.part_s:,.0f}",
        "numbers of a feature, bytes of its row": f"{costs.width:,}, {costs.row_bytes:,.0f}",
        "names that a shard lists a second": f"{1 / costs.name_s:,.0f}",
        "a part opened by the merge, some rows read": f"{1000 * costs.visit_s:.1f} ms",
        "rows that the merge reads, encodes and writes a second": f"{1 / costs.merge_s:,.0f}",
        "memory of a row in the merge": f"{costs.row_memory:,.0f} bytes",
        "rows whose labels training reads a second, before it begins": f"{1 / costs.index_s:,.0f}",
        "rows of training and validation a second of an epoch": f"{1 / costs.head_s:,.0f}",
    }
    print("\n| constant | measured |\n|---|---|")
    print(*(f"| {name} | {value} |" for name, value in shown.items()), sep="\n")


def show_plan(costs: Costs, given: argparse.Namespace) -> None:
    costs = on_gpus(costs, given)
    print(
        f"\nAssumed: a GPU passes {given.gpu_images:,.0f} images/s, {given.cores:g} cores decode for it, {given.host} GPUs "
        f"share a link of {given.link:g} GB/s, storage of {given.storage:g} GB/s, {given.wait:g} ms until an image comes."
    )
    steps = "read | decode | forward | write | limit | list | extract | merge | in all | features | labels | epoch"
    print(f"\n| images | GPUs | {steps} |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for images in IMAGES:
        for devices in DEVICES:
            machines = machines_of(given, devices)
            rates = stages(costs, machines)
            each = (duration(images / rates[stage]) for stage in ("read", "decode", "forward", "write"))
            found = plan(costs, machines, images)
            after = map(duration, (found.listing, found.extract, found.merge, found.features))
            head = duration(found.index), duration(found.epoch)
            cells = f"{images:.0e}".replace("e+0", "e"), devices, *each, found.limit, *after, amount(found.bytes), *head
            print("| " + " | ".join(map(str, cells)) + " |")
    print("\n| images | memory of the merge |\n|---|---|")
    print(*(f"| {images:.0e} | {amount(images * costs.row_memory)} |".replace("e+0", "e") for images in IMAGES), sep="\n")


def show_variants(costs: Costs, given: argparse.Namespace) -> None:
    """What moves the limit, at the most GPUs; and what one GPU needs."""
    costs, machines = on_gpus(costs, given), machines_of(given, DEVICES[-1])
    print(f"\n| {DEVICES[-1]} GPUs | images/s | of what the GPUs could | limit |\n|---|---|---|---|")
    for wait in (0.0, 0.03):
        for size in (costs.image_bytes, 5 * costs.image_bytes):
            for cores in (given.cores, 4 * given.cores, 8 * given.cores):
                these, at = replace(costs, image_bytes=size), replace(machines, cores=cores, wait=wait)
                limit, rate = slowest(these, at)
                name = f"{cores:g} workers a GPU, {amount(size)} an image, {1000 * wait:g} ms wait"
                print(f"| {name} | {rate:,.0f} | {rate / stages(these, at)['forward']:.0%} | {limit} |")
    own = 1 / (costs.forward_s + costs.part_s)
    read, written = own * costs.image_bytes, own * costs.row_bytes
    print(
        f"\nA GPU kept busy takes {own:,.0f} images/s, for which {cores_needed(costs):.0f} cores decode, or "
        f"{cores_needed(costs, 0.03):.0f} workers where each image is waited for 30 ms. It reads {amount(read)}/s and writes "
        f"{amount(written)}/s: {given.storage * GB / read:,.0f} such GPUs use up {given.storage:g} GB/s of storage."
    )
    often = ", ".join(f"{times_read(PIECE, devices):,.0f} times by {devices}" for devices in DEVICES)
    print(f"A piece of {PIECE:,} rows of Parquet is read as often as shards have rows of it: {often}.")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folder", nargs="?", type=Path, help="of images, in folders of classes, on which constants are measured"
    )
    parser.add_argument("--images", type=int, default=512, help="that are decoded and passed through the backbone")
    parser.add_argument("--rows", type=int, default=100_000, help="of features that are merged and trained on")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which the median counts")
    parser.add_argument("--save", type=Path, help="file for the constants")
    parser.add_argument("--costs", type=Path, help="file of constants, in place of measuring")
    parser.add_argument("--simulate", action="store_true", help="the simulation alone")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each simulation")
    assumed = parser.add_argument_group("assumed")
    assumed.add_argument("--gpu-images", type=float, default=4000, help="images a second of the backbone on a GPU")
    assumed.add_argument("--cores", type=float, default=8, help="that decode for each GPU: `workers`")
    assumed.add_argument("--host", type=int, default=8, help="GPUs of a host")
    assumed.add_argument("--link", type=float, default=12.5, help="GB/s of a host")
    assumed.add_argument("--storage", type=float, default=100, help="GB/s of the storage, for all hosts together")
    assumed.add_argument("--wait", type=float, default=0, help="ms until the first byte of an image")
    return parser


def costs_of(given: argparse.Namespace) -> Costs:
    """The constants, measured or as they were saved."""
    if given.costs:
        costs = Costs(**json.loads(given.costs.read_text(encoding="utf-8")))
    else:
        from scale_costs import measured  # which brings torch

        costs = measured(given.folder, given.images, given.rows, given.repeat)
    show_costs(costs)
    if given.save:
        given.save.write_text(json.dumps(asdict(costs), indent=1) + "\n", encoding="utf-8")
    return costs


def main() -> None:
    given = arguments().parse_args()
    if not (given.simulate or given.folder or given.costs):
        arguments().error("give FOLDER, --costs FILE or --simulate")
    if given.simulate or not given.costs:
        show_simulation(given.seconds)
    if given.simulate:
        return
    costs = costs_of(given)
    if given.folder:
        from scale_costs import check

        check(costs, given.folder, given.images)
    show_plan(costs, given)
    show_variants(costs, given)


if __name__ == "__main__":
    main()
