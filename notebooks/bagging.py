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
# # Bagging · Bagging
#
# Draw with replacement, train on each sample, vote. It helps a learner that changes much with its sample, such as a tree; a
# linear head on frozen features changes little. Each member misses 37 % of the examples: they judge it for free.
#
# *Muestree con reemplazo, entrene con cada muestra, vote. Ayuda a un aprendiz que cambia mucho con su muestra, como un
# árbol; una cabeza lineal sobre una red congelada cambia poco. A cada miembro le falta el 37 % de los ejemplos: lo juzgan
# gratis.*

# %%
from ajuste_fino.lecture import bagging
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("bagging", "en")  # or "es"
settings = experiment_settings("bagging", fast=dict(trees=16, heads=8, epochs=2, sample=100, intervals=60, seeds=1))
settings

# %% [markdown]
# $$\mathcal{S}_t\sim\mathcal{S},\quad h_t\leftarrow A(\mathcal{S}_t),\qquad f(x)=\mathrm{vote}\{h_1(x),\ldots,h_T(x)\}$$

# %%
findings = measure("bagging", settings)  # settings["trees"] = 100, a line above, changes one

# %%
bagging.draw(findings, texts)

# %% [markdown]
# Out-of-bag error judges each digit by the trees that did not see it, and falls with their number. All heads were
# trained at once: `ajuste-fino train ensemble=50` does the same on your images.
#
# *El error out-of-bag juzga cada dígito con los árboles que no lo vieron, y baja con su número. Todas las
# cabezas se entrenaron a la vez: `ajuste-fino train ensemble=50` hace lo mismo con sus fotos.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **How many trees are enough?** As a command: `ajuste-fino lecture bagging`.
#
# ***¿Cuántos árboles bastan?*** *Como orden: `ajuste-fino lecture bagging lang=es`.*
