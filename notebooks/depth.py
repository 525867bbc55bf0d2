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
# # Depth, or only more parameters? · ¿Profundidad, o solo más parámetros?
#
# Figure 6.6 shows accuracy rising with depth, and figure 6.7 answers the obvious objection: perhaps the deeper networks
# were only larger. We train CNNs of growing depth, and a shallow one made as large as the deepest by more filters.
#
# *La figura 6.6 muestra que la exactitud crece con la profundidad, y la 6.7 responde la objeción obvia: quizá las redes más
# profundas solo eran más grandes. Entrenamos redes cada vez más profundas, y una poco profunda que iguala a la mayor en
# parámetros con más filtros.*

# %%
from ajuste_fino.lecture import depth
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("depth", "en")  # or "es"
settings = experiment_settings("depth", fast=dict(depths=[1, 2, 3], filters=8, widths=[12], images=600, epochs=3, seeds=2))
settings

# %% [markdown]
# $$z_n=f(W_n * z_{n-1}+b_n),\quad n=1,\ldots,N$$

# %%
findings = measure("depth", settings)  # settings["filters"] = 32, a line above, changes one

# %%
depth.draw(findings, texts)

# %% [markdown]
# Look along a vertical line in the second panel: as many parameters, and the deeper network is ahead.
#
# *Mire una línea vertical en el segundo panel: igual número de parámetros, y la red más profunda va
# adelante.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Let the wide network have twice the filters. Does it catch up?** As a command: `ajuste-fino lecture depth`.
#
# ***Dele a la red ancha el doble de filtros. ¿Alcanza a la otra?*** *Como orden: `ajuste-fino lecture depth
# lang=es`.*
