# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] lang="en"
# # Depth, or only more parameters?
#
# Figure 6.6 shows accuracy rising with depth, and figure 6.7 answers the obvious objection: perhaps the deeper networks
# were only larger. We train CNNs of growing depth, and a shallow one made as large as the deepest by more filters.

# %% [markdown] lang="es"
# # ¿Profundidad, o solo más parámetros?
#
# La figura 6.6 muestra que la exactitud crece con la profundidad, y la 6.7 responde la objeción obvia: quizá las redes más
# profundas solo eran más grandes. Entrenamos redes cada vez más profundas, y una poco profunda que iguala a la mayor en
# parámetros con más filtros.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch
from torch.nn.functional import pad

from ajuste_fino.backbone.designed import Design, DesignedNet
from ajuste_fino.lecture import depth
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("depth", lang)
settings = experiment_settings("depth", fast=dict(depths=[3, 4, 5], filters=6, hidden=16, images=300, epochs=2, seeds=2))
settings

# %% [markdown]
# $$z_n=f(W_n * z_{n-1}+b_n),\quad n=1,\ldots,N$$

# %% [markdown] lang="en"
# $z_0$ is the image, $z_n$ the maps of layer $n$, $W_n$ its masks, one for each pair of a map before and a map after, $b_n$
# a number for each map, $f$ the activation, here ReLU. $*$ is the convolution of the slides, with a border of zeros so that
# the maps keep their size. $N$ is the depth, the horizontal axis of figure 6.6.

# %% [markdown] lang="es"
# $z_0$ es la imagen, $z_n$ los mapas de la capa $n$, $W_n$ sus máscaras, una por cada pareja de un mapa anterior y uno
# posterior, $b_n$ un número por mapa, $f$ la activación, aquí ReLU. $*$ es la convolución de las diapositivas, con un borde
# de ceros para que los mapas conserven su tamaño. $N$ es la profundidad, el eje horizontal de la figura 6.6.

# %% tags=["algorithm"]
torch.manual_seed(0)
net = DesignedNet(Design(layers=3, filters=[2, 2, 2], pooling="none", grid=1)).double().requires_grad_(False)
z = image = torch.rand(3, 6, 6, dtype=torch.float64)
convolutions = [layer for layer in net.modules() if isinstance(layer, torch.nn.Conv2d)]
for n, (W, b) in enumerate(((layer.weight, layer.bias) for layer in convolutions), start=1):
    a, around = torch.zeros(len(W), 6, 6, dtype=torch.float64), pad(z, (1, 1, 1, 1))
    for m in range(len(W)):
        for i in range(6):
            for j in range(6):
                a[m, i, j] = (W[m] * around[:, i : i + 3, j : j + 3]).sum() + b[m]
    z = a.clamp(min=0)  # f
    print(
        f"z_{n}: {z.shape[0]} maps of {z.shape[1]} × {z.shape[2]} px, {(z > 0).double().mean():.0%} active, mean {z.mean():.4f}"
    )
assert torch.allclose(z, net.features(image[None])[0], rtol=0, atol=1e-12)

# %% [markdown] lang="en"
# Three layers, each a convolution, an addition and a maximum with zero. The last maps are those of `DesignedNet`, the
# network of the measurement.

# %% [markdown] lang="es"
# Tres capas, cada una una convolución, una suma y un máximo con cero. Los últimos mapas son los de `DesignedNet`, la red de
# la medición.

# %%
# settings["filters"] = 32  # the questions below ask for such a line
findings = measure("depth", settings)

# %%
depth.draw(findings, texts)

# %% [markdown] lang="en"
# TODO: what to look at

# %% [markdown] lang="es"
# TODO: qué mirar

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# TODO: three questions

# %% [markdown] lang="es"
# TODO: tres preguntas

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 6.4.1, figures 6.6 and 6.7. Goodfellow, Bulatov, Ibarz,
# Arnoud and Shet, "Multi-digit Number Recognition from Street View Imagery", ICLR 2014.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture depth`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 6.4.1, figuras 6.6 y 6.7. Goodfellow, Bulatov, Ibarz,
# Arnoud y Shet, "Multi-digit Number Recognition from Street View Imagery", ICLR 2014.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture depth lang=es`.
