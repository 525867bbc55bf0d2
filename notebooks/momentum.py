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
# # Momentum in the canyon
#
# Where the loss curves a hundred times more across the valley than along it, the walls limit the rate of gradient descent.
# Momentum adds up what the gradients have in common and cancels what they have not. With noisy gradients its velocity,
# scaled to the length of one gradient, varies less than a gradient does.

# %% [markdown] lang="es"
# # Momentum en el cañón
#
# Donde la pérdida se curva cien veces más a lo ancho del valle que a lo largo, las paredes limitan la tasa del descenso por
# gradiente. El momentum suma lo que los gradientes tienen en común y cancela lo que no. Con gradientes ruidosos su
# velocidad, llevada al largo de un gradiente, varía menos que un gradiente.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch

from ajuste_fino.lecture import momentum
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure
from ajuste_fino.scratch.optim import SGD

texts = Texts.load("momentum", lang)
settings = experiment_settings(
    "momentum", fast=dict(condition=100, tolerance=1e-6, batches=[1, 16, 256], alpha=0.9, steps=500, seeds=2)
)
settings

# %% [markdown]
# $$v\leftarrow\alpha v-\epsilon\, g,\quad \theta\leftarrow\theta+v$$

# %% [markdown] lang="en"
# Algorithm 8.2 of the slides. $\theta$ are the parameters, $g$ the gradient of the loss at $\theta$, $\epsilon$ the
# learning rate. The velocity $v$ keeps the share $\alpha$ of itself at each step: $\alpha=0$ is gradient descent (algorithm
# 8.1). Here the loss is $\frac{1}{2}(\theta_1^2+\kappa\,\theta_2^2)$, the canyon of figure 8.5; $\kappa$ is its condition
# number.

# %% [markdown] lang="es"
# El algoritmo 8.2 de las diapositivas. $\theta$ son los parámetros, $g$ el gradiente de la pérdida en $\theta$, $\epsilon$
# la tasa de aprendizaje. La velocidad $v$ conserva en cada paso la fracción $\alpha$ de sí misma: $\alpha=0$ es el descenso
# por gradiente (algoritmo 8.1). Aquí la pérdida es $\frac{1}{2}(\theta_1^2+\kappa\,\theta_2^2)$, el cañón de la figura 8.5;
# $\kappa$ es su número de condición.

# %% tags=["algorithm"]
α, ε, κ = 0.67, 0.033, torch.tensor([1.0, 100.0], dtype=torch.float64)
θ, v = torch.tensor([10.0, 0.3], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
w = θ.clone().requires_grad_()  # the same start for the package's optimizer
optimizer = SGD([w], lr=ε, momentum=α, formulation="book")
for k in range(1, 9):
    g = w.grad = κ * θ
    v = α * v - ε * g
    θ = θ + v
    optimizer.step()
    print(f"k = {k}:  θ = ({θ[0]:+.4f}, {θ[1]:+.4f})   v = ({v[0]:+.4f}, {v[1]:+.4f})")
    assert torch.allclose(θ, w.detach(), rtol=0, atol=1e-12)

# %% [markdown] lang="en"
# Along the valley $v_1$ keeps its sign and adds up; across it $v_2$ changes sign at each step, and the swings cancel. At
# each step θ is that of `scratch.optim.SGD`, with which the measurement below runs.

# %% [markdown] lang="es"
# A lo largo del valle $v_1$ conserva su signo y se acumula; a lo ancho $v_2$ cambia de signo en cada paso, y las
# oscilaciones se cancelan. En cada paso θ es el de `scratch.optim.SGD`, con el que corre la medición que sigue.

# %%
# settings["condition"] = 10  # the questions below ask for such a line
findings = measure("momentum", settings)

# %%
momentum.draw(findings, texts)

# %% [markdown] lang="en"
# Left: both have their best rate here. Momentum swings more, and still is there in an eighth of the steps: 83 against 691.
# Right: both variances fall as $1/m$ with the minibatch, and that of $(1-\alpha)v$ is a twentieth of the gradient's.

# %% [markdown] lang="es"
# A la izquierda ambos tienen su mejor tasa. El momentum oscila más, y aun así llega en la octava parte de los pasos: 83
# contra 691. A la derecha ambas varianzas caen como $1/m$ con el minibatch, y la de $(1-\alpha)v$ es la veinteava parte de
# la del gradiente.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** Set `settings["condition"] = 10` in the measurement's cell. How much does momentum still save?
#
# <details><summary>Answer</summary>
#
# 26 steps instead of 69, which is 0.38 of them; with 100 it was 0.12. The share tends to $1/\sqrt{\kappa}$, 0.32 and 0.10:
# momentum pays where the valley is narrow.
#
# </details>
#
# **2.** Set `α = 0.0` in the algorithm's cell (the first of the three numbers). Why does $\theta_2$ explode?
#
# <details><summary>Answer</summary>
#
# Without velocity each step multiplies $\theta_2$ by $1-\epsilon\kappa=1-3.3=-2.3$: after eight steps it is at 235.
# Gradient descent needs $\epsilon<2/\kappa=0.02$ here. Momentum takes a rate that gradient descent cannot.
#
# </details>
#
# **3.** Set `settings["alpha"] = 0.5`. How much of the gradient's variance does the velocity have now?
#
# <details><summary>Answer</summary>
#
# 0.33 of it; with 0.9 it was 0.052. By the formula it is $(1-\alpha)/(1+\alpha)$: a velocity that forgets sooner averages
# fewer gradients. (The left panel stays: there each method has its own best $\alpha$.)
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** Ponga `settings["condition"] = 10` en la celda de la medición. ¿Cuánto ahorra todavía el momentum?
#
# <details><summary>Respuesta</summary>
#
# 26 pasos en vez de 69, es decir 0.38 de ellos; con 100 eran 0.12. La fracción tiende a $1/\sqrt{\kappa}$, 0.32 y 0.10: el
# momentum rinde donde el valle es angosto.
#
# </details>
#
# **2.** Ponga `α = 0.0` en la celda del algoritmo (el primero de los tres números). ¿Por qué explota $\theta_2$?
#
# <details><summary>Respuesta</summary>
#
# Sin velocidad cada paso multiplica $\theta_2$ por $1-\epsilon\kappa=1-3.3=-2.3$: tras ocho pasos está en 235. El descenso
# por gradiente pide aquí $\epsilon<2/\kappa=0.02$. El momentum soporta una tasa que el descenso por gradiente no.
#
# </details>
#
# **3.** Ponga `settings["alpha"] = 0.5`. ¿Qué fracción de la varianza del gradiente tiene ahora la velocidad?
#
# <details><summary>Respuesta</summary>
#
# 0.33; con 0.9 era 0.052. La fórmula da $(1-\alpha)/(1+\alpha)$: una velocidad que olvida antes promedia menos gradientes.
# (El panel izquierdo no cambia: allí cada método tiene su mejor $\alpha$.)
#
# </details>

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: sections 8.2.1 (ill-conditioning), 8.3.1 and 8.3.2 (SGD,
# momentum), figure 8.5. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture momentum`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: secciones 8.2.1 (mal condicionamiento), 8.3.1 y 8.3.2 (SGD,
# momentum), figura 8.5. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture momentum lang=es`.
