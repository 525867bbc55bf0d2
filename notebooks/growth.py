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
# # How fast do networks grow? · ¿Qué tan rápido crecen las redes?
#
# The book's figures 1.10 and 1.11 place networks by year, size, and connections per neuron. Here those of the lists that
# can be built layer by layer are built, without memory, and counted; so are later ones.
#
# *Las figuras 1.10 y 1.11 del libro ubican las redes por año, tamaño y conexiones por neurona. Aquí se construyen, sin
# gastar memoria, y se cuentan las de las listas que se pueden armar capa por capa; también otras posteriores.*

# %%
from ajuste_fino.lecture import growth
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("growth", "en")  # or "es"
settings = experiment_settings("growth", fast=dict(confidence=0.95))
settings

# %% [markdown]
# $$\log_2 N(t)=\log_2 N_0+t/T_2$$

# %%
findings = measure("growth", settings)  # settings["confidence"] = 0.5, a line above, changes one

# %%
growth.draw(findings, texts)

# %% [markdown]
# The interval is wide: a straight line through so few, so different networks does not know its slope well. 2.4 years are
# inside; so are 2 and 3.
#
# *El intervalo es ancho: una recta por tan pocas redes, tan distintas, no conoce bien su pendiente. Los 2.4 años están
# dentro; también 2 y 3.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Ask for an interval of 50 %. Is 2.4 still inside?** As a command: `ajuste-fino lecture growth`.
#
# ***Pida un intervalo del 50 %. ¿Siguen dentro los 2.4?*** *Como orden: `ajuste-fino lecture growth lang=es`.*
