# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
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

# %% [markdown]
# # Convolution: sparse, shared, equivariant · Convolución: dispersa, compartida, equivariante
#
# A convolution is a dense layer whose matrix is nearly empty and full of repetitions. We make that matrix and count:
# nonzero entries are connections, different values are parameters. Then we shift a photograph.
#
# *Una convolución es una capa densa cuya matriz está casi vacía y llena de repeticiones. Construimos esa matriz y contamos:
# las entradas no nulas son conexiones, los valores distintos son parámetros. Luego desplazamos una foto.*

# %%
from ajuste_fino.lecture import convolution
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("convolution", "en")  # or "es"
settings = experiment_settings("convolution", fast=dict(sides=[8, 16, 24], kernel=3, channels=8, shift=[7, 11], seed=0))
settings

# %% [markdown]
# $$y[n_1,n_2]=\sum_{k_1}\sum_{k_2}I[n_1+k_1,n_2+k_2]\,K[k_1,k_2]$$

# %%
findings = measure("convolution", settings)  # settings["kernel"] = 5, a line above, changes one

# %%
convolution.draw(findings, texts)

# %% [markdown]
# Parameters do not grow with the image at all, connections grow with its area, those of the dense layer with the area
# squared. The slide's printed formula is measured as well: it is this one with both axes reversed.
#
# *Los parámetros no crecen con la imagen, las conexiones crecen con su área, las de la capa densa con el cuadrado del área.
# También se mide la fórmula impresa en la diapositiva: es esta con ambos ejes invertidos.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Use a mask of 5 × 5. What changes by how much?** As a command: `ajuste-fino lecture convolution`.
#
# ***Use una máscara de 5 × 5. ¿Qué cambia, y cuánto?*** *Como orden: `ajuste-fino lecture convolution
# lang=es`.*
