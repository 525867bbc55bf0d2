"""Images → features, through preprocessing and a part of a backbone at one precision, wherever it runs."""

from typing import Any

import torch
from torch import Tensor, nn

from ajuste_fino.backbone.blocks import probe
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.freezing import Frozen
from ajuste_fino.memory import keep_freed_memory

IN_CACHE = 16  # images at a time on a CPU: more of them leave its caches between two layers


def resolve_precision(wanted: str, device: torch.device, network: nn.Module | None = None) -> str:
    """`fp32` or `bf16`; `auto` is bf16 where the processor multiplies it in hardware, for networks that bear it.

    An emulated bf16 is slower than fp32, tenfold on processors without AVX512-BF16 or AMX. Depthwise convolutions sum few
    products, whose rounding does not average out: on photographs it moved the features of MobileNetV2 by 7 % of their
    deviation and one label in fifty; those of SqueezeNet, which has none, by 2 % and one in two hundred.
    """
    if wanted not in ("auto", "fp32", "bf16"):
        raise UserError("features.precision", "must be auto, fp32 or bf16", got=wanted, fix="Pass auto for the faster one.")
    if wanted != "auto":
        return wanted
    if network is not None and any(isinstance(part, nn.Conv2d) and part.groups > 1 for part in network.modules()):
        return "fp32"
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        can = torch.cpu.get_capabilities()
        fast = device.type == "cpu" and bool(can.get("amx_bf16") or can.get("avx512_bf16"))
    return "bf16" if fast else "fp32"


class AtPrecision(nn.Module):
    """A part of a backbone, computed at one precision; its output is float32."""

    backbone: Any

    def __init__(self, backbone: nn.Module, precision: str, input_dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.backbone, self.precision, self.input_dtype = backbone, precision, input_dtype

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.input_dtype)
        if x.ndim == 4:  # maps in the layout in which the trunk computed them, so that they are rounded alike
            x = x.contiguous(memory_format=torch.channels_last)
        return self.compute(x).float()

    def compute(self, x: Tensor) -> Tensor:
        """The output in whichever type it is computed."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            output: Tensor = self.backbone(x)
        return output


class Extractor(AtPrecision):
    """Pixels (N, 3, size, size) → features, or the output of a trunk, in float32: normalised, then (a part of) a backbone.

    Pixels are uint8, or floats in [0, 1]; mean and deviation are taken off here, and not before.

    Raises:
        UserError: for pixels of any other shape, type or range.
    """

    engine = "torch"  # what computes it

    def __init__(self, backbone: nn.Module, preprocessing: Preprocessing, precision: str) -> None:
        super().__init__(backbone, precision)
        self.preprocessing = preprocessing

    def forward(self, pixels: Tensor) -> Tensor:
        return super().forward(self.preprocessing.normalise(_to_255(pixels, self.preprocessing.size)))

    def at(self, precision: str) -> "Extractor":
        """The same, of the same tensors, at another precision."""
        return Extractor(self.backbone, self.preprocessing, precision)

    def verify(self) -> None:
        """Nothing that could differ from the tensors stands beside them."""

    @torch.no_grad()
    def output_dtype(self) -> torch.dtype:
        """In which type the output is computed, before it is made float32; a tail must go on in the same."""
        return self.compute(probe(self.preprocessing.size)).dtype


def _to_255(pixels: Tensor, size: int) -> Tensor:
    """uint8 as they are, floats in [0, 1] on the scale 0 … 255."""
    if not isinstance(pixels, Tensor):
        fix = "The predictor's pixels(images) makes one of images."
        raise UserError("pixels", "must be a tensor", got=type(pixels).__name__, fix=fix)
    if pixels.ndim != 4 or pixels.shape[1:] != (3, size, size):
        fix = "The predictor's pixels(images) makes them so."
        raise UserError("pixels", f"must have the shape (N, 3, {size}, {size})", got=tuple(pixels.shape), fix=fix)
    if pixels.dtype == torch.uint8:
        return pixels
    if not pixels.is_floating_point():
        fix = "Convert them to uint8 where they are 0 … 255."
        raise UserError("pixels", "must be uint8, or floats in [0, 1]", got=pixels.dtype, fix=fix)
    if pixels.numel() and not (pixels.min() >= 0 and pixels.max() <= 1):  # as are numbers that are none
        fix = "Divide by 255 where they are 0 … 255; do not normalise by mean and deviation, which is done here."
        got = f"{pixels.min().item():g} to {pixels.max().item():g}"
        raise UserError("pixels", "must be floats in [0, 1]", got=got, fix=fix)
    return pixels.float() * 255


def identity(extractor: Extractor, engine: str = "torch") -> dict[str, Any]:
    """All that decides the features of an image, as plain values; an engine other than torch is named.

    Raises:
        TypeError: where the backbone learns: its features are others after each step.
    """
    if not isinstance(extractor.backbone, Frozen):
        raise TypeError("only a frozen backbone has features that stay")
    trunk, preprocessing = extractor.backbone, extractor.preprocessing.metadata()
    known = {"weights": trunk.before, "cut": trunk.identity(), "preprocessing": preprocessing, "precision": extractor.precision}
    return known if engine == "torch" else {**known, "engine": engine}


class Extraction:
    """An extractor, or a tail, at work on a device, a few images at a time; inputs and outputs are on the CPU."""

    def __init__(self, extractor: AtPrecision, device: torch.device) -> None:
        keep_freed_memory()
        self.extractor, self.device = extractor.to(device).eval(), device
        self.at_once = IN_CACHE if device.type == "cpu" else None

    @torch.inference_mode()
    def __call__(self, inputs: Tensor) -> Tensor:
        parts = inputs.split(self.at_once or max(len(inputs), 1))
        features = [self.extractor(part.to(self.device, non_blocking=True)).cpu() for part in parts if len(part)]
        return torch.cat(features or [torch.empty(0)])
