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
# # How fast do networks grow?
#
# The book's figures 1.10 and 1.11 place networks by year, size, and connections per neuron. Here those of the lists that
# can be built layer by layer are built, without memory, and counted; so are later ones.

# %% [markdown] lang="es"
# # ¿Qué tan rápido crecen las redes?
#
# Las figuras 1.10 y 1.11 del libro ubican las redes por año, tamaño y conexiones por neurona. Aquí se construyen, sin
# gastar memoria, y se cuentan las de las listas que se pueden armar capa por capa; también otras posteriores.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch

from ajuste_fino.lecture import growth
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("growth", lang)
settings = experiment_settings("growth", fast=dict(confidence=0.95))
settings

# %% [markdown]
# $$\log_2 N(t)=\log_2 N_0+t/T_2$$

# %% [markdown] lang="en"
# The sentence under figure 1.11, as a line. $N$ is the number of neurons of a network of year $t$: elements that layers
# with weights put out for one image. $T_2$ is the time in which it doubles, 2.4 years in the book. A neuron's connections
# are the inputs that it reads; LeNet-5 is counted by hand below, the way figure 1.10 counts.

# %% [markdown] lang="es"
# La frase bajo la figura 1.11, como recta. $N$ es el número de neuronas de una red del año $t$: los elementos que entregan
# para una imagen las capas con pesos. $T_2$ es el tiempo en que se duplica, 2.4 años en el libro. Las conexiones de una
# neurona son las entradas que lee; abajo se cuenta LeNet-5 a mano, como cuenta la figura 1.10.

# %% tags=["algorithm"]
neurons, connections = 0, 0
layers = {"C1": (6, 28, 25), "S2": (6, 14, 4), "C3": (16, 10, 6 * 25), "S4": (16, 5, 4), "C5": (120, 1, 16 * 25)}
for name, (maps, side, reads) in {**layers, "F6": (84, 1, 120), "output": (10, 1, 84)}.items():
    neurons += maps * side**2
    connections += maps * side**2 * reads
    print(
        f"{name:6} {maps:3} maps of {side:2} × {side:2}, a neuron reads {reads:3}: in all {neurons} neurons, {connections} connections"
    )
package = growth._count(next(network for network in growth.NETWORKS if network.name == "LeNet-5"))
assert (neurons, connections) == (package["neurons"], package["connections"])

# %% tags=["algorithm"]
some = [network for network in growth.NETWORKS if network.name in ("LeNet-5", "AlexNet", "VGG-16", "ResNet-50")]
rows = [{"year": network.year, "neurons": growth._count(network)["neurons"]} for network in some]
t = torch.tensor([row["year"] for row in rows], dtype=torch.float64)
y = torch.tensor([row["neurons"] for row in rows], dtype=torch.float64).log2()
slope = ((t - t.mean()) * y).sum() / ((t - t.mean()) ** 2).sum()  # least squares
T2, log2_N0 = 1 / slope, y.mean() - slope * t.mean()
print(f"log2 N = {log2_N0:.0f} + t / {T2:.2f}: the neurons of these four double every {T2:.2f} years")
line = growth._fit(rows, 0.95)
assert abs(T2 / line["years"] - 1) < 1e-9 and abs(log2_N0 / line["intercept"] - 1) < 1e-9

# %% [markdown] lang="en"
# Layer by layer, the count is the package's; so is the line through four networks. Four are few, and chosen: the
# measurement takes all.

# %% [markdown] lang="es"
# Capa por capa, la cuenta es la del paquete; también la recta por cuatro redes. Cuatro son pocas, y escogidas: la medición
# las toma todas.

# %%
# settings["confidence"] = 0.5  # the questions below ask for such a line
findings = measure("growth", settings)

# %%
growth.draw(findings, texts)

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
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 1.2.3 (increasing model sizes), figures 1.10 and 1.11.
# LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998, for LeNet-5.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture growth`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 1.2.3 (modelos cada vez más grandes), figuras 1.10 y 1.11.
# LeCun, Bottou, Bengio y Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998, para LeNet-5.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture growth lang=es`.
