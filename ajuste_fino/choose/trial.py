"""The sample that all candidates are judged on, and how its images pass through a network."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from ajuste_fino.backbone import Backbone
from ajuste_fino.console import log
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.loading import ImageDataset, LoaderConfig, PlainView
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.features import CachedFeatures, Extractor, resolve_precision
from ajuste_fino.features.engine import is_worth_a_graph
from ajuste_fino.features.graph import CompiledExtractor, NoGraph, is_installed
from ajuste_fino.freezing import Frozen


@dataclass(frozen=True)
class Trial:
    """The sample with the numbers of its classes and folds, (N,) each, and how its images pass through a network.

    `precision` is as `features.precision` has it; `total` is how many images there are besides, by which the engine is the one
    that `train` will take, so that it finds the features.
    """

    samples: Sequence[Sample]
    targets: Tensor
    folds: Tensor
    loading: LoaderConfig
    precision: str
    total: int
    data: DataConfig
    without_graph: set[str] = field(default_factory=set)  # networks of which none can be made

    def preprocessing(self, backbone: Backbone) -> Preprocessing:
        return Preprocessing.of(backbone.preprocessing, self.data)

    def cached(self, backbone: Backbone) -> CachedFeatures:
        """The place in the cache where `train` looks for the features of this backbone."""
        extractor = self._by_torch(Frozen(backbone), backbone)
        return CachedFeatures(extractor, Augmentation(), self.loading, engine=self._engine(backbone))

    def extractor(self, network: nn.Module, backbone: Backbone) -> Extractor:
        """Pixels → what a part of this backbone gives, by the engine that `train` will take; by torch where that fails."""
        extractor = self._by_torch(network, backbone).eval()
        if self._engine(backbone) == "torch":
            return extractor
        try:
            return CompiledExtractor(extractor)
        except NoGraph as error:
            log.warning(f"OpenVINO cannot compute {backbone.spec.name}, so torch does: {error}.")
            self.without_graph.add(backbone.spec.name)
            return extractor

    def _engine(self, backbone: Backbone) -> str:
        worth = is_worth_a_graph(self.total, backbone.preprocessing["size"], self.loading.device)
        possible = is_installed() and backbone.spec.name not in self.without_graph
        return "openvino" if worth and possible else "torch"

    def _by_torch(self, network: nn.Module, backbone: Backbone) -> Extractor:
        precision = resolve_precision(self.precision, self.loading.device, backbone)
        return Extractor(network, self.preprocessing(backbone), precision)

    def images(self, backbone: Backbone, samples: Sequence[Sample]) -> ImageDataset:
        return ImageDataset(samples, PlainView(self.preprocessing(backbone)), self.loading.threads)
