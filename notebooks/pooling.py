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
# # Pooling
#
# Pooling replaces a neighbourhood by one number: its maximum, a (weighted) mean, a norm. What for? Small shifts matter
# less; a maximum over turned filters forgets the turn; any input size gives the same number of features.

# %% [markdown] lang="es"
# # Pooling
#
# El pooling reemplaza una vecindad por un número: su máximo, un promedio (pesado), una norma. ¿Para qué? Los
# desplazamientos pequeños importan menos; el máximo sobre filtros girados olvida el giro; cualquier tamaño de entrada da
# igual número de características.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch

from ajuste_fino.lecture import pooling
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure
from ajuste_fino.scratch import nn

texts = Texts.load("pooling", lang)
settings = experiment_settings("pooling", fast=dict(window=4, filters=4, shifts=[1, 2, 3], sizes=[32, 48], seeds=1))
settings

# %% [markdown]
# $$\max_{i\in w}z_i,\qquad \sum_{i\in w}a_i z_i,\quad \sum_i a_i=1,\qquad \Big(\sum_{i\in w}|z_i|^p\Big)^{1/p}$$

# %% [markdown] lang="en"
# The three statistics of the slide. $w$ is a window of $k\times k$ values $z_i$ of a map, $a_i$ are the weights of the mean
# (equal ones below), $p$ is the order of the norm, 2 on the slide. The window moves by the stride $s$; with $s=2$ each side
# is halved.

# %% [markdown] lang="es"
# Los tres estadísticos de la diapositiva. $w$ es una ventana de $k\times k$ valores $z_i$ de un mapa, $a_i$ son los pesos
# del promedio (abajo iguales), $p$ es el orden de la norma, 2 en la diapositiva. La ventana avanza con el stride $s$; con
# $s=2$ cada lado queda en la mitad.

# %% tags=["algorithm"]
z = torch.tensor([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]).double()  # the slide's
k, s, p = 2, 2, 2  # side of the window, stride, order of the norm
places = range((4 - k) // s + 1)
maximum, average, norm = torch.zeros(3, len(places), len(places)).double()
for n1 in places:
    for n2 in places:
        w = [z[s * n1 + k1, s * n2 + k2] for k1 in range(k) for k2 in range(k)]
        maximum[n1, n2] = max(w)
        average[n1, n2] = sum(w) / k**2  # all a_i are 1 / k²
        norm[n1, n2] = sum(z_i**p for z_i in w) ** (1 / p)
package = nn.MaxPool2d(k, s), nn.AvgPool2d(k, s), nn.LPPool2d(p, k, s)
for by_hand, layer in zip((maximum, average, norm), package, strict=True):
    print(f"{type(layer).__name__:10}", [[round(value, 2) for value in row] for row in by_hand.tolist()])
    assert torch.allclose(by_hand, layer(z[None, None])[0, 0], rtol=0, atol=1e-12)

# %% [markdown] lang="en"
# The first line is the slide's answer, [[6, 8], [3, 4]]. Mean and norm look at all four values of a window, the maximum at
# one. All three are those of the layers of `scratch.nn`.

# %% [markdown] lang="es"
# La primera línea es la respuesta de la diapositiva, [[6, 8], [3, 4]]. El promedio y la norma miran los cuatro valores de
# una ventana, el máximo uno. Los tres son los de las capas de `scratch.nn`.

# %%
# settings["window"] = 8  # the questions below ask for such a line
findings = measure("pooling", settings)

# %%
pooling.draw(findings, texts)

# %% [markdown] lang="en"
# The slide's example is in the upper right corner. Of the curves the equal mean and the norm are the calmest, the maximum
# the least calm of the four: it reacts to one pixel. All are below the map without pooling.

# %% [markdown] lang="es"
# El ejemplo de la diapositiva está arriba a la derecha. De las curvas, el promedio uniforme y la norma son las más
# tranquilas, y el máximo la menos de las cuatro: reacciona a un solo píxel. Todas quedan por debajo del mapa sin pooling.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** In the algorithm's cell set the stride `s` to 1. How large are the maps, and what is the second row of the maximum?
#
# <details><summary>Answer</summary>
#
# 3 × 3 instead of 2 × 2: $(4-k)/s+1$ places a side. The second row of the maximum is 6, 7, 8, the same as the first: both
# windows hold the row 5, 6, 7, 8. A small shift did not matter.
#
# </details>
#
# **2.** Set `p` to 10. What does the norm resemble now?
#
# <details><summary>Answer</summary>
#
# The maximum: 6.09, 8.19, 3.01, 4.02 against 6, 8, 3, 4. The larger $p$, the more the largest value of a window counts; the
# maximum is the limit.
#
# </details>
#
# **3.** Set `settings["window"] = 8`, twice the side. How much does a shift of one pixel still change each map, over the
# change without pooling?
#
# <details><summary>Answer</summary>
#
# The maximum 0.47 (0.60 before), the mean 0.23 (0.37), the norm 0.23 (0.37). A larger window forgives more; the maximum
# still forgives least.
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** En la celda del algoritmo ponga el stride `s` en 1. ¿De qué tamaño son los mapas, y cuál es la segunda fila del
# máximo?
#
# <details><summary>Respuesta</summary>
#
# 3 × 3 en vez de 2 × 2: $(4-k)/s+1$ lugares por lado. La segunda fila del máximo es 6, 7, 8, igual a la primera: ambas
# ventanas contienen la fila 5, 6, 7, 8. Un desplazamiento pequeño no importó.
#
# </details>
#
# **2.** Ponga `p` en 10. ¿A qué se parece ahora la norma?
#
# <details><summary>Respuesta</summary>
#
# Al máximo: 6.09, 8.19, 3.01, 4.02 contra 6, 8, 3, 4. Cuanto mayor $p$, más cuenta el mayor valor de la ventana; el máximo
# es el límite.
#
# </details>
#
# **3.** Ponga `settings["window"] = 8`, el doble del lado. ¿Cuánto cambia todavía cada mapa con un desplazamiento de un
# píxel, respecto del cambio sin pooling?
#
# <details><summary>Respuesta</summary>
#
# El máximo 0.47 (antes 0.60), el promedio 0.23 (0.37), la norma 0.23 (0.37). Una ventana mayor perdona más; el máximo sigue
# siendo el que menos perdona.
#
# </details>

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 9.3, figures 9.8 (shifts), 9.9 (pooling across channels)
# and 9.10 (stride). Boureau, Ponce and LeCun, "A Theoretical Analysis of Feature Pooling in Visual Recognition", ICML 2010.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture pooling`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 9.3, figuras 9.8 (desplazamientos), 9.9 (pooling a través
# de canales) y 9.10 (stride). Boureau, Ponce y LeCun, "A Theoretical Analysis of Feature Pooling in Visual Recognition",
# ICML 2010.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture pooling lang=es`.
