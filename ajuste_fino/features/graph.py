"""A frozen trunk as a graph that OpenVINO compiles for the processor: the same features as torch's, in less time."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from ajuste_fino.backbone.blocks import probe
from ajuste_fino.errors import AjusteFinoError
from ajuste_fino.features.extractor import Extractor
from ajuste_fino.freezing import Compiled

TOLERANCE = 1e-4  # of the largest feature, beside torch's in fp32
OF_BF16 = 2.0  # times as far from fp32 as torch's own bf16 may that of a graph be
HINTS = {"fp32": "f32", "bf16": "bf16"}


class NoGraph(Exception):
    """The graph cannot be made, or gives other features."""


class Graph:
    """(N, 3, size, size) uint8 → (N, *shape) float32, on the CPU, of an extractor's tensors as they are now.

    Raises:
        NoGraph: where OpenVINO cannot take the network, or computes something else.
    """

    def __init__(self, extractor: Extractor) -> None:
        self.precision, self.example = extractor.precision, example(extractor.preprocessing.size)
        self.compiled = _compiled(extractor.at("fp32"), self.example[:1], extractor.precision)
        self.before = self(self.example)
        self._compare(extractor)

    def __call__(self, pixels: Tensor) -> Tensor:
        return torch.from_numpy(self.compiled(pixels.contiguous().numpy())[0])

    def verify(self) -> None:
        """Verify that the graph gives the very features that it gave when it was made.

        Raises:
            AjusteFinoError: where a bit of them differs.
        """
        if not torch.equal(self(self.example), self.before):
            what = "The compiled graph of the frozen backbone gives other features than before"
            raise AjusteFinoError(f"{what}: do not trust this run.")

    @torch.inference_mode()
    def _compare(self, extractor: Extractor) -> None:
        """Refuse features that are not torch's in fp32; of bf16, ones that are further from these than torch's own bf16."""
        exact = extractor.at("fp32")(self.example)
        allowed = TOLERANCE * float(exact.abs().max())
        if self.precision == "bf16":
            allowed += OF_BF16 * float((extractor(self.example) - exact).abs().max())
        difference = float((self.before - exact).abs().max()) if self.before.shape == exact.shape else float("inf")
        if not difference <= allowed:  # nor is NaN
            raise NoGraph(f"its features differ from torch's by {difference:.2g}, and rounding explains {allowed:.2g}")


class CompiledExtractor(Extractor):
    """An extractor whose frozen trunk is computed by its graph, which is made once."""

    engine = "openvino"

    def __init__(self, extractor: Extractor) -> None:
        super().__init__(extractor.backbone, extractor.preprocessing, extractor.precision)
        known: Compiled | None = getattr(extractor.backbone, "graph", None)
        self.graph = known if known is not None and known.precision == extractor.precision else Graph(extractor)
        extractor.backbone.graph = self.graph  # which a frozen one verifies at the end

    def forward(self, pixels: Tensor) -> Tensor:
        return self.graph(pixels)

    def verify(self) -> None:
        self.graph.verify()


def example(size: int) -> Tensor:
    """(2, 3, size, size) uint8: waves, and the same upside down."""
    waves = ((probe(size) + 1) * 127.5).to(torch.uint8)
    return torch.cat([waves, waves.flip(2)])


def is_installed() -> bool:
    return find_spec("openvino") is not None


def _compiled(extractor: Extractor, pixels: Tensor, precision: str) -> Any:
    hints = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",  # one batch after the other, each by all threads
        "ENABLE_CPU_PINNING": False,  # other processes have the cores as well
    }
    try:
        openvino = _openvino()
        model = openvino.convert_model(_traced(extractor, pixels), example_input=(pixels,))
        model.reshape([-1, *pixels.shape[1:]])
        return openvino.Core().compile_model(model, "CPU", hints)
    except Exception as error:  # whatever either library runs into: torch computes the same
        raise NoGraph(" ".join(str(error).split())[:200]) from error


def _traced(extractor: Extractor, pixels: Tensor) -> Any:
    """The operations that run on an example."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of sizes that become constants, as they should: images are all of one size
        return torch.jit.trace(extractor, (pixels,), check_trace=False)


def _openvino() -> Any:
    """The library, which would report its use over the network when it is imported, without what does so."""
    with _without("openvino_telemetry"):
        import openvino

    return openvino


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Make the import of a module fail, where it has not been imported already; its importer must have another way."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]
