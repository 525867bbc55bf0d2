"""The networks of the lists of figures 1.10 and 1.11, later ones, and animals: neurons, and the connections they read.

A neuron is an element that a layer with weights puts out for one input (biases, activations and pooling without weights are
none of their own); its connections are the elements it reads. Where this leaves a choice:

- what is fed in is no neuron, neither pixels nor the visible units of a network that also generates them;
- of an autoencoder and of a deep belief network the way up is counted, which is what is used; a unit of a Boltzmann machine
  reads the layers on both its sides, as its state depends on both;
- a recurrent network is not unrolled in time: a neuron counts once, and reads those of the step before;
- where a paper has several networks, the largest is taken.

`source` says how the numbers were obtained: `BUILT`, from layers on torch's `meta` device, without memory; `PAPER`, by
arithmetic from the sizes in its paper, where the layers are no plain ones; `CURVE`, where no size could be established: then
the number of neurons is what the book's own curve says of that year. It is drawn, and is no measurement: nothing is fitted to
it and no check sees it.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, figures 1.10 and 1.11, and the papers named there.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import nn

BUILT, PAPER, CURVE = "built", "paper", "book's curve"

# Synapses over neurons, from Wikipedia's "List of animals by number of neurons", the book's source, as it stood in 2015. It
# has 10¹⁴ to 10¹⁵ synapses for the human brain; this is the upper end.
ANIMALS = {"fly": 1e7 / 2.5e5, "mouse": 1e11 / 7.1e7, "cat": 1e13 / 7.6e8, "human": 1e15 / 8.6e10}


class Layers(NamedTuple):
    """What to build, and the shape of one input."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]


class Sizes(NamedTuple):
    """Groups of neurons: how many, and how many elements each of them reads."""

    groups: tuple[tuple[int, int], ...]


class Network(NamedTuple):
    """A network, its year, its numbers in the lists of figures 1.10 and 1.11, and its size where it is known."""

    name: str
    year: int
    connected: int | None
    sized: int | None
    size: Layers | Sizes | None

    def row(self) -> dict[str, Any]:
        """Its row in the table: numbers in the lists, source, neurons and connections; empty where there is none."""
        neurons, connections = count(self.size) if self.size else (round(by_the_book(self.year)), None)
        source = {Layers: BUILT, Sizes: PAPER}.get(type(self.size), CURVE)
        return {
            "figure 1.10": self.connected or "",
            "figure 1.11": self.sized or "",
            "network": self.name,
            "year": self.year,
            "source": source,
            "neurons": neurons,
            "connections": connections or "",
            "connections per neuron": connections / neurons if connections else "",
        }


def by_the_book(year: float) -> float:
    """Neurons by the book's curve: twice as many every 2.4 years, as many as a human brain (8.6 · 10¹⁰) in 2056."""
    return float(8.6e10 * 2 ** ((year - 2056) / 2.4))


def count(size: Layers | Sizes) -> tuple[int, int]:
    """Neurons and connections, for one input."""
    groups = size.groups if isinstance(size, Sizes) else _groups(size)
    return sum(neurons for neurons, _ in groups), sum(neurons * reads for neurons, reads in groups)


def _groups(size: Layers) -> list[tuple[int, int]]:
    """Neurons of each layer with weights and what each reads. Attention has four: queries, keys, values and output."""
    groups = []

    def hook(layer: nn.Module, inputs: Any, output: Any) -> None:
        out = output[0] if isinstance(output, tuple) else output
        attention = isinstance(layer, nn.MultiheadAttention)
        reads: Any = layer.embed_dim if attention else torch.as_tensor(layer.weight)[0].numel()
        groups.append((out.numel() * (4 if attention else 1), reads))

    with torch.device("meta"):
        net = size.build().eval()
        for layer in net.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.MultiheadAttention):
                layer.register_forward_hook(hook)
        net(torch.empty(1, *size.shape))
    return groups


def _dense(*sizes: int) -> Layers:
    return Layers(lambda: nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes))), (sizes[0],))


def _paper(*groups: tuple[int, int]) -> Sizes:
    return Sizes(groups)


def _unsupervised() -> nn.Module:
    """Jarrett, Kavukcuoglu, Ranzato and LeCun (2009), section 4: 143 px, 64 maps, then 256 that read 16 of them each."""
    first, second = nn.Conv2d(1, 64, 9), nn.Conv2d(64, 256, 9, groups=4)
    return nn.Sequential(first, nn.AvgPool2d(10, 5), second, nn.AvgPool2d(6, 4), nn.Flatten(), nn.Linear(256 * 4 * 4, 101))


def _alexnet() -> nn.Module:
    """Krizhevsky, Sutskever and Hinton (2012), section 3.5: layers 2, 4 and 5 read the maps of their own GPU alone."""
    return nn.Sequential(
        *(nn.Conv2d(3, 96, 11, 4, padding=2), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.MaxPool2d(3, 2)),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.Conv2d(384, 384, 3, padding=1, groups=2),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.MaxPool2d(3, 2)),
        *(nn.Flatten(), nn.Linear(256 * 6 * 6, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)),
    )


def _googlenet() -> nn.Module:
    """torchvision's, which reads 3 × 3 where the paper has 5 × 5 (Szegedy et al., 2014, table 1)."""
    from torchvision.models.googlenet import GoogLeNet, Inception

    net = GoogLeNet(aux_logits=False, init_weights=False)
    for part in net.modules():
        if isinstance(part, Inception):
            wide: Any = part.branch3[1]
            wide.conv = nn.Conv2d(wide.conv.in_channels, wide.conv.out_channels, 5, padding=2, bias=False)
    return net


def _torchvision(name: str, side: int = 224) -> Layers:
    def build() -> nn.Module:
        from torchvision import models

        return models.get_model(name)

    return Layers(build, (3, side, side))


NETWORKS = (
    # each unit reads all of the 20 × 20 pixels, which is an assumption: a plugboard wired some of them at random
    Network("Perceptron", 1958, None, 1, _dense(400, 512, 8)),
    Network("ADALINE", 1960, 1, 2, _dense(16, 1)),
    # Fukushima (1980), section 4: three pairs of S and C layers of 24 planes, areas of 5 × 5, the last C layer's of 2 × 2
    Network(
        "Neocognitron",
        1980,
        2,
        3,
        _paper(
            *((24 * 16 * 16, 5 * 5), (24 * 10 * 10, 5 * 5)),
            *((24 * 8 * 8, 24 * 5 * 5), (24 * 6 * 6, 5 * 5)),
            *((24 * 2 * 2, 24 * 5 * 5), (24, 2 * 2)),
        ),
    ),
    # Rumelhart, Hinton and Williams (1986), family trees: 24 persons and 12 relations are read apart, by six units each
    Network("Back-propagation", 1986, None, 4, _paper((6, 24), (6, 12), (12, 6 + 6), (6, 12), (24, 6))),
    Network("Speech RNN", 1991, None, 5, None),
    Network("Speech MLP", 1991, None, 6, None),
    # Saul, Jaakkola and Jordan (1996), digits: 8 units above 24 above the 8 × 8 pixels, which are read from below
    Network("Mean field belief net", 1996, None, 7, _paper((24, 8 * 8), (8, 24))),
    # LeCun, Bottou, Bengio and Haffner (1998), section II B: of C3's maps six read 3 of S2's, nine 4, one all 6 (table I)
    Network(
        "LeNet-5",
        1998,
        None,
        8,
        _paper(
            *((6 * 28 * 28, 5 * 5), (6 * 14 * 14, 2 * 2)),
            *((6 * 10 * 10, 3 * 5 * 5), (9 * 10 * 10, 4 * 5 * 5), (10 * 10, 6 * 5 * 5), (16 * 5 * 5, 2 * 2)),
            *((120, 16 * 5 * 5), (84, 120), (10, 84)),
        ),
    ),
    # Jaeger and Haas (2004), Mackey-Glass: 1000 neurons that read 1 % of each other and the output, which reads them all
    Network("Echo state network", 2004, None, 9, _paper((1000, 1000 // 100 + 1), (1, 1000))),
    Network("Deep belief net", 2006, None, 10, _dense(784, 500, 500, 2000, 10)),
    Network("GPU CNN", 2006, 3, 11, None),
    # Salakhutdinov and Hinton (2009), NORB: 4000 units that read 8976 pixels, trained before; two layers of 4000 above them.
    # 8976 · 4000 + 2 · 4000 · 4000 are the paper's 68 million parameters
    Network("Deep Boltzmann machine", 2009, 4, 12, _paper((4000, 8976), (4000, 4000 + 4000), (4000, 4000))),
    Network("GPU deep belief net", 2009, None, 13, None),
    Network("Unsupervised CNN", 2009, 5, 14, Layers(_unsupervised, (1, 143, 143))),
    # Ciresan, Meier, Gambardella and Schmidhuber (2010), table 1: 29 × 29 pixels, 12.11 million weights
    Network("GPU MLP", 2010, 6, 15, _dense(29 * 29, 2500, 2000, 1500, 1000, 500, 10)),
    # Coates and Ng (2011), CIFAR: 6000 features of either sign at each of 27 × 27 patches of 6 × 6 px, summed over quadrants
    Network("OMP-1", 2011, None, 16, _paper((2 * 6000 * 27 * 27, 3 * 6 * 6), (10, 4 * 2 * 6000))),
    # Le et al. (2012), figure 1: 200 px, three times 8 maps that read 18 × 18 of all maps below, untied, and are pooled 5 × 5.
    # With steps of 1 px, which is an assumption, there are 1.2 · 10⁹ connections; the paper speaks of one billion
    Network(
        "Distributed autoencoder",
        2012,
        7,
        17,
        _paper((8 * 183**2, 3 * 18**2), (8 * (183 - 4 - 17) ** 2, 8 * 18**2), (8 * (162 - 4 - 17) ** 2, 8 * 18**2)),
    ),
    Network("AlexNet", 2012, 8, 18, Layers(_alexnet, (3, 224, 224))),
    Network("COTS HPC CNN", 2013, 9, 19, None),
    Network("GoogLeNet", 2014, 10, 20, Layers(_googlenet, (3, 224, 224))),
    Network("VGG-16", 2014, None, None, _torchvision("vgg16")),
    Network("ResNet-50", 2015, None, None, _torchvision("resnet50")),
    Network("ResNeXt-101", 2016, None, None, _torchvision("resnext101_64x4d")),
    Network("DenseNet-201", 2017, None, None, _torchvision("densenet201")),
    Network("EfficientNet-B7", 2019, None, None, _torchvision("efficientnet_b7", 600)),
    Network("ViT-L/16", 2020, None, None, _torchvision("vit_l_16")),
    Network("ConvNeXt-L", 2022, None, None, _torchvision("convnext_large")),
)
