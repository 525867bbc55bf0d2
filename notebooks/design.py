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
# # Designing a CNN is model selection · Diseñar una CNN es selección de modelo
#
# How many layers, how many filters, which pooling, what fully connected part? There is no formula: one tries, and judges on
# the validation split. Only the design that won meets the test split, at the end.
#
# *¿Cuántas capas, cuántos filtros, qué pooling, qué parte totalmente conectada? No hay fórmula: se prueba, y se juzga con
# la validación. Solo el diseño que ganó llega al conjunto de prueba, al final.*

# %%
from ajuste_fino.lecture import design
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("design", "en")  # or "es"
settings = experiment_settings(
    "design", fast=dict(layers=[1, 2], filters=[4, 8], poolings=["max", "average"], hidden=[0, 64], trials=5, epochs=1, seeds=1)
)
settings

# %% [markdown]
# $$\hat m=\arg\max_m \mathrm{acc}_{\mathrm{val}}(m)$$

# %%
findings = measure("design", settings)  # settings["trials"] = 60, a line above, changes one

# %%
design.draw(findings, texts)

# %% [markdown]
# The bars tell how much of the variation between trials each choice explains. `ajuste-fino sweep data.root=…` searches in
# the same way on your own images.
#
# *Las barras dicen cuánto de la variación entre ensayos explica cada decisión. `ajuste-fino sweep data.root=…` busca del
# mismo modo con sus propias fotos.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Give the search more trials: how long does it go on finding better ones?** As a command: `ajuste-fino lecture
# design`.
#
# ***Dele más ensayos: ¿hasta cuándo sigue encontrando mejores?*** *Como orden: `ajuste-fino lecture design
# lang=es`.*
