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
# # ReLU: the gradient that arrives, and the network that trains
#
# Backwards through a layer the gradient is multiplied by the weights and by the activation's slope. The sigmoid's slope is
# at most 1/4; that of ReLU is 1 wherever a unit is active. What follows for training? Networks of 2 to 20 layers are
# trained with ReLU, tanh and sigmoid, from the initial weights that were the custom when the claim was made and from
# today's, and judged one by one.

# %% [markdown] lang="es"
# # ReLU: el gradiente que llega, y la red que entrena
#
# Hacia atrás por una capa, el gradiente se multiplica por los pesos y por la pendiente de la activación. La pendiente de la
# sigmoide es a lo sumo 1/4; la de ReLU es 1 donde la neurona está activa. ¿Qué se sigue para el entrenamiento? Se entrenan
# redes de 2 a 20 capas con ReLU, tanh y sigmoide, desde los pesos iniciales que eran costumbre cuando se hizo la afirmación
# y desde los de hoy, y se juzgan una por una.

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
# settings["depths"] = [2, 5, 10]  # the questions below ask for such a line
findings = measure("relu", settings)

# %%
relu.draw(findings, texts)

# %% [markdown] lang="en"
# Left, before any training, from today's initial weights: sigmoid's gradient falls with every layer, to a ten-thousandth of
# what it was; those of ReLU and tanh stay. Right, after the same steps at each one's best rate. From the historical weights
# (dashed) sigmoid does not train five layers, ReLU not ten, and none of the three twenty: tanh goes deepest. From today's
# (solid) ReLU and tanh train all depths, and at twenty layers tanh's loss is the lower one. What deep networks lacked was
# initial weights that keep the signal's size.

# %% [markdown] lang="es"
# A la izquierda, antes de entrenar, con los pesos iniciales de hoy: el gradiente de la sigmoide baja con cada capa, hasta
# una diezmilésima de lo que era; los de ReLU y tanh se mantienen. A la derecha, tras los mismos pasos, cada uno a su mejor
# tasa. Desde los pesos históricos (a trazos) la sigmoide no entrena cinco capas, ReLU no entrena diez, y ninguna de las
# tres entrena veinte: tanh llega a mayor profundidad. Desde los de hoy (continua) ReLU y tanh entrenan todas, y con veinte
# capas la pérdida de tanh es la menor. A las redes profundas les faltaban pesos iniciales que conserven el tamaño de la
# señal.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** Set `settings["depths"] = [2, 5, 10]` in the measurement's cell, so that ten layers are judged. Which verdicts
# change?
#
# <details><summary>Answer</summary>
#
# One: of sigmoid's gradient 0.011 arrives, no longer less than a hundredth. In training none does: from the historical
# weights tanh trains ten layers (median loss 0.56) and ReLU does not (2.30, chance); from today's ReLU comes to 0.035, tanh
# to 0.022, sigmoid to 1.5.
#
# </details>
#
# **2.** In the cell of the algorithm divide by `48**0.5` instead of `8**0.5`: the custom, weights of variance 1/(3n) for n
# = 16 inputs. What arrives at δ₁ with ReLU?
#
# <details><summary>Answer</summary>
#
# 4.9 · 10⁻⁴, where it was 1.6: a factor of about 1/√6 in each of nine layers. With tanh it is 0.047. With these weights
# ReLU loses more than tanh, whose slope at 0 is 1 for all units and not for half of them.
#
# </details>
#
# **3.** Set `settings["depths"] = [20]` and `settings["epochs"] = 30`. Does ReLU catch up with tanh?
#
# <details><summary>Answer</summary>
#
# No: both go on, ReLU from 0.27 to 0.082, tanh from 0.068 to 0.0052, and the ratio grows from 4.0 to 16.
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** Ponga `settings["depths"] = [2, 5, 10]` en la celda de la medición, para juzgar diez capas. ¿Qué veredictos
# cambian?
#
# <details><summary>Respuesta</summary>
#
# Uno: del gradiente de la sigmoide llega 0.011, ya no menos de una centésima. En el entrenamiento, ninguno: desde los pesos
# históricos tanh entrena diez capas (pérdida mediana 0.56) y ReLU no (2.30, el azar); desde los de hoy ReLU llega a 0.035,
# tanh a 0.022 y la sigmoide a 1.5.
#
# </details>
#
# **2.** En la celda del algoritmo divida por `48**0.5` en lugar de `8**0.5`: la costumbre, pesos de varianza 1/(3n) para n
# = 16 entradas. ¿Qué llega a δ₁ con ReLU?
#
# <details><summary>Respuesta</summary>
#
# 4.9 · 10⁻⁴, donde era 1.6: un factor cercano a 1/√6 en cada una de nueve capas. Con tanh es 0.047. Con estos pesos
# ReLU pierde más que tanh, cuya pendiente en 0 es 1 para todas las neuronas y no para la mitad.
#
# </details>
#
# **3.** Ponga `settings["depths"] = [20]` y `settings["epochs"] = 30`. ¿Alcanza ReLU a tanh?
#
# <details><summary>Respuesta</summary>
#
# No: ambas siguen bajando, ReLU de 0.27 a 0.082 y tanh de 0.068 a 0.0052, y la razón crece de 4.0 a 16.
#
# </details>

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
