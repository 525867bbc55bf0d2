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

texts = Texts.load("transfer", "en")  # or "es"
settings = dict(
    labels=[2, 20], scratch_steps=12, tuning_steps=4, head_steps=30, seeds=2, far=None
)  # fast ones: change a number, run all

# %% [markdown]
# $$\min_V J(V,\bar w)\quad\text{then}\quad\min_{V,w}J(V,w)$$

# %%
findings = transfer.measure(**settings)

# %%
transfer.draw(findings, texts)

# %% [markdown]
# Read the verdict below as this short run's; the command trains longer and over more labels. The black bars, a frozen
# backbone of random weights, show how much of this task needs no pretraining at all. Pass a folder of your own photographs
# as `far`.
#
# *Lea el veredicto de abajo como el de esta corrida corta; la orden entrena más y con más etiquetas. Las barras negras, una
# red congelada de pesos al azar, muestran cuánto de esta tarea no pide preentrenamiento. Pase una carpeta de fotos suyas
# como `far`.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Which of the three backbones would you choose for your own images?** The whole experiment: `ajuste-fino lecture
# transfer`.
#
# ***¿Cuál de las tres redes escogería para sus propias fotos?*** *El experimento completo: `ajuste-fino lecture transfer
# lang=es`.*
