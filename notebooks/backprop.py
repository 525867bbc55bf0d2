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
# # Backpropagation · Backpropagation
#
# First unit by unit, as the slides draw it: forwards a and z, backwards δ. Then by matrices, all examples at once. Both are
# compared with automatic differentiation, and then the same equations train a real head on frozen features.
#
# *Primero neurona por neurona, como lo dibujan las diapositivas: hacia adelante a y z, hacia atrás δ. Luego con matrices,
# todos los ejemplos a la vez. Ambas formas se comparan con la diferenciación automática, y después las mismas ecuaciones
# entrenan una cabeza real sobre una red congelada.*

# %%
from ajuste_fino.lecture import backprop
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("backprop", "en")  # or "es"
settings = experiment_settings("backprop", fast=dict(sizes=[3, 4, 4, 2], networks=2, hidden=32, epochs=20))
settings

# %% [markdown]
# $$\frac{\partial L}{\partial w_{ij}}=\delta_j z_i,\quad \delta_j=f'_j(a_j)\sum_k w_{jk}\delta_k,\qquad \frac{\partial L}{\partial W_{n+1}}=\delta_{n+1}z_n^{T}$$

# %%
findings = measure("backprop", settings)  # settings["networks"] = 10, a line above, changes one

# %%
backprop.draw(findings, texts)

# %% [markdown]
# The slide prints the matrix gradient as $z_n \odot \delta_{n+1}$. Check the dimensions: only the outer product has those
# of $W_{n+1}$. The two training curves lie on each other.
#
# *La diapositiva escribe el gradiente matricial como $z_n \odot \delta_{n+1}$. Revise las dimensiones: solo el producto
# externo tiene las de $W_{n+1}$. Las dos curvas de entrenamiento coinciden.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Draw a deeper network: change `sizes`.** As a command: `ajuste-fino lecture backprop`.
#
# ***Dibuje una red más profunda: cambie `sizes`.*** *Como orden: `ajuste-fino lecture backprop lang=es`.*
