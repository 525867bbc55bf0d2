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
# # Transfer · Transferencia
#
# The lecture's usual approach: choose a network already trained on a similar problem, freeze it, train a new fully
# connected head; fine-tune if it pays. Against it, the same network from random weights. How many labels does which way
# need?
#
# *La aproximación usual de la clase: escoger una red ya entrenada en un problema similar, congelarla, entrenar una cabeza
# nueva totalmente conectada; y ajustar más si conviene. En contra, la misma red desde pesos al azar. ¿Cuántas etiquetas
# necesita cada camino?*

# %%
from ajuste_fino.lecture import transfer
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("transfer", "en")  # or "es"
settings = experiment_settings(
    "transfer", fast=dict(labels=[2, 20], scratch_steps=12, tuning_steps=4, head_steps=30, seeds=2, far=None)
)
settings

# %% [markdown]
# $$\min_V J(V,\bar w)\;\rightarrow\;\min_{V,w}J(V,w)$$

# %%
findings = measure("transfer", settings)  # settings["scratch_steps"] = 160, a line above, changes one

# %%
transfer.draw(findings, texts)

# %% [markdown]
# The black bars, a frozen backbone of random weights, show how much of this task needs no pretraining at all. Pass a folder
# of your own photographs as `far`.
#
# *Las barras negras, una red congelada de pesos al azar, muestran cuánto de esta tarea no pide preentrenamiento. Pase una
# carpeta de fotos suyas como `far`.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Which of the three backbones would you choose for your own images?** As a command: `ajuste-fino lecture
# transfer`.
#
# ***¿Cuál de las tres redes escogería para sus propias fotos?*** *Como orden: `ajuste-fino lecture transfer
# lang=es`.*
