"""Which engine computes the features of a frozen trunk: torch, or a graph compiled for the processor."""

import time
from collections.abc import Callable, Sequence

import torch

from ajuste_fino.console import log
from ajuste_fino.errors import AjusteFinoError, UserError, counted
from ajuste_fino.features.extractor import Extractor
from ajuste_fino.features.graph import CompiledExtractor, NoGraph, is_installed
from ajuste_fino.store import FeatureStore

ENGINES = ("auto", "torch", "openvino")
WORTH = 48_000_000  # pixels to come, from which on a graph saves more than the second that it takes to make
CPU = torch.device("cpu")
INSTALL = "pip install 'ajuste-fino[openvino]'"


def require_engine(wanted: str, device: torch.device, mode: str, frozen: bool) -> None:
    """Refuse a name that is none, and an engine that cannot do what it is wanted for.

    Args:
        frozen: whether a part of the backbone is.

    Raises:
        UserError: before any work is done.
    """
    if wanted not in ENGINES:
        fix = "Pass auto for the one that takes less time."
        raise UserError("features.engine", f"must be one of {', '.join(ENGINES)}", got=wanted, fix=fix)
    if wanted != "openvino":
        return
    if not is_installed():
        fix = f"Install it: {INSTALL}. Or pass features.engine=torch."
        raise UserError("features.engine=openvino", "needs the library openvino", fix=fix)
    if device.type != "cpu" or mode != "cached" or not frozen:
        rule = "computes the cached features of a frozen backbone, on a CPU"
        got = f"the device {device.type}, features.mode={mode}{'' if frozen else ', all of the backbone trained'}"
        raise UserError("features.engine=openvino", rule, got=got, fix="Pass features.engine=torch, or leave it out.")


def is_worth_a_graph(images: int, size: int, device: torch.device, by_torch: int | None = None) -> bool:
    """Whether a graph for so many images of a side in px takes less time than torch, for as many or for another number.

    It halves the time of an image, and is made while torch computes half of `WORTH`.
    """
    pixels, torchs = (count * size**2 for count in (images, images if by_torch is None else by_torch))
    return device.type == "cpu" and pixels / 2 + WORTH / 2 <= torchs


def engine_for(extractor: Extractor, trained: str, device: torch.device) -> str:
    """Return the engine with which a trained model predicts: in fp32 any, in bf16 the one that its head learnt from.

    In fp32 they give the same to the sixth digit; in bf16 each rounds in its own way, which moves one label in two hundred.
    """
    if extractor.precision == "fp32" or trained == "torch":
        return "auto" if extractor.precision == "fp32" else "torch"
    why = INSTALL
    if device.type == "cpu" and is_installed():
        try:
            return CompiledExtractor(extractor).engine
        except NoGraph as error:
            why = str(error)
    log.warning(f"This model was trained on features of OpenVINO in bf16; torch, which rounds otherwise, predicts ({why}).")
    return "torch"


class Engine:
    """The engine of one cache of features, chosen when it is known which images are to come.

    Args:
        wanted: torch, openvino, or auto: the one that has all features already, else the one that takes less time for those
            to come; torch where the other cannot be had.
        extractor: by torch.
        store_of: an engine → its features on disk.
    """

    def __init__(self, wanted: str, extractor: Extractor, store_of: Callable[[str], FeatureStore]) -> None:
        self.wanted, self.torch, self.store_of = wanted, extractor, store_of
        self.name = None if wanted == "auto" else wanted
        self.seconds = 0.0  # that the making of a graph took

    @property
    def candidates(self) -> tuple[str, ...]:
        """The engines whose features may serve."""
        if self.name is not None:
            return (self.name,)
        return ("openvino", "torch") if is_installed() else ("torch",)

    def take(self, name: str) -> None:
        """Let it be the engine of that name."""
        self.name = name

    def choose(self, keys: Sequence[str]) -> str:
        """Return its name; the first call decides."""
        if self.name is None:
            self.name = self._best(keys)
        return self.name

    def _best(self, keys: Sequence[str]) -> str:
        lacking = {name: len(self.store_of(name).missing(keys)) for name in self.candidates}
        if 0 in lacking.values():
            return min(lacking, key=lambda name: lacking[name])
        by_torch, side = lacking["torch"], self.torch.preprocessing.size
        count = lacking.get("openvino", by_torch)
        if not is_worth_a_graph(count, side, CPU, by_torch):
            return "torch"
        if "openvino" not in lacking:
            log.info(f"OpenVINO would compute these {counted(count, 'image')} in less time: {INSTALL}.")
            return "torch"
        return self._try(count)

    def _try(self, count: int) -> str:
        """Make the graph and say so, or why torch computes them."""
        try:
            self._compiled()
        except NoGraph as error:
            log.warning(f"OpenVINO cannot compute this backbone, so torch does: {error}.")
            return "torch"
        log.info(f"OpenVINO computes the features of {counted(count, 'image')}; its graph took {self.seconds:.1f} s.")
        return "openvino"

    def _compiled(self) -> CompiledExtractor:
        started = time.perf_counter()
        compiled = CompiledExtractor(self.torch)
        self.seconds += time.perf_counter() - started
        return compiled

    @property
    def extractor(self) -> Extractor:
        """What computes features.

        Raises:
            AjusteFinoError: where that is a graph and it cannot be had.
        """
        if self.name != "openvino":
            return self.torch
        try:
            return self._compiled()
        except NoGraph as error:
            raise AjusteFinoError(f"OpenVINO cannot compute this backbone: {error}. Pass features.engine=torch.") from error
