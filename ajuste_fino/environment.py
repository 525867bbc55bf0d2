"""With what a run was made: versions, machine, threads."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

import ajuste_fino

PACKAGES = ("torch", "torchvision", "timm", "lightning", "numpy", "pillow", "scikit-learn", "openvino")


def environment(device: torch.device) -> dict[str, str | int]:
    """Versions of what decides a result, by name, and the device; nothing that tells who or where somebody is."""
    versions = {name: found for name in PACKAGES if (found := _version(name))}
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "ajuste_fino": ajuste_fino.__version__,
        "python": platform.python_version(),
        **versions,
        "system": platform.system(),
        "device": f"{device.type} ({place})",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count() or 1,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
