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
# # Convolution: sparse, shared, equivariant
#
# A convolution is a dense layer whose matrix is nearly empty and full of repetitions. We make that matrix and count:
# nonzero entries are connections, different values are parameters. Then we shift a photograph.

# %% [markdown] lang="es"
# # Convolución: dispersa, compartida, equivariante
#
# Una convolución es una capa densa cuya matriz está casi vacía y llena de repeticiones. Construimos esa matriz y contamos:
# las entradas no nulas son conexiones, los valores distintos son parámetros. Luego desplazamos una foto.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch

from ajuste_fino.lecture import convolution
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure
from ajuste_fino.scratch.functional import conv2d

texts = Texts.load("convolution", lang)
settings = experiment_settings("convolution", fast=dict(sides=[8, 16, 24], kernel=3, channels=8, shift=[7, 11], seed=0))
settings

# %% [markdown]
# $$y[n_1,n_2]=\sum_{k_1}\sum_{k_2}I[n_1+k_1,n_2+k_2]\,K[k_1,k_2]$$

# %% [markdown] lang="en"
# The slide's "2D convolution (correlation)". $I$ is the image, $K$ the mask, whose values are the layer's weights, $y$ the
# map. A convolution in the sense of signal processing has $I[n-k]$: the mask turned around on both axes. All libraries call
# the correlation convolution; as the mask is learned, nothing is lost. (The slide prints $I[k]\,K[n+k]$: this map with both
# axes reversed. The experiment checks that too.)

# %% [markdown] lang="es"
# La "convolución 2D (correlación)" de la diapositiva. $I$ es la imagen, $K$ la máscara, cuyos valores son los pesos de la
# capa, $y$ el mapa. Una convolución en el sentido del procesamiento de señales tiene $I[n-k]$: la máscara girada en ambos
# ejes. Todas las bibliotecas llaman convolución a la correlación; como la máscara se aprende, no se pierde nada. (La
# diapositiva escribe $I[k]\,K[n+k]$: este mapa con ambos ejes invertidos. El experimento también lo revisa.)

# %% tags=["algorithm"]
I = torch.tensor([[1, 2, 0, 1, 3], [0, 1, 3, 1, 0], [2, 1, 0, 2, 1], [1, 0, 1, 3, 2], [3, 1, 2, 0, 1]]).double()
K = torch.tensor([[1, 2, 0], [0, 3, 1], [2, 0, 4]]).double()
y, c = torch.zeros(3, 3).double(), torch.zeros(3, 3).double()
for n1 in range(3):
    for n2 in range(3):
        for k1 in range(3):
            for k2 in range(3):
                y[n1, n2] += I[n1 + k1, n2 + k2] * K[k1, k2]  # correlation
                c[n1, n2] += I[n1 + 2 - k1, n2 + 2 - k2] * K[k1, k2]  # convolution, from its first whole overlap
print("correlation", *y.tolist(), "convolution", *c.tolist(), sep="\n")
assert torch.equal(y, conv2d(I[None, None], K[None, None])[0, 0])
assert torch.equal(c, conv2d(I[None, None], K.flip(0, 1)[None, None])[0, 0])  # a flip turns one into the other

# %% [markdown] lang="en"
# Nine weights, used at nine places. The first map is that of `scratch.functional.conv2d`; with the mask flipped on both
# axes the same function gives the second.

# %% [markdown] lang="es"
# Nueve pesos, usados en nueve lugares. El primer mapa es el de `scratch.functional.conv2d`; con la máscara invertida en
# ambos ejes la misma función da el segundo.

# %%
# settings["kernel"] = 5  # the questions below ask for such a line
findings = measure("convolution", settings)

# %%
convolution.draw(findings, texts)

# %% [markdown] lang="en"
# Parameters do not grow with the image at all, connections grow with its area, those of the dense layer with the area
# squared. Below the photographs: the map of the shifted image is the shifted map, with a difference of zero.

# %% [markdown] lang="es"
# Los parámetros no crecen con la imagen, las conexiones crecen con su área, las de la capa densa con el cuadrado del área.
# Debajo de las fotos: el mapa de la imagen desplazada es el mapa desplazado, con diferencia cero.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** Set `settings["kernel"] = 5`. By what factor do parameters and connections grow, at 32 px a side?
#
# <details><summary>Answer</summary>
#
# Parameters from 72 to 200, which is 25/9 = 2.8. Connections from 70,688 to 189,728, which is 2.7: a little less, because
# more of a larger mask falls off the border.
#
# </details>
#
# **2.** In the algorithm's cell change the 0 in the middle of `I` (third row, third column) to 1. How do both maps change?
#
# <details><summary>Answer</summary>
#
# The convolution's map grows by exactly $K$: the answer to one light pixel is the mask itself. The correlation's map grows
# by $K$ turned around, $K[2-n_1,2-n_2]$: its first entry goes from 15 to 19, by the last weight, 4.
#
# </details>
#
# **3.** Set `settings["channels"] = 16`: twice the maps. Does the dense layer's disadvantage grow?
#
# <details><summary>Answer</summary>
#
# No. Parameters double for both, 72 to 144 and 8,388,608 to 16,777,216 at 32 px: the dense layer has 120 thousand times as
# many in both cases.
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** Ponga `settings["kernel"] = 5`. ¿Por qué factor crecen parámetros y conexiones, con 32 px de lado?
#
# <details><summary>Respuesta</summary>
#
# Los parámetros de 72 a 200, es decir 25/9 = 2.8. Las conexiones de 70 688 a 189 728, es decir 2.7: un poco menos, porque
# de una máscara más grande cae una parte mayor fuera del borde.
#
# </details>
#
# **2.** En la celda del algoritmo cambie por 1 el 0 del centro de `I` (tercera fila, tercera columna). ¿Cómo cambian ambos
# mapas?
#
# <details><summary>Respuesta</summary>
#
# El mapa de la convolución crece exactamente en $K$: la respuesta a un píxel encendido es la máscara misma. El de la
# correlación crece en $K$ girada, $K[2-n_1,2-n_2]$: su primera entrada pasa de 15 a 19, por el último peso, 4.
#
# </details>
#
# **3.** Ponga `settings["channels"] = 16`: el doble de mapas. ¿Crece la desventaja de la capa densa?
#
# <details><summary>Respuesta</summary>
#
# No. Los parámetros se duplican en ambas, de 72 a 144 y de 8 388 608 a 16 777 216 con 32 px: la capa densa tiene en ambos
# casos 120 mil veces más.
#
# </details>

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: sections 9.1 and 9.2, figures 9.2 to 9.5. LeCun, Bottou, Bengio
# and Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture convolution`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: secciones 9.1 y 9.2, figuras 9.2 a 9.5. LeCun, Bottou, Bengio y
# Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture convolution lang=es`.
