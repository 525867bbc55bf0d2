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
# # Transfer
#
# The lecture's usual approach: choose a network already trained on a similar problem, freeze it, train a new fully
# connected head; fine-tune if it pays. Against it, the same network from random weights. How many labels does which way
# need?

# %% [markdown] lang="es"
# # Transferencia
#
# La aproximación usual de la clase: escoger una red ya entrenada en un problema similar, congelarla, entrenar una cabeza
# nueva totalmente conectada; y ajustar más si conviene. En contra, la misma red desde pesos al azar. ¿Cuántas etiquetas
# necesita cada camino?

# %%
lang = "en"  # of figures and verdicts: en, es

import torch
from torch.nn.functional import interpolate, one_hot

from ajuste_fino.backbone import build
from ajuste_fino.freezing import Frozen
from ajuste_fino.head import Head, HeadShape
from ajuste_fino.lecture import transfer
from ajuste_fino.lecture.data import digits
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure
from ajuste_fino.scratch.functional import cross_entropy
from ajuste_fino.scratch.optim import SGD

texts = Texts.load("transfer", lang)
settings = experiment_settings(
    "transfer",
    fast=dict(
        labels=[1, 2],
        side=32,
        steps={"scratch": 4, "head": 30, "tuned": 2},
        passes={"scratch": 1, "head": 1, "tuned": 1},
        seeds=2,
        data={"root": None},
    ),
)
settings

# %% [markdown]
# $$\min_V J(V,\bar w)\;\rightarrow\;\min_{V,w}J(V,w)$$

# %% [markdown] lang="en"
# The slide's two steps. $w$ are the weights of the backbone, $V$ those of the head, with its biases $c$; $J$ is the loss on
# the training images. First $\bar w$ stays as it was trained and only $V$ is learned: as $z=f(x;\bar w)$ does not change,
# it is computed once. Fine-tuning then moves both.

# %% [markdown] lang="es"
# Los dos pasos de la diapositiva. $w$ son los pesos de la red base, $V$ los de la cabeza, con sus sesgos $c$; $J$ es la
# pérdida en las imágenes de entrenamiento. Primero $\bar w$ queda como se entrenó y solo se aprende $V$: como $z=f(x;\bar
# w)$ no cambia, se calcula una vez. El ajuste fino mueve después ambos.

# %% tags=["algorithm"]
backbone, few, ε = Frozen(build("embedded", size=32)[0].double()), digits()[0][:20], 0.02
x, y = interpolate(few.x.repeat(1, 3, 1, 1), 32).double(), one_hot(few.y, 10).double()
z, V, c = backbone(x), torch.zeros(10, *backbone.shape).double(), torch.zeros(10).double()
head = Head(HeadShape(z.shape[1], 10, dropout=0.0, impl="scratch")).double()
head.layers[1].load_state_dict({"weight": V, "bias": c})  # the same start
optimizer = SGD([*backbone.parameters(), *head.parameters()], lr=ε)  # all of them
for step in range(1, 6):
    p = (z @ V.T + c).exp() / (z @ V.T + c).exp().sum(1, keepdim=True)
    V, c = V - ε * (p - y).T @ z / len(z), c - ε * (p - y).mean(0)
    optimizer.zero_grad()
    cross_entropy(head(backbone(x)), few.y).backward()
    optimizer.step()
    print(f"step {step}:  J = {-(p * y).sum(1).log().mean():.3f}   SHA-256 of w̄ {backbone.verify_frozen()[:12]}…")
    assert all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip((V, c), head.parameters(), strict=True))
assert backbone.verify_frozen() == backbone.before

# %% [markdown] lang="en"
# The loss falls, the hash of all weights of the backbone stays: the whole model, images in, was trained, and nothing of
# $\bar w$ moved. Its head is the one computed by hand from $z$, step by step.

# %% [markdown] lang="es"
# La pérdida baja, el hash de todos los pesos de la red base se mantiene: se entrenó el modelo completo, desde las imágenes,
# y nada de $\bar w$ se movió. Su cabeza es, paso a paso, la calculada a mano a partir de $z$.

# %%
# settings["scratch_steps"] = 160  # the questions below ask for such a line
findings = measure("transfer", settings)

# %%
transfer.draw(findings, texts)

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
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 15.2 (transfer learning). Yosinski, Clune, Bengio and
# Lipson, NeurIPS 2014; Kornblith, Shlens and Le, "Do Better ImageNet Models Transfer Better?", CVPR 2019.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture transfer`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 15.2 (aprendizaje por transferencia). Yosinski, Clune,
# Bengio y Lipson, NeurIPS 2014; Kornblith, Shlens y Le, "Do Better ImageNet Models Transfer Better?", CVPR 2019.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture transfer lang=es`.
