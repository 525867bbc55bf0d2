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
# # Five optimizers
#
# One rate for all weights, or one for each? AdaGrad, RMSProp and Adam divide by the root of the squares that they have
# seen. To compare fairly each optimizer gets its own best rate: the one whose worst loss at the end of training is the
# lowest, over runs that are not counted. A rate that still jumps there is not chosen.

# %% [markdown] lang="es"
# # Cinco optimizadores
#
# ¿Una tasa para todos los pesos, o una para cada uno? AdaGrad, RMSProp y Adam dividen por la raíz de los cuadrados que han
# visto. Para comparar con justicia cada optimizador recibe su mejor tasa: aquella cuya peor pérdida al final del
# entrenamiento es la menor, en corridas que no se cuentan. Una tasa que aún salta ahí no se elige.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch

from ajuste_fino.lecture import optimizers
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure
from ajuste_fino.scratch.optim import Adagrad, Adam, RMSprop

texts = Texts.load("optimizers", lang)
settings = experiment_settings(
    "optimizers",
    fast=dict(
        rates={
            "SGD": [0.1, 0.3, 1.0],
            "momentum": [0.03, 0.1, 0.3],
            "AdaGrad": [0.01, 0.03, 0.1],
            "RMSProp": [0.001, 0.003, 0.01],
            "Adam": [0.001, 0.003, 0.01],
        },
        hidden=32,
        epochs=3,
        seeds=2,
        tuning_seeds=2,
        data={"root": None},
    ),
)
settings

# %% [markdown]
# $$\text{AdaGrad:}\quad r\leftarrow r+g\odot g,\qquad \Delta\theta=-\frac{\epsilon}{\delta+\sqrt{r}}\odot g$$

# %% [markdown]
# $$\text{RMSProp:}\quad r\leftarrow\rho r+(1-\rho)\,g\odot g,\qquad \Delta\theta=-\frac{\epsilon}{\sqrt{\delta+r}}\odot g$$

# %% [markdown]
# $$\text{Adam:}\quad s\leftarrow\rho_1 s+(1-\rho_1)g,\quad r\leftarrow\rho_2 r+(1-\rho_2)\,g\odot g,\quad \hat s=\frac{s}{1-\rho_1^t},\quad \hat r=\frac{r}{1-\rho_2^t},\quad \Delta\theta=-\epsilon\frac{\hat s}{\sqrt{\hat r}+\delta}$$

# %% [markdown] lang="en"
# Algorithms 8.4, 8.5 and 8.7 of the slides; $\theta\leftarrow\theta+\Delta\theta$ in each. $r$ collects squared gradients,
# a number for each weight, and $\epsilon$ is divided by its root. AdaGrad keeps all squares; RMSProp and Adam forget at the
# rate $\rho$. Adam's $s$ is a velocity; the hats correct for the start at zero. $\delta$ avoids a division by zero. The
# loss below is $\frac{1}{2}(\theta_1^2+\kappa\,\theta_2^2)$: the gradient of the second weight is a hundred times larger.

# %% [markdown] lang="es"
# Los algoritmos 8.4, 8.5 y 8.7 de las diapositivas; en cada uno $\theta\leftarrow\theta+\Delta\theta$. $r$ acumula
# gradientes al cuadrado, un número por cada peso, y $\epsilon$ se divide por su raíz. AdaGrad guarda todos los cuadrados;
# RMSProp y Adam olvidan a la tasa $\rho$. La $s$ de Adam es una velocidad; los sombreros corrigen el inicio en cero.
# $\delta$ evita dividir por cero. La pérdida de abajo es $\frac{1}{2}(\theta_1^2+\kappa\,\theta_2^2)$: el gradiente del
# segundo peso es cien veces mayor.

# %% tags=["algorithm"]
# Algorithm 8.4, AdaGrad
ε, δ, κ = 0.1, 1e-7, torch.tensor([1.0, 100.0], dtype=torch.float64)
θ, r = torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
w = θ.clone().requires_grad_()  # the same start for the package's optimizer
optimizer = Adagrad([w], lr=ε, eps=δ)
for t in range(1, 5):
    g = w.grad = κ * θ
    r = r + g * g
    Δθ = -ε / (δ + r.sqrt()) * g
    θ = θ + Δθ
    optimizer.step()
    print(f"AdaGrad  t = {t}:  g = ({g[0]:.3f}, {g[1]:.2f})   Δθ = ({Δθ[0]:.4f}, {Δθ[1]:.4f})")
    assert torch.allclose(θ, w.detach(), rtol=0, atol=1e-12)

# %% tags=["algorithm"]
# Algorithm 8.5, RMSProp
ε, ρ, δ, κ = 0.1, 0.9, 1e-6, torch.tensor([1.0, 100.0], dtype=torch.float64)
θ, r = torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
w = θ.clone().requires_grad_()
optimizer = RMSprop([w], lr=ε, alpha=ρ, eps=δ, formulation="book")
for t in range(1, 5):
    g = w.grad = κ * θ
    r = ρ * r + (1 - ρ) * g * g
    Δθ = -ε / (δ + r).sqrt() * g
    θ = θ + Δθ
    optimizer.step()
    print(f"RMSProp  t = {t}:  g = ({g[0]:.3f}, {g[1]:.2f})   Δθ = ({Δθ[0]:.4f}, {Δθ[1]:.4f})")
    assert torch.allclose(θ, w.detach(), rtol=0, atol=1e-12)

# %% tags=["algorithm"]
# Algorithm 8.7, Adam
ε, ρ1, ρ2, δ, κ = 0.1, 0.9, 0.999, 1e-8, torch.tensor([1.0, 100.0], dtype=torch.float64)
θ, s, r = torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
w = θ.clone().requires_grad_()
optimizer = Adam([w], lr=ε, betas=(ρ1, ρ2), eps=δ)
for t in range(1, 5):
    g = w.grad = κ * θ
    s = ρ1 * s + (1 - ρ1) * g
    r = ρ2 * r + (1 - ρ2) * g * g
    s_hat, r_hat = s / (1 - ρ1**t), r / (1 - ρ2**t)
    Δθ = -ε * s_hat / (r_hat.sqrt() + δ)
    θ = θ + Δθ
    optimizer.step()
    print(f"Adam     t = {t}:  g = ({g[0]:.3f}, {g[1]:.2f})   Δθ = ({Δθ[0]:.4f}, {Δθ[1]:.4f})")
    assert torch.allclose(θ, w.detach(), rtol=0, atol=1e-12)

# %% [markdown] lang="en"
# The second gradient is a hundred times the first, and both weights take the same steps: the root takes the scale away.
# AdaGrad's steps shrink as its squares add up; Adam's stay near $\epsilon$. At each step θ is that of `scratch.optim`.

# %% [markdown] lang="es"
# El segundo gradiente es cien veces el primero, y ambos pesos dan los mismos pasos: la raíz quita la escala. Los pasos de
# AdaGrad se encogen a medida que suma cuadrados; los de Adam siguen cerca de $\epsilon$. En cada paso θ es el de
# `scratch.optim`.

# %%
# settings["epochs"] = 5  # the questions below ask for such a line
findings = measure("optimizers", settings)

# %%
optimizers.draw(findings, texts)

# %% [markdown] lang="en"
# Left: how many steps does each need to come where SGD ends? Momentum and AdaGrad take half of them, RMSProp 0.56, Adam
# 0.85. Right: what each weight's gradient is multiplied by at the end: one number for SGD and momentum, orders of magnitude
# for the adaptive ones. A rate chosen at an end of its grid would ask for a longer grid.

# %% [markdown] lang="es"
# A la izquierda: ¿en cuántos pasos llega cada uno adonde termina SGD? Momentum y AdaGrad en la mitad, RMSProp en 0.56, Adam
# en 0.85 de ellos. A la derecha: por cuánto se multiplica al final el gradiente de cada peso; un número con SGD y momentum,
# órdenes de magnitud con los adaptativos. Una tasa elegida en un extremo de su rejilla pediría una rejilla más larga.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** In the first algorithm's cell (AdaGrad), set the second number of `κ` to 10000.0. What happens to $\Delta\theta_2$?
#
# <details><summary>Answer</summary>
#
# Nothing: the first step is −0.10 and the second −0.067, as before. $r$ grew by a factor of 10,000, its root by 100, as
# much as $g$. It is the same for Adam. Gradient descent would need a rate a hundred times smaller.
#
# </details>
#
# **2.** In the second (RMSProp), set `ρ = 0.99`. How long is the first step, and why?
#
# <details><summary>Answer</summary>
#
# It is −1.0; with 0.9 it was −0.32. $r$ starts at zero, so after one step it is only $(1-\rho)g^2$, and the step is
# $\epsilon/\sqrt{1-\rho}$. Adam divides by $1-\rho_2^t$ to correct just this: its first step is $\epsilon$.
#
# </details>
#
# **3.** Set `settings["epochs"] = 5` in the measurement's cell. Who needs the smallest share of SGD's steps now?
#
# <details><summary>Answer</summary>
#
# Adam, 0.54 (0.85 with 15 epochs); momentum, the first before, now needs 0.68 instead of 0.50. A short training is another
# race: the ranking of optimizers depends on how long one trains.
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** En la primera celda del algoritmo (AdaGrad), ponga 10000.0 como segundo número de `κ`. ¿Qué le pasa a
# $\Delta\theta_2$?
#
# <details><summary>Respuesta</summary>
#
# Nada: el primer paso es −0.10 y el segundo −0.067, como antes. $r$ creció 10 000 veces, su raíz 100 veces, tanto como $g$.
# Con Adam ocurre igual. El descenso por gradiente necesitaría una tasa cien veces menor.
#
# </details>
#
# **2.** En la segunda (RMSProp), ponga `ρ = 0.99`. ¿Qué largo tiene el primer paso, y por qué?
#
# <details><summary>Respuesta</summary>
#
# Es −1.0; con 0.9 era −0.32. $r$ empieza en cero, así que tras un paso es apenas $(1-\rho)g^2$, y el paso es
# $\epsilon/\sqrt{1-\rho}$. Adam divide por $1-\rho_2^t$ para corregir justamente esto: su primer paso es $\epsilon$.
#
# </details>
#
# **3.** Ponga `settings["epochs"] = 5` en la celda de la medición. ¿Quién necesita ahora la menor fracción de los pasos de
# SGD?
#
# <details><summary>Respuesta</summary>
#
# Adam, 0.54 (0.85 con 15 épocas); momentum, antes el primero, ahora necesita 0.68 en vez de 0.50. Un entrenamiento corto es
# otra carrera: el orden de los optimizadores depende de cuánto se entrena.
#
# </details>

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 8.5, algorithms 8.4, 8.5 and 8.7. Duchi, Hazan and
# Singer, JMLR 12, 2011 (AdaGrad); Kingma and Ba, ICLR 2015 (Adam). Torch has $\sqrt{r}+\delta$ in RMSProp;
# `formulation="book"` takes the slides' $\sqrt{\delta+r}$.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture optimizers`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 8.5, algoritmos 8.4, 8.5 y 8.7. Duchi, Hazan y Singer, JMLR
# 12, 2011 (AdaGrad); Kingma y Ba, ICLR 2015 (Adam). Torch tiene $\sqrt{r}+\delta$ en RMSProp; `formulation="book"` toma el
# $\sqrt{\delta+r}$ de las diapositivas.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture optimizers lang=es`.
