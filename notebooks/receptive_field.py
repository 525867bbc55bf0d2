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
# # The receptive field
#
# How much of the image does one unit see? Count by the formula, then ask the gradient: it differs from zero just at the
# pixels that matter.

# %% [markdown] lang="es"
# # El campo receptivo
#
# ¿Cuánto de la imagen ve una neurona? Cuente con la fórmula, y luego pregúntele al gradiente: es distinto de cero justo en
# los píxeles que importan.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch

from ajuste_fino.lecture import receptive_field
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure
from ajuste_fino.scratch import nn

texts = Texts.load("receptive_field", lang)
settings = experiment_settings("receptive_field", fast=dict(kernel=3, depth=4, seed=0))
settings

# %% [markdown]
# $$r_n=r_{n-1}+(k_n-1)\prod_{m<n}s_m,\qquad r_0=1$$

# %% [markdown] lang="en"
# Figure 9.4 of the slides, as a formula. $r_n$ is the side of what a unit of layer $n$ sees, in pixels of the image, $k_n$
# the side of the layer's mask, $s_m$ the strides of the layers before. Two neighbours in front of layer $n$ are
# $\prod_{m<n}s_m$ pixels apart; the mask adds $k_n-1$ such distances.

# %% [markdown] lang="es"
# La figura 9.4 de las diapositivas, como fórmula. $r_n$ es el lado de lo que ve una neurona de la capa $n$, en píxeles de
# la imagen, $k_n$ el lado de la máscara, $s_m$ los strides de las capas anteriores. Dos vecinas a la entrada de la capa $n$
# están a $\prod_{m<n}s_m$ píxeles; la máscara agrega $k_n-1$ de esas distancias.

# %% tags=["algorithm"]
layers = [(3, 1), (3, 2), (3, 1), (3, 1)]  # mask k and stride s of each
r, product, net = 1, 1, torch.nn.Sequential()
for k, s in layers:
    r = r + (k - 1) * product
    product = product * s
    conv = nn.Conv2d(1, 1, k, s, bias=False)
    conv.weight.data.fill_(1)  # all positive: nothing cancels
    net.append(conv)
    I = torch.zeros(1, 1, 40, 40, requires_grad=True)
    net(I)[0, 0, 0, 0].backward()  # the first unit of the last layer
    seen = int((I.grad[0, 0] != 0).any(0).sum())  # columns of the image that it depends on
    print(f"k = {k}, s = {s}:  r = {r:2} px by the formula, {seen:2} px by the gradient")
    assert r == seen

# %% [markdown] lang="en"
# The stride of the second layer does not widen its own field; each later layer adds twice as much. Formula and gradient,
# through layers of `scratch.nn`, agree to the pixel.

# %% [markdown] lang="es"
# El stride de la segunda capa no ensancha su propio campo; cada capa posterior agrega el doble. La fórmula y el gradiente,
# por capas de `scratch.nn`, coinciden píxel a píxel.

# %%
# settings["kernel"] = 5  # the questions below ask for such a line
findings = measure("receptive_field", settings)

# %%
receptive_field.draw(findings, texts)

# %% [markdown] lang="en"
# Stride and pooling multiply the growth: after four convolutions 31 px with stride 2 and 46 px with pooling, 9 px without.
# The heat map shows that a field is not seen evenly: many paths lead to its middle, one to each corner.

# %% [markdown] lang="es"
# Stride y pooling multiplican el crecimiento: tras cuatro convoluciones 31 px con stride 2 y 46 px con pooling, 9 px sin
# ellos. El mapa de calor muestra que un campo no se ve parejo: muchos caminos llevan a su centro, uno a cada esquina.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** Set `settings["kernel"] = 5`. After how many plain convolutions does a unit see 17 px? After how many with masks of
# 3 px?
#
# <details><summary>Answer</summary>
#
# After four (5, 9, 13, 17): each adds $k-1=4$. With 3 px each adds 2, and it takes eight. Eight masks of 3 × 3 have 72
# weights, four of 5 × 5 have 100.
#
# </details>
#
# **2.** In the algorithm's cell, give the second layer stride 3 instead of 2. Which lines change?
#
# <details><summary>Answer</summary>
#
# Only the last two: 11 and 17 px instead of 9 and 13. A layer's stride acts on the layers that follow.
#
# </details>
#
# **3.** Set `settings["depth"] = 5`. How wide are the three fields after the fifth convolution?
#
# <details><summary>Answer</summary>
#
# 11 px plain, 63 px with stride 2, 94 px with pooling after each. With stride 2 the field about doubles with each layer,
# $2^{n+1}-1$.
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** Ponga `settings["kernel"] = 5`. ¿Tras cuántas convoluciones simples ve una neurona 17 px? ¿Y con máscaras de 3 px?
#
# <details><summary>Respuesta</summary>
#
# Tras cuatro (5, 9, 13, 17): cada una agrega $k-1=4$. Con 3 px cada una agrega 2, y hacen falta ocho. Ocho máscaras de 3 ×
# 3 tienen 72 pesos, cuatro de 5 × 5 tienen 100.
#
# </details>
#
# **2.** En la celda del algoritmo, dele a la segunda capa stride 3 en vez de 2. ¿Qué líneas cambian?
#
# <details><summary>Respuesta</summary>
#
# Solo las dos últimas: 11 y 17 px en vez de 9 y 13. El stride de una capa actúa sobre las capas que siguen.
#
# </details>
#
# **3.** Ponga `settings["depth"] = 5`. ¿Qué ancho tienen los tres campos después de la quinta convolución?
#
# <details><summary>Respuesta</summary>
#
# 11 px sin nada, 63 px con stride 2, 94 px con pooling después de cada una. Con stride 2 el campo casi se duplica con cada
# capa, $2^{n+1}-1$.
#
# </details>

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 9.2, figures 9.2 to 9.4, and figure 9.12 for the stride.
# Luo, Li, Urtasun and Zemel, "Understanding the Effective Receptive Field", NeurIPS 2016, for the heat map.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture receptive_field`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 9.2, figuras 9.2 a 9.4, y figura 9.12 para el stride. Luo,
# Li, Urtasun y Zemel, "Understanding the Effective Receptive Field", NeurIPS 2016, para el mapa de calor.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture receptive_field lang=es`.
