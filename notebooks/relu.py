# ---
# jupyter:
#   jupytext:
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

# %% [markdown] lang="en"
# # ReLU, and the gradient that arrives
#
# Backwards through a layer the gradient is multiplied by the weights and by the activation's slope. The sigmoid's slope is
# at most 1/4; that of ReLU is 1 wherever a unit is active.

# %% [markdown] lang="es"
# # ReLU, y el gradiente que llega
#
# Hacia atrás por una capa, el gradiente se multiplica por los pesos y por la pendiente de la activación. La pendiente de la
# sigmoide es a lo sumo 1/4; la de ReLU es 1 donde la neurona está activa.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch

from ajuste_fino.lecture import relu
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure
from ajuste_fino.scratch import functional

texts = Texts.load("relu", lang)
settings = experiment_settings("relu", fast=dict(depths=[2, 5, 20], width=64, epochs=1, rates=[0.03], seeds=2))
settings

# %% [markdown]
# $$f_s(z)=\max\{0,z\},\qquad \delta_n=f'(a_n)\odot W_{n+1}^{T}\,\delta_{n+1}$$

# %% [markdown] lang="en"
# The slide's ReLU, and its backpropagation in matrix form. $a_n=W_n z_{n-1}$, $z_n=f(a_n)$, $\delta_n=\partial L/\partial
# a_n$. The slope $f'$ is 0 or 1 for ReLU, $1-z^2$ for tanh, $z(1-z)$ for the sigmoid. Below the weights have variance 2/16
# for 16 inputs, He's choice for ReLU, and the loss is the sum of the last $z$.

# %% [markdown] lang="es"
# La ReLU de la diapositiva, y su backpropagation en forma matricial. $a_n=W_n z_{n-1}$, $z_n=f(a_n)$, $\delta_n=\partial
# L/\partial a_n$. La pendiente $f'$ es 0 o 1 con ReLU, $1-z^2$ con tanh, $z(1-z)$ con la sigmoide. Abajo los pesos tienen
# varianza 2/16 para 16 entradas, la inicialización de He para ReLU, y la pérdida es la suma de las últimas $z$.

# %% tags=["algorithm"]
N, numbers = 10, torch.Generator().manual_seed(0)
W = {n: torch.randn(16, 16, generator=numbers, dtype=torch.float64) / 8**0.5 for n in range(1, N + 1)}  # variance 2 / 16
for name in ("relu", "tanh", "sigmoid"):
    x = b = torch.ones(16, dtype=torch.float64, requires_grad=True)
    z, slope = {0: x.detach()}, {}
    for n in W:  # a and z by hand; b by the package's layers
        a, b = W[n] @ z[n - 1], getattr(functional, name)(functional.linear(b, W[n]))
        z[n] = {"relu": a.clamp(min=0), "tanh": torch.tanh(a), "sigmoid": 1 / (1 + (-a).exp())}[name]
        slope[n] = {"relu": (a > 0).double(), "tanh": 1 - z[n] ** 2, "sigmoid": z[n] * (1 - z[n])}[name]
    b.sum().backward()  # L = Σ z_N, so δ_N = f′(a_N)
    δ = slope[N]
    for n in reversed(range(1, N)):
        δ = slope[n] * (W[n + 1].T @ δ)
    print(f"{name:8} ‖δ_{N}‖ = {slope[N].norm():.3f}   ‖δ_1‖ = {δ.norm():.2e}")
    assert torch.allclose(W[1].T @ δ, x.grad, rtol=1e-10, atol=0)

# %% [markdown] lang="en"
# Nine layers down the sigmoid's δ is more than ten thousand times smaller; that of ReLU is half, that of tanh three times
# as large. $W_1^T\delta_1$, the gradient at the input, is the one that comes through the activations of
# `scratch.functional`.

# %% [markdown] lang="es"
# Nueve capas más abajo la δ de la sigmoide es más de diez mil veces menor; la de ReLU es la mitad, la de tanh el triple.
# $W_1^T\delta_1$, el gradiente en la entrada, es el que llega por las activaciones de `scratch.functional`.

# %%
# settings["width"] = 32  # the questions below ask for such a line
findings = measure("relu", settings)

# %%
relu.draw(findings, texts)

# %% [markdown] lang="en"
# TODO: what to look at

# %% [markdown] lang="es"
# TODO: qué mirar

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# TODO: three questions

# %% [markdown] lang="es"
# TODO: tres preguntas

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 6.3 (hidden units), section 8.4 (initial weights). Glorot
# and Bengio, AISTATS 2010; He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", ICCV 2015.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture relu`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 6.3 (neuronas escondidas), sección 8.4 (pesos iniciales).
# Glorot y Bengio, AISTATS 2010; He, Zhang, Ren y Sun, "Delving Deep into Rectifiers", ICCV 2015.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture relu lang=es`.
