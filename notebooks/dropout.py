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
# # Dropout as bagging · Dropout como bagging
#
# Each mask leaves a subnetwork; dropout trains them all, with shared weights. At inference they should vote, by their
# geometric mean. Scaling the weights gives exactly that for softmax regression, and nearly that for a deep network.
#
# *Cada máscara deja una subred; dropout las entrena todas, con pesos compartidos. Al inferir deberían votar, por su media
# geométrica. Escalar los pesos da exactamente eso en la regresión softmax, y casi eso en una red profunda.*

# %%
from ajuste_fino.lecture import dropout
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("dropout", "en")  # or "es"
settings = experiment_settings("dropout", fast=dict(inputs=8, hidden=32, labels=5, epochs=15, masks=40, seeds=2))
settings

# %% [markdown]
# $$\tilde p(y\,|\,x)=\frac{1}{Z}\Big(\prod_\mu p(y\,|\,x,\mu)\Big)^{1/2^d},\qquad \min_w\ \mathbb{E}_\mu J(w,\mu)$$

# %%
findings = measure("dropout", settings)  # settings["inputs"] = 12, a line above, changes one

# %%
dropout.draw(findings, texts)

# %% [markdown]
# The slides' 0.5 and 0.8 are probabilities of keeping a unit; torch's `p` is that of dropping it. The title above the right
# panel has the identity's error: the rounding of float64.
#
# *El 0.5 y el 0.8 de las diapositivas son probabilidades de conservar una neurona; la `p` de torch es la de quitarla. El
# título del panel derecho trae el error de la identidad: el redondeo de float64.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **With more labels, does dropout still help?** As a command: `ajuste-fino lecture dropout`.
#
# ***Con más etiquetas, ¿ayuda todavía dropout?*** *Como orden: `ajuste-fino lecture dropout lang=es`.*
