"""Match the tensors of a file to a network by name, and load them."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ajuste_fino.backbone.file_kinds import MOST
from ajuste_fino.backbone.weight_file import WITHIN
from ajuste_fino.errors import UserError, counted, preview
from ajuste_fino.escape import printable

# parts of names that wrappers of a network add, wherever they wrap it: DataParallel, torch.compile, FSDP, checkpointing
WRAPPERS = frozenset(("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
# where the network stands beside others in a file, the first of these is meant; averages of training come last
ENVELOPES = ("", "state_dict", "model", "model_state_dict", "net", "network", "backbone", "weights", "params")
AVERAGES = ("ema", "averag", "swa", "teacher", "shadow")

Names = dict[str, str]  # of the network → of the file


def digest(module: nn.Module) -> str:
    """The SHA-256 of every parameter and buffer of a module: names, dtypes, shapes and bits."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return total.hexdigest()


def load_into(net: nn.Module, state: Mapping[str, Tensor], classifier: str, source: str) -> list[str]:
    """Load weights into a network; its classifier may be missing, or have other classes, since the head is replaced.

    What stands before the network's names in the file, or wraps parts of it, does not matter: `state_dict::module.`, say.

    Args:
        state: tensors by name, as `weight_file.tensors_of` gives them.
        classifier: the name of the network's last part.
        source: what a message calls them: `backbone.weights=PATH`.

    Returns:
        A sentence for each thing that did not match and does no harm.

    Raises:
        UserError: where anything but the classifier is missing, has another shape or is no plain, finite numbers, or where
            several networks of the file fit.
    """
    expected = net.state_dict()
    found = _placed(state, expected)
    complete = [prefix for prefix, names in found.items() if not _lacking(names, state, expected, classifier)]
    best, note = _chosen(complete, found, state, source)
    names = found.get(best, {})
    names = _without_odd(names, state, classifier, source)
    lacking = _lacking(names, state, expected, classifier)
    if lacking:
        raise _unfit([_why(n, names, expected, state) for n in lacking], state, expected, source)
    fits = {name: state[names[name]] for name in names if state[names[name]].shape == expected[name].shape}
    _refuse_unusable({name: fits[name] for name in fits if not _is_of(name, classifier)}, names, expected, source)
    load_tensors(net, fits, strict=False)
    heads = [name for name in expected if name not in fits and not _counts(name)]
    notes = [f"The weights lack the old classifier ({', '.join(heads)}), which is replaced anyway."] if heads else []
    notes += _all_zero(fits, names, classifier)
    return note + notes + _left_over(state, [found[prefix] for prefix in complete], names)


def _placed(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Names]:
    """By what stands before them, the names of the file that end in a name of the network.

    Wrappers stay in what stands before, so that `module.x` and `x` are two networks; within a name they are left out.
    """
    wrappers = WRAPPERS - {part for name in expected for part in name.split(".")}
    found: dict[str, Names] = {}
    for name in state:
        parts = name.replace(WITHIN, ".").split(".")
        for n in range(len(parts)):
            short = ".".join(part for part in parts[n:] if part not in wrappers)
            if parts[n] not in wrappers and short in expected:
                found.setdefault(".".join(parts[:n]), {}).setdefault(short, name)
    return found


def _lacking(names: Names, state: Mapping[str, Tensor], expected: Mapping[str, Tensor], classifier: str) -> list[str]:
    """The tensors that the network needs and that are not among these, or have another shape."""
    needed = (name for name in expected if not _counts(name) and not _is_of(name, classifier))
    return [name for name in needed if name not in names or state[names[name]].shape != expected[name].shape]


def _is_of(name: str, classifier: str) -> bool:
    return name.startswith(f"{classifier}.")


def _counts(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _chosen(complete: list[str], found: dict[str, Names], state: Mapping[str, Tensor], source: str) -> tuple[str, list[str]]:
    """Of what stands before the names of networks that fit, what to take, and a sentence where that was a choice."""
    if not complete:
        return max(found, key=lambda prefix: len(found[prefix]), default=""), []
    first, *rest = sorted(complete, key=_rank)
    others = [prefix for prefix in rest if not _same(found[first], found[prefix], state)]
    if not others:
        return first, []
    taken, *left = (printable(prefix, most=MOST) or "the one without a prefix" for prefix in (first, *others))
    listed = ", ".join([taken, *left])
    if _rank(others[0]) == _rank(first):
        rule = f"holds several networks that fit ({listed})"
        raise UserError(source, rule, fix="Save the one you want in a file of its own.")
    return first, [f"The weights hold several networks that fit ({listed}); {taken} is taken."]


def _rank(prefix: str) -> tuple[bool, int, int]:
    parts = prefix.split(".") if prefix else []
    own = [part for part in parts if part not in WRAPPERS] or [""]
    average = any(word in part.lower() for part in own for word in AVERAGES)
    place = min((ENVELOPES.index(part) for part in own if part in ENVELOPES), default=len(ENVELOPES))
    return average, place, sum(part in WRAPPERS for part in parts)


def _same(one: Names, other: Names, state: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(state[one[name]], state[other[name]]) for name in one)


def _left_over(state: Mapping[str, Tensor], fitting: list[Names], names: Names) -> list[str]:
    """A sentence on tensors that lie beside those of the network; what else a checkpoint has is not of interest."""
    mappings = {name.rpartition(WITHIN)[0] for name in names.values()}
    used = {name for found in fitting for name in found.values()}
    left = [printable(name, most=MOST) for name in state if name not in used and name.rpartition(WITHIN)[0] in mappings]
    return [f"The weights hold {counted(len(left), 'tensor')} that the network lacks:\n{preview(left)}"] if left else []


def _without_odd(names: Names, state: Mapping[str, Tensor], classifier: str, source: str) -> Names:
    """Refuse tensors that are not plain numbers in memory; those of the classifier are left out."""
    kinds = {name: _oddity(state[theirs]) for name, theirs in names.items()}
    for name, kind in kinds.items():
        if kind and not _is_of(name, classifier):
            fix = "Save weights of the network as it was trained, in float32, float16 or bfloat16."
            raise UserError(source, f"must hold plain tensors, and {printable(names[name], most=MOST)} is {kind}", fix=fix)
    return {name: theirs for name, theirs in names.items() if not kinds[name]}


def _oddity(tensor: Tensor) -> str | None:
    kind = "quantized" if tensor.is_quantized else "without numbers (meta)" if tensor.is_meta else None
    return kind or ("sparse" if tensor.layout != torch.strided else "nested" if tensor.is_nested else None)


def _refuse_unusable(fits: Mapping[str, Tensor], names: Names, expected: Mapping[str, Tensor], source: str) -> None:
    """Refuse whole numbers where the network has fractions, and what is no number once it has the network's precision."""
    for name, tensor in fits.items():
        if not expected[name].is_floating_point():
            continue
        if not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            rule = f"must hold fractions, and {printable(names[name], most=MOST)} is of {kind}: quantized, perhaps"
            raise UserError(source, rule, fix="Save weights in float32, float16 or bfloat16.")
        if not is_finite(tensor.to(expected[name].dtype)) and is_finite(expected[name]):
            rule = f"must hold finite numbers, and {printable(names[name], most=MOST)} has some that are NaN or infinite"
            raise UserError(source, rule, fix="Its training diverged: take weights of an earlier epoch, or others.")


def _all_zero(fits: Mapping[str, Tensor], names: Names, classifier: str) -> list[str]:
    """A sentence on layers whose weights are all zero: they give the same whatever they see."""
    own = ((name, tensor) for name, tensor in fits.items() if tensor.ndim > 1 and not _is_of(name, classifier))
    dead = [printable(names[name], most=MOST) for name, tensor in own if name.endswith("weight") and not _has_any(tensor)]
    if not dead:
        return []
    return [f"The weights are all zero in {counted(len(dead), 'layer')}; was the file written whole?\n{preview(dead)}"]


def _has_any(tensor: Tensor) -> bool:
    """Whether a number is not zero; the first ones, most often, decide."""
    return bool(tensor.flatten()[:64].float().any()) or bool((tensor != 0).any())


def is_finite(tensor: Tensor) -> bool:
    """Whether all are numbers. A finite sum has no other summand, and is faster; one that overflows decides nothing."""
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def _unfit(lacking: list[str], state: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> UserError:
    theirs, ours = (", ".join(printable(name, most=MOST) for name in list(names)[:3]) for names in (state, expected))
    rule = f"lacks {len(lacking)} of the network's {len(expected)} tensors"
    beside = f"The file's first names: {theirs}\nThe network's first names: {ours}"
    return UserError(source, rule, fix=f"Is it a file for another architecture? It lacks:\n{preview(lacking)}\n{beside}")


def _why(name: str, names: Names, expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    if name not in names:
        return name
    return f"{name}: shape {tuple(state[names[name]].shape)} instead of {tuple(expected[name].shape)}"


def load_tensors(net: nn.Module, tensors: Mapping[str, Tensor], strict: bool) -> None:
    """Load tensors by name, with the version metadata of the network itself, which some networks ask for."""
    state = OrderedDict(tensors)
    state._metadata = net.state_dict()._metadata  # type: ignore[attr-defined]
    net.load_state_dict(state, strict=strict)
