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
# # Features, layer by layer · Características, capa por capa
#
# A convolutional network builds its features in layers. How much does each layer know? A linear probe answers: logistic
# regression that reads the map after one layer and nothing else. We ask twice: on fractals, which the embedded backbone was
# trained on, and on handwritten digits, of which it never saw one.
#
# *Una red convolucional construye sus características en capas. ¿Cuánto sabe cada capa? Responde un clasificador lineal:
# una regresión logística que lee el mapa tras una capa y nada más. Preguntamos dos veces: sobre fractales, con los que se
# entrenó la red incluida, y sobre dígitos manuscritos, de los que no vio ninguno.*

# %%
from ajuste_fino.lecture import features
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("features", "en")  # or "es"
settings = experiment_settings("features", fast=dict(systems=6, labels=4, tests=60, seeds=2))
settings

# %% [markdown]
# $$p(y\,|\,x)=\mathrm{softmax}(V\,z_n(x)+c)$$

# %%
findings = measure("features", settings)  # settings["systems"] = 40, a line above, changes one

# %%
features.draw(findings, texts)

# %% [markdown]
# On its own task every layer adds. On the digits the curve turns down again: the last layers have specialised. This is why
# `features.tap` is a key of this toolkit, and why its default is not the last block.
#
# *En su propia tarea cada capa aporta. Con los dígitos la curva vuelve a bajar: las últimas capas se especializaron. Por
# eso `features.tap` es una clave de este proyecto, y por eso su valor por omisión no es el último bloque.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Give the probe more labels. Does the best layer move?** As a command: `ajuste-fino lecture features`.
#
# ***Dele más etiquetas al clasificador. ¿Se mueve la mejor capa?*** *Como orden: `ajuste-fino lecture features
# lang=es`.*
