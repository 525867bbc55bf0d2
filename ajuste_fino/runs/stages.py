"""What each phase of a run reads: features, the maps of a frozen trunk, or images."""

from typing import Any, NamedTuple, Self

from omegaconf import DictConfig
from torch import nn

from ajuste_fino.backbone import Backbone
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.multiview import kept
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.features import AtPrecision, CachedFeatures, Extractor, FeatureSource, LiveFeatures
from ajuste_fino.features.engine import require_engine
from ajuste_fino.freezing import Frozen
from ajuste_fino.phases import Phase, Phases
from ajuste_fino.runs import factories
from ajuste_fino.runs.console import log

GB, DISK_GB = 10**9, 20


class Stage(NamedTuple):
    """The parts of a phase: what is frozen of the backbone, what is trained of it, and where its inputs come from."""

    frozen: Frozen | None
    tail: nn.Module | None
    source: CachedFeatures | LiveFeatures


class Stages:
    """Builds the stages of a run; phases that train the same blocks share one.

    Raises:
        UserError: where the backbone cannot be divided as a phase asks, or an engine cannot do what it is asked to.
    """

    def __init__(
        self, cfg: DictConfig, data: DataConfig, backbone: Backbone, phases: Phases, precision: str, loading: LoaderConfig
    ) -> None:
        self.cfg, self.backbone, self.phases, self.precision, self.loading = cfg, backbone, phases, precision, loading
        self.preprocessing = Preprocessing.of(backbone.preprocessing, data)
        self.augmentation = factories.augmentation(cfg, max(phase.views or 1 for phase in phases))
        firsts = [backbone.first_trained(phase.train_from) for phase in phases]
        made = {first: self._stage(phase.train_from) for first, phase in zip(firsts, phases, strict=True)}
        self.stages = [made[first] for first in firsts]
        self.counts = [len(backbone.trained_blocks(phase.train_from)) for phase in phases]
        phases.require_nested(self.counts)

    def _stage(self, train_from: str) -> Stage:
        trunk, tail = self.backbone.split(train_from)
        frozen = None if trunk is None else Frozen(trunk)
        mode = self.cfg.features.mode
        engine = str(self.cfg.features.get("engine", "auto"))  # a group of the user's own may be older
        require_engine(engine, self.loading.device, mode, frozen is not None)
        if frozen is None or mode == "live":
            return Stage(frozen, tail, self._live(frozen, tail))
        extractor = Extractor(frozen, self.preprocessing, self.precision)
        after = None if tail is None else AtPrecision(tail, self.precision, extractor.output_dtype())
        features = self.backbone.num_features
        return Stage(frozen, tail, CachedFeatures(extractor, self.augmentation, self.loading, after, features, engine))

    def _live(self, *parts: nn.Module | None) -> LiveFeatures:
        there = [part for part in parts if part is not None]
        whole = there[0] if len(there) == 1 else nn.Sequential(*there)
        extractor = Extractor(whole, self.preprocessing, self.precision)
        keeps = self.cfg.data.get("cache", "none") == "uint8"  # a group of the user's own may be older
        return LiveFeatures(extractor, self.augmentation, self.loading, self.backbone.num_features, keeps)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was kept for this run alone."""
        for source in self.sources:
            if isinstance(source, LiveFeatures):
                source.close()

    @property
    def sources(self) -> list[FeatureSource]:
        return [stage.source for stage in self.stages]

    @property
    def last(self) -> Stage:
        return self.stages[-1]

    def follow(self, phases: Phases) -> None:
        """Take other epochs and views, and fewer phases, than those it was made for."""
        self.phases, self.stages, self.counts = phases, self.stages[: len(phases)], self.counts[: len(phases)]

    def whole(self) -> LiveFeatures:
        """Return what a trained model computes: all of the backbone, from images."""
        return self._live(self.backbone)

    @property
    def engine(self) -> str:
        """What a trained model predicts with: what computed the features of its head, where the backbone stays as it was."""
        found = self.stages[0].source.metrics().get("features/engine")
        return "torch" if self.phases.trains_backbone else str(found or "torch")

    def augmentation_kept(self, epoch: int) -> dict[str, Any] | None:
        """Return what the model of an epoch, from 0, keeps of the augmentation; None: no phase until then varied an image."""
        return kept(self.augmentation, max(phase.views or 1 for phase in self.phases[: self.phases.at(epoch).phase + 1]))

    def metrics(self) -> dict[str, object]:
        """Return the metrics of all sources: of numbers their sums, of what is true or false whether it is so for all."""
        found: dict[str, Any] = {}
        for source in reversed(list({id(source): source for source in self.sources}.values())):
            for name, value in source.metrics().items():
                both = isinstance(value, int | float) and name in found
                found[name] = value if not both else found[name] and value if isinstance(value, bool) else found[name] + value
        return found

    def is_too_large(self, stage: Stage, phase: Phase, manifest: Manifest) -> bool:
        """Whether the maps that a phase would keep need more room than they may have."""
        return self.disk_gb is not None and self._bytes_to_come(stage, phase, manifest) > self.disk_gb * GB

    def compute_share(self, manifest: Manifest) -> None:
        """Compute this process's part of the features that are not on disk yet, of all phases and of the evaluation."""
        for stage, phase in zip(self.stages, self.phases, strict=True):
            if isinstance(stage.source, CachedFeatures):
                stage.source.compute_share(manifest.split("train"), phase.views or 1)
                others = ("val", "test") if stage.tail is None else ("val",)
                stage.source.compute_share([sample for name in others for sample in manifest.split(name)])

    @property
    def disk_gb(self) -> float | None:
        """How much room maps may have; None: any."""
        found: float | None = self.cfg.features.get("disk_gb", DISK_GB)  # a group of the user's own may be older
        return found

    def _bytes_to_come(self, stage: Stage, phase: Phase, manifest: Manifest) -> int:
        if stage.tail is None or not isinstance(stage.source, CachedFeatures):
            return 0
        train, val = manifest.split("train"), manifest.split("val")
        return stage.source.bytes_to_come(train, phase.views or 1) + stage.source.bytes_to_come(val, 1)

    def settle(self, manifest: Manifest) -> None:
        """Say how much room the maps of a trunk will take; where that is too much, let their phase read images instead."""
        for number, (stage, phase) in enumerate(zip(self.stages, self.phases, strict=True)):
            size = self._bytes_to_come(stage, phase, manifest)
            if self.is_too_large(stage, phase, manifest):
                self.stages[number] = stage._replace(source=self._live(stage.frozen, stage.tail))
                log.warning(_too_large(phase.train_from, size, self.disk_gb))
            elif size and isinstance(stage.source, CachedFeatures):
                what = f"The maps before {phase.train_from} are computed once, in {phase.views} views of a training image"
                log.info(f"{what}, and kept: {size / GB:.2f} GB in {stage.source.store.folder}")


def _too_large(train_from: str, size: int, most: float | None) -> str:
    rule = f"The maps before {train_from} would take {size / GB:.1f} GB, more than features.disk_gb={most:g}"
    return f"{rule}: this phase passes every image through the whole backbone, which is slower."
