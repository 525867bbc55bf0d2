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
# # The receptive field · El campo receptivo
#
# How much of the image does one unit see? Count by the formula, then ask the gradient: it differs from zero just at the
# pixels that matter.
#
# *¿Cuánto de la imagen ve una neurona? Cuente con la fórmula, y luego pregúntele al gradiente: es distinto de cero justo en
# los píxeles que importan.*

# %%
from ajuste_fino.lecture import receptive_field
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("receptive_field", "en")  # or "es"
settings = experiment_settings("receptive_field", fast=dict(kernel=3, depth=4, seed=0))
settings

# %% [markdown]
# $$r_n=r_{n-1}+(k_n-1)\prod_{m<n}s_m$$

# %%
findings = measure("receptive_field", settings)  # settings["kernel"] = 5, a line above, changes one

# %%
receptive_field.draw(findings, texts)

# %% [markdown]
# Stride and pooling multiply the growth. The heat map shows that a field is not seen evenly: many paths lead to its middle,
# one to each corner.
#
# *Stride y pooling multiplican el crecimiento. El mapa de calor muestra que un campo no se ve parejo: muchos caminos llevan
# a su centro, uno a cada esquina.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Masks of 5 px: how many layers for a field of 17 px?** As a command: `ajuste-fino lecture receptive_field`.
#
# ***Máscaras de 5 px: ¿cuántas capas para un campo de 17 px?*** *Como orden: `ajuste-fino lecture
# receptive_field lang=es`.*
