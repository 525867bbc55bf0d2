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
# Figure 6.6 shows accuracy rising with depth where numbers of several digits are read, and figure 6.7 answers the obvious
# objection: perhaps the deeper networks were only larger. We train CNNs of three to eleven hidden layers to read three
# digits in one image; and the shallowest made as large as the deepest, by more filters or by a larger fully connected
# layer.

# %% [markdown] lang="es"
# # ¿Profundidad, o solo más parámetros?
#
# La figura 6.6 muestra que la exactitud crece con la profundidad al leer números de varios dígitos, y la 6.7 responde la
# objeción obvia: quizá las redes más profundas solo eran más grandes. Entrenamos redes de tres a once capas escondidas para
# leer tres dígitos en una imagen; y la menos profunda, agrandada hasta igualar a la mayor, con más filtros o con una capa
# totalmente conectada más grande.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch
from torch.nn.functional import pad

from ajuste_fino.lecture import depth
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.transcription import reader
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("depth", lang)
settings = experiment_settings("depth", fast=dict(depths=[3, 4, 5], filters=6, hidden=16, images=300, epochs=2, seeds=2))
settings

# %% [markdown]
# $$z_n=f(W_n * z_{n-1}+b_n),\quad n=1,\ldots,N$$

# %% [markdown] lang="en"
# $z_0$ is the image, $z_n$ the maps of layer $n$, $W_n$ its masks, one for each pair of a map before and a map after, $b_n$
# a number for each map, $f$ the activation, here ReLU. $*$ is the convolution of the slides, with a border of zeros so that
# the maps keep their size. $N$ is the depth, the horizontal axis of figure 6.6; the last of them here is fully connected.

# %% [markdown] lang="es"
# $z_0$ es la imagen, $z_n$ los mapas de la capa $n$, $W_n$ sus máscaras, una por cada pareja de un mapa anterior y uno
# posterior, $b_n$ un número por mapa, $f$ la activación, aquí ReLU. $*$ es la convolución de las diapositivas, con un borde
# de ceros para que los mapas conserven su tamaño. $N$ es la profundidad, el eje horizontal de la figura 6.6; la última es aquí totalmente conectada.

# %% tags=["algorithm"]
net = reader(depth=10, filters=2, hidden=8, seed=0).double().requires_grad_(False)  # its first pooling is after z_3
for layer in net[0:6:2]:
    layer.bias.fill_(0.1)  # training begins with zeros, which would hide b_n
z = image = torch.rand(1, 12, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
for n, layer in enumerate(net[0:6:2], start=1):
    W, b = layer.weight, layer.bias
    a, around = torch.zeros(len(W), 12, 28, dtype=torch.float64), pad(z, (1, 1, 1, 1))
    for m in range(len(W)):
        for i in range(12):
            for j in range(28):
                a[m, i, j] = (W[m] * around[:, i : i + 3, j : j + 3]).sum() + b[m]
    z = a.clamp(min=0)  # f
    print(f"z_{n}: {len(z)} maps of 12 × 28 px, {(z > 0).double().mean():.0%} active, mean {z.mean():.4f}")
assert torch.allclose(z, net[:6](image[None])[0], rtol=0, atol=1e-12)

# %% [markdown] lang="en"
# Three layers, each a convolution, an addition and a maximum with zero. The last maps are those of the network of the
# measurement, before it pools for the first time.

# %% [markdown] lang="es"
# Tres capas, cada una una convolución, una suma y un máximo con cero. Los últimos mapas son los de la red de la medición,
# antes de su primer pooling.

# %%
# settings["filters"] = 8  # the questions below ask for such a line
findings = measure("depth", settings)

# %%
depth.draw(findings, texts)

# %% [markdown] lang="en"
# Left: with three hidden layers a third of the images are read whole, with five 63 %; from there on little is gained, 65 to
# 68 % with nine and eleven. Middle: the same networks by their parameters, beside two that are as large as the deepest and
# no deeper than the shallowest. More filters do not help, more units in the fully connected layer help half as much as
# depth. Right: what is to be read.

# %% [markdown] lang="es"
# A la izquierda: con tres capas escondidas se lee completa una tercera parte de las imágenes, con cinco el 63 %; de ahí en
# adelante se gana poco, del 65 al 68 % con nueve y once. En el medio: las mismas redes por sus parámetros, junto a dos tan
# grandes como la más profunda y no más profundas que la menos. Más filtros no ayudan; más neuronas en la capa totalmente
# conectada ayudan la mitad que la profundidad. A la derecha, lo que hay que leer.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** Set `settings["images"] = 1000` in the measurement's cell, half of them. Does depth still help?
#
# <details><summary>Answer</summary>
#
# Yes, with fewer images all are worse and the order is the same: 8 % with three layers, 36 % with eleven, 12 % and 25 % for
# the two that are only larger. One verdict changes: the best run with more fully connected units is now above the worst of
# the deepest.
#
# </details>
#
# **2.** Set `settings["filters"] = 8`, half of them. Which verdicts change?
#
# <details><summary>Answer</summary>
#
# All of them: the accuracy rises to seven layers, 45 %, and falls to 32 % with eleven. What a narrow layer loses no later
# one finds again, and narrow deep networks are harder to train: depth helps where there is width.
#
# </details>
#
# **3.** In the cell of the algorithm give every bias −1 instead of 0.1. What is left in $z_3$?
#
# <details><summary>Answer</summary>
#
# Nothing: 14 % of $z_1$ are above 0, and of $z_2$ and $z_3$ none. Where no unit is active $f'=0$, and no gradient comes
# through either: a network of ReLU that has come there is stuck, which is why single runs, and not only means, are compared
# above.
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** Ponga `settings["images"] = 1000` en la celda de la medición, la mitad. ¿Sigue ayudando la profundidad?
#
# <details><summary>Respuesta</summary>
#
# Sí; con menos imágenes todas son peores y el orden es el mismo: 8 % con tres capas, 36 % con once, 12 % y 25 % las dos que
# solo son más grandes. Cambia un veredicto: la mejor corrida con más neuronas totalmente conectadas supera ahora a la peor
# de la más profunda.
#
# </details>
#
# **2.** Ponga `settings["filters"] = 8`, la mitad. ¿Qué veredictos cambian?
#
# <details><summary>Respuesta</summary>
#
# Todos: la exactitud sube hasta siete capas, 45 %, y baja a 32 % con once. Lo que pierde una capa angosta no lo recupera
# ninguna posterior, y las redes angostas y profundas son más difíciles de entrenar: la profundidad ayuda donde hay ancho.
#
# </details>
#
# **3.** En la celda del algoritmo dé a todos los sesgos −1 en lugar de 0.1. ¿Qué queda en $z_3$?
#
# <details><summary>Respuesta</summary>
#
# Nada: el 14 % de $z_1$ está por encima de 0, y de $z_2$ y $z_3$, ninguna. Donde ninguna neurona está activa $f'=0$, y
# tampoco pasa gradiente: una red con ReLU que llega ahí queda atascada, y por eso arriba se comparan corridas y no solo
# promedios.
#
# </details>

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
