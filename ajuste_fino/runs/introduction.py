"""What a backbone knows already, said before training begins."""

from omegaconf import DictConfig


def introduce_backbone(cfg: DictConfig) -> str:
    """Name the backbone and what it was trained on; where photographs are given and it has seen none, one that has."""
    name, given = str(cfg.backbone.name), str(cfg.backbone.weights)
    if given == "none":
        return f"Backbone: {name}, from random weights."
    if given != "pretrained":
        return f"Backbone: {name}, with the weights of {given}."
    if name == "embedded":
        trained = "trained on drawn fractals; it has never seen a photograph"
    else:
        trained = "with the weights that timm publishes" if name.startswith("timm/") else "trained on ImageNet's photographs"
    better = name == "embedded" and cfg.data.name != "digits"
    return f"Backbone: {name}, {trained}.{' One that has: backbone=efficientnet_lite0.' if better else ''}"
