"""Checkpoints that are whole or absent, and hold nothing but tensors and plain values."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from ajuste_fino.files import write_bytes


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes as `files.write_bytes` does: a kill leaves the old file or the new one, and at worst a whole copy beside it.

    Lightning writes to the system's temporary folder and moves; where that is another file system a kill leaves a part.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        buffer = io.BytesIO()  # written by Python, a full disk raises the OSError that names it
        torch.save(checkpoint, buffer)
        write_bytes(Path(path), buffer.getbuffer())

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return torch.load(path, map_location=map_location, weights_only=True)
