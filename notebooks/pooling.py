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
# # Pooling · Pooling
#
# Pooling replaces a neighbourhood by one number: its maximum, a (weighted) mean, a norm. What for? Small shifts matter
# less; a maximum over turned filters forgets the turn; any input size gives the same number of features.
#
# *El pooling reemplaza una vecindad por un número: su máximo, un promedio (pesado), una norma. ¿Para qué? Los
# desplazamientos pequeños importan menos; el máximo sobre filtros girados olvida el giro; cualquier tamaño de entrada da
# igual número de características.*

# %%
from ajuste_fino.lecture import pooling
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("pooling", "en")  # or "es"
settings = experiment_settings("pooling", fast=dict(window=4, filters=4, shifts=[1, 2, 3], sizes=[32, 48], seeds=1))
settings

# %% [markdown]
# $$\max_{i\in w}z_i,\qquad \sum_{i\in w}a_i z_i,\qquad \Big(\sum_{i\in w}z_i^2\Big)^{1/2}$$

# %%
findings = measure("pooling", settings)  # settings["window"] = 8, a line above, changes one

# %%
pooling.draw(findings, texts)

# %% [markdown]
# The slide's example is in the upper right corner. Of the curves the equal mean and the norm are the calmest, the maximum
# the least calm of the four: it reacts to one pixel.
#
# *El ejemplo de la diapositiva está arriba a la derecha. De las curvas, el promedio uniforme y la norma son las más
# tranquilas, y el máximo la menos de las cuatro: reacciona a un solo píxel.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Larger windows: does the order of the curves change?** As a command: `ajuste-fino lecture pooling`.
#
# ***Ventanas más grandes: ¿cambia el orden de las curvas?*** *Como orden: `ajuste-fino lecture pooling
# lang=es`.*
