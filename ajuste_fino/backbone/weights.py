"""Read weights from torchvision's cache or a file, and match them to a network by name."""

import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ajuste_fino.errors import UserError, preview
from ajuste_fino.files import existing, no_pipe

PREFIXES = ("module.", "backbone.", "model.")
ENVELOPES = ("state_dict", "model", "model_state_dict")


def digest(module: nn.Module) -> str:
    """The SHA-256 of every parameter and buffer of a module: names, dtypes, shapes and bits."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return total.hexdigest()


def read(value: str | Path) -> dict[str, Tensor]:
    """The tensors of a `.pth` or `.safetensors` file by name.

    Raises:
        UserError: where there is no such file, or it holds anything but tensors; no code in it is ever run.
    """
    if "://" in str(value):
        raise UserError("backbone.weights", "must be a file on this machine", got=value, fix="Download it and pass its path.")
    path = no_pipe("backbone.weights", existing("backbone.weights", value))
    try:
        state = _load(path)
    except (OSError, RuntimeError, SafetensorError, EOFError, KeyError, ValueError, _unpickling_error()) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        fix = "Pass a .safetensors file, or a .pth file of tensors alone (a state_dict)."
        raise UserError(f"backbone.weights={path}", f"cannot be read as weights ({reason[:200]})", fix=fix) from error
    return _unwrap(state, path)


def _load(path: Path) -> object:
    if path.suffix == ".safetensors":
        return load_file(path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected pickle protocol")  # it is refused or read all the same
        return torch.load(path, map_location="cpu", weights_only=True)


def _unpickling_error() -> type[Exception]:
    from pickle import UnpicklingError  # what torch.load raises where weights_only refuses; nothing is unpickled here

    return UnpicklingError


def _unwrap(state: object, path: Path) -> dict[str, Tensor]:
    for key in ENVELOPES:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        fix = "Save model.state_dict(), not the model or the whole checkpoint."
        raise UserError(f"backbone.weights={path}", "must hold tensors by name", got=type(state).__name__, fix=fix)
    return state


def _strip(state: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefixes that wrappers add to names, nested in any order, where that gives a name of the network."""
    return {next((short for short in _shortened(name) if short in expected), name): tensor for name, tensor in state.items()}


def _shortened(name: str) -> Iterator[str]:
    yield name
    for prefix in PREFIXES:
        if name.startswith(prefix):
            yield from _shortened(name.removeprefix(prefix))


def load_into(net: nn.Module, state: dict[str, Tensor], classifier: str, source: object) -> list[str]:
    """Load weights into a network; its classifier may be missing, or have other classes, since the head is replaced.

    Returns:
        A sentence for each thing that did not match and does no harm.

    Raises:
        UserError: where anything but the classifier is missing or has another shape.
    """
    expected = net.state_dict()
    state = _strip(state, expected)
    fits = {name: tensor for name, tensor in state.items() if name in expected and expected[name].shape == tensor.shape}
    missing = [n for n in expected if n not in fits and not n.endswith("num_batches_tracked")]
    lacking = [_why(n, expected, state) for n in missing if not _within(n, classifier)]
    if lacking:
        rule = f"lacks {len(lacking)} of the network's {len(expected)} tensors"
        fix = f"Is it a file for another architecture? It lacks:\n{preview(lacking)}"
        raise UserError(f"backbone.weights={source}", rule, fix=fix)
    load_tensors(net, fits, strict=False)
    left = [name for name in state if name not in expected]
    heads = [name for name in missing if _within(name, classifier)]
    notes = [f"The weights lack the old classifier ({', '.join(heads)}), which is replaced anyway."] if heads else []
    return notes + ([f"The weights hold {len(left)} tensors that the network lacks:\n{preview(left)}"] if left else [])


def load_tensors(net: nn.Module, tensors: Mapping[str, Tensor], strict: bool) -> None:
    """Load tensors by name, with the version metadata of the network itself, which some networks ask for."""
    state = OrderedDict(tensors)
    state._metadata = net.state_dict()._metadata  # type: ignore[attr-defined]
    net.load_state_dict(state, strict=strict)


def _within(name: str, module: str) -> bool:
    return name.startswith(f"{module}.")


def _why(name: str, expected: dict[str, Tensor], state: dict[str, Tensor]) -> str:
    if name not in state:
        return name
    return f"{name}: shape {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}"


def online(load: Callable[[], dict[str, Tensor]], name: str) -> dict[str, Tensor]:
    """Load published weights from the library's cache, or download them.

    Raises:
        UserError: where there is neither the file nor a network.
    """
    try:
        return load()
    except (OSError, RuntimeError) as error:  # URLError is an OSError; torch.hub tells of a wrong hash by RuntimeError
        fix = "Pass backbone.weights=PATH to a file you have, or backbone=embedded, whose weights are in the package."
        raise UserError(
            f"backbone={name}", f"needs weights that are not on this machine and cannot be fetched ({error})", fix=fix
        ) from error


def cached_weights(name: str) -> Path | None:
    """Return the file of a torchvision network's published weights in torch's cache, if it is there."""
    from torchvision import models

    if name not in models.list_models(module=models):
        return None
    file = Path(torch.hub.get_dir()) / "checkpoints" / models.get_model_weights(name).DEFAULT.url.rpartition("/")[2]
    return file if file.is_file() else None


def published_accuracy(name: str) -> float:
    """Return the top-1 accuracy on ImageNet, in %, of a torchvision network's published weights; 0 where there are none."""
    from torchvision import models

    if name not in models.list_models(module=models):
        return 0.0
    metrics = models.get_model_weights(name).DEFAULT.meta["_metrics"]
    return float(metrics["ImageNet-1K"]["acc@1"])
