"""What a head is trained on: the features of a backbone, from images or from disk."""

from ajuste_fino.features.cached import Cached, FeatureSet
from ajuste_fino.features.extractor import Extractor, resolve_precision, stream
from ajuste_fino.features.live import Live, Progress, Work
from ajuste_fino.features.statistics import statistics
from ajuste_fino.features.views import Plain

__all__ = [
    "Cached",
    "Extractor",
    "FeatureSet",
    "Live",
    "Plain",
    "Progress",
    "Work",
    "resolve_precision",
    "statistics",
    "stream",
]
