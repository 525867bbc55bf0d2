"""What a head is trained on: the features of a backbone, from images or from disk."""

from ajuste_fino.features.cached import CachedFeatures, FeatureDataset
from ajuste_fino.features.extractor import AtPrecision, Extraction, Extractor, resolve_precision
from ajuste_fino.features.live import LiveFeatures
from ajuste_fino.features.multiview import serve_views
from ajuste_fino.features.served import serve
from ajuste_fino.features.source import FeatureBatch, FeatureSource
from ajuste_fino.features.statistics import statistics

__all__ = [
    "AtPrecision",
    "CachedFeatures",
    "Extraction",
    "Extractor",
    "FeatureBatch",
    "FeatureDataset",
    "FeatureSource",
    "LiveFeatures",
    "resolve_precision",
    "serve",
    "serve_views",
    "statistics",
]
