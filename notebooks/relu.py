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
# # ReLU, and the gradient that arrives · ReLU, y el gradiente que llega
#
# Backwards through a layer the gradient is multiplied by the weights and by the activation's slope. The sigmoid's slope is
# at most 1/4; that of ReLU is 1 wherever a unit is active.
#
# *Hacia atrás por una capa, el gradiente se multiplica por los pesos y por la pendiente de la activación. La pendiente de
# la sigmoide es a lo sumo 1/4; la de ReLU es 1 donde la neurona está activa.*

# %%
from ajuste_fino.lecture import relu
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("relu", "en")  # or "es"
settings = experiment_settings("relu", fast=dict(depths=[2, 5, 20], width=64, seeds=3))
settings

# %% [markdown]
# $$f_s(z)=\max\{0,z\},\qquad \delta_n=f'(a_n)\odot W_{n+1}^{T}\,\delta_{n+1}$$

# %%
findings = measure("relu", settings)  # settings["width"] = 32, a line above, changes one

# %%
relu.draw(findings, texts)

# %% [markdown]
# With the sigmoid each layer takes away a constant share: a straight line on the logarithmic axis. That tanh keeps its
# gradient here contradicts what was expected of it; good initial weights are the reason.
#
# *Con la sigmoide cada capa quita una fracción constante: una recta en el eje logarítmico. Que tanh conserve aquí su
# gradiente contradice lo que se esperaba; la razón son los buenos pesos iniciales.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **At which depth does the sigmoid's first layer get less than a thousandth?** As a command: `ajuste-fino lecture
# relu`.
#
# ***¿A qué profundidad recibe la primera capa con sigmoide menos de una milésima?*** *Como orden: `ajuste-fino
# lecture relu lang=es`.*
