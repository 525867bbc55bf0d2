"""What a backbone knows already, said before training begins."""

from omegaconf import DictConfig

from ajuste_fino.backbone.published import published_accuracy, torchvision_file
from ajuste_fino.runs.conf import backbone_name, options


def introduce_backbone(cfg: DictConfig) -> str:
    """One sentence that names the backbone and what it was trained on; where photographs are given, also a better one."""
    name, given = str(cfg.backbone.name), str(cfg.backbone.weights)
    if given == "none":
        return f"Backbone: {name}, from random weights."
    if given != "pretrained":
        return f"Backbone: {name}, with the weights of {given}."
    if name == "embedded":
        trained = "trained on drawn fractals; it has never seen a photograph"
    else:
        trained = "with the weights that timm publishes" if name.startswith("timm/") else "trained on ImageNet's photographs"
    return f"Backbone: {name}, {trained}.{'' if cfg.data.name == 'digits' else _better(name)}"


def _better(name: str) -> str:
    """The short name of highest accuracy whose weights are here; how to bring one for a backbone that knows no photographs."""
    accuracy = published_accuracy(name)
    if not accuracy and name != "embedded":
        return ""  # how good it is is not known here
    names = map(backbone_name, options("backbone"))
    files = {other: torchvision_file(other) for other in names}
    here = {other: published_accuracy(other) for other, file in files.items() if file and file.is_there()}
    best = max(here, key=lambda other: here[other], default=None)
    if best and here[best] > accuracy:
        return f" A better one is here: backbone={best} (ImageNet top-1 {here[best]:.1f} %)."
    if name == "embedded":
        return " One that knows photographs: ajuste-fino fetch backbone=mobilenet_v2."
    return ""
