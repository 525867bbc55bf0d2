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
# # Dropout as bagging
#
# Each mask leaves a subnetwork; dropout trains them all, with shared weights. At inference they should vote, by their
# geometric mean. Scaling the weights gives exactly that for softmax regression, and nearly that for a deep network.

# %% [markdown] lang="es"
# # Dropout como bagging
#
# Cada máscara deja una subred; dropout las entrena todas, con pesos compartidos. Al inferir deberían votar, por su media
# geométrica. Escalar los pesos da exactamente eso en la regresión softmax, y casi eso en una red profunda.

# %%
lang = "en"  # of figures and verdicts: en, es

from itertools import product

import torch

from ajuste_fino.lecture import dropout
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure
from ajuste_fino.scratch import nn

texts = Texts.load("dropout", lang)
settings = experiment_settings(
    "dropout", fast=dict(inputs=8, hidden=32, labels=5, epochs=15, masks=40, seeds=2, data={"root": None})
)
settings

# %% [markdown]
# $$\tilde p(y\,|\,x)=\frac{1}{Z}\Big(\prod_\mu p(y\,|\,x,\mu)\Big)^{1/2^d}$$

# %% [markdown] lang="en"
# The slide on geometric mean and weight scaling. $\mu$ is a mask of $d$ bits, one for each input unit: 1 keeps it. There
# are $2^d$ of them, and $p(y\,|\,x,\mu)$ is what the subnetwork of one says; below it is softmax regression,
# $\mathrm{softmax}(V(\mu\odot x)+c)$. $Z$ makes the sum over the classes 1. In training dropout minimises $\mathbb{E}_\mu
# J(w,\mu)$.

# %% [markdown] lang="es"
# La diapositiva de la media geométrica y la regla de escalado de pesos. $\mu$ es una máscara de $d$ bits, uno por neurona
# de entrada: 1 la conserva. Hay $2^d$, y $p(y\,|\,x,\mu)$ es lo que dice la subred de una de ellas; abajo es regresión
# softmax, $\mathrm{softmax}(V(\mu\odot x)+c)$. $Z$ hace que la suma sobre las clases sea 1. Al entrenar, dropout minimiza
# $\mathbb{E}_\mu J(w,\mu)$.

# %% tags=["algorithm"]
d, numbers = 4, torch.Generator().manual_seed(0)
V, c, x = (torch.randn(*shape, generator=numbers, dtype=torch.float64) for shape in ((3, d), (3,), (d,)))
geometric = torch.ones(3, dtype=torch.float64)
for μ in product((0.0, 1.0), repeat=d):  # all 2^d masks
    a = V @ (torch.tensor(μ, dtype=torch.float64) * x) + c
    p = a.exp() / a.exp().sum()  # p(y | x, μ)
    geometric = geometric * p ** (1 / 2**d)
Z = geometric.sum()
layer = nn.Linear(d, 3)
layer.weight.data, layer.bias.data = V, c
scaled = torch.nn.Sequential(nn.WeightScaledDropout(0.5), layer).eval()(x).softmax(0)
print(f"{2**d} masks ", [round(value, 6) for value in (geometric / Z).tolist()], f" Z = {Z:.4f}")
print("scaled   ", [round(value, 6) for value in scaled.tolist()])
assert torch.allclose(geometric / Z, scaled, rtol=0, atol=1e-12)

# %% [markdown] lang="en"
# Sixteen subnetworks, or one evaluation with half the weights (`scratch.nn.WeightScaledDropout` at inference): the same
# three probabilities. The deep network below is trained with the same layer.

# %% [markdown] lang="es"
# Dieciséis subredes, o una sola evaluación con la mitad de los pesos (`scratch.nn.WeightScaledDropout` al inferir): las
# mismas tres probabilidades. La red profunda de abajo se entrena con la misma capa.

# %%
# settings["labels"] = 20  # the questions below ask for such a line
findings = measure("dropout", settings)

# %%
dropout.draw(findings, texts)

# %% [markdown] lang="en"
# The slides' 0.5 and 0.8 are probabilities of keeping a unit; torch's `p` is that of dropping it. The title above the right
# panel has the identity's error over all masks: the rounding of float64.

# %% [markdown] lang="es"
# El 0.5 y el 0.8 de las diapositivas son probabilidades de conservar una neurona; la `p` de torch es la de quitarla. El
# título del panel derecho trae el error de la identidad sobre todas las máscaras: el redondeo de float64.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** Set `d` to 12 in the algorithm's cell. How many subnetworks vote now, and is one scaled evaluation still enough?
#
# <details><summary>Answer</summary>
#
# 4,096, and the two lines still agree to the last digit shown. This is the point of the rule: the cost of the vote doubles
# with each unit, that of the scaled network hardly grows.
#
# </details>
#
# **2.** Set `WeightScaledDropout(0.2)`. What does the assertion say, and why?
#
# <details><summary>Answer</summary>
#
# It fails: 0.869 for the second class where the geometric mean has 0.846. All $2^d$ masks with equal weight are the masks
# of units kept with probability 0.5; a network that keeps 0.8 has another mean.
#
# </details>
#
# **3.** Set `settings["labels"] = 20`, four times the training images. Does dropout still help?
#
# <details><summary>Answer</summary>
#
# It cannot be told: 0.959 with it against 0.957 without, 0.72 standard errors apart. With 5 labels a class it was 0.874
# against 0.866, 2.2 standard errors. Regularisation pays where examples are few.
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** Ponga `d` en 12 en la celda del algoritmo. ¿Cuántas subredes votan ahora, y basta todavía una evaluación escalada?
#
# <details><summary>Respuesta</summary>
#
# 4096, y las dos líneas siguen coincidiendo hasta la última cifra mostrada. Ese es el sentido de la regla: el costo del
# voto se duplica con cada neurona, el de la red escalada casi no crece.
#
# </details>
#
# **2.** Ponga `WeightScaledDropout(0.2)`. ¿Qué dice la aserción, y por qué?
#
# <details><summary>Respuesta</summary>
#
# Falla: 0.869 para la segunda clase donde la media geométrica tiene 0.846. Las $2^d$ máscaras con igual peso son las de
# neuronas que se conservan con probabilidad 0.5; una red que conserva 0.8 tiene otra media.
#
# </details>
#
# **3.** Ponga `settings["labels"] = 20`, cuatro veces más imágenes de entrenamiento. ¿Ayuda todavía dropout?
#
# <details><summary>Respuesta</summary>
#
# No se puede afirmar: 0.959 con dropout contra 0.957 sin él, a 0.72 errores estándar. Con 5 etiquetas por clase era 0.874
# contra 0.866, a 2.2 errores estándar. La regularización rinde donde hay pocos ejemplos.
#
# </details>

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 7.12. Srivastava et al., "Dropout", JMLR 15, 2014. Gal
# and Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016, for the mean of sampled predictions (MC dropout).
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture dropout`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 7.12. Srivastava et al., "Dropout", JMLR 15, 2014. Gal y
# Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016, para el promedio de predicciones muestreadas (MC dropout).
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture dropout lang=es`.
