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
# # Designing a CNN is model selection
#
# How many layers, how many filters, which pooling, what fully connected part? There is no formula: one tries, and judges on
# the validation split. Only the design that won meets the test split, at the end.

# %% [markdown] lang="es"
# # Diseñar una CNN es selección de modelo
#
# ¿Cuántas capas, cuántos filtros, qué pooling, qué parte totalmente conectada? No hay fórmula: se prueba, y se juzga con el
# conjunto de validación. Solo el diseño que ganó llega al conjunto de prueba, al final.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch

from ajuste_fino import sweep
from ajuste_fino.backbone.designed import Design, DesignedNet
from ajuste_fino.lecture import design
from ajuste_fino.lecture.data import digits
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.training import accuracy, train
from ajuste_fino.runs.experiment import experiment_settings, measure
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.optim import Adam

texts = Texts.load("design", lang)
settings = experiment_settings(
    "design", fast=dict(layers=[1, 2], filters=[4, 8], poolings=["max", "average"], hidden=[0, 64], trials=5, epochs=1, seeds=1)
)
settings

# %% [markdown]
# $$\hat m=\arg\max_m\ \mathrm{acc}_{\mathrm{val}}(m)\ \rightarrow\ \mathrm{acc}_{\mathrm{test}}(\hat m)$$

# %% [markdown] lang="en"
# The slide "Designing a convolutional network: model selection". $m$ is a design, the choices of its list; each is trained
# on the training split, and $\mathrm{acc}_{\mathrm{val}}(m)$ is its accuracy on the validation split. $\hat m$ is the best
# of those tried. Below all pairs of two choices; the experiment has four choices, too many to try all, and searches.

# %% [markdown] lang="es"
# La diapositiva "Diseño de red convolucional: selección de modelo". $m$ es un diseño, las decisiones de su lista; cada uno
# se entrena con el conjunto de entrenamiento, y $\mathrm{acc}_{\mathrm{val}}(m)$ es su exactitud en el de validación. $\hat
# m$ es el mejor de los probados. Abajo, todas las parejas de dos decisiones; el experimento tiene cuatro, demasiadas para
# probarlo todo, y busca.

# %% tags=["algorithm"]
(train_set, val, _), epochs, acc, best = digits(), 2, {}, (0.0, None)
for layers in (1, 2):
    for filters in (4, 8, 16):
        torch.manual_seed(0)
        body = DesignedNet(Design(layers=layers, filters=filters, grid=2))
        net = torch.nn.Sequential(body, nn.Linear(layers * filters * 4, 10))  # a second layer has twice the filters
        train(net, Adam(net.parameters(), lr=3e-3), train_set.x.repeat(1, 3, 1, 1), train_set.y, epochs, seed=0)
        acc[layers, filters] = accuracy(net, val.x.repeat(1, 3, 1, 1), val.y)
        print(f"layers {layers}, filters {filters:2}: {acc[layers, filters]:.3f} on the validation split")
        if acc[layers, filters] > best[0]:
            best = acc[layers, filters], {"layers": layers, "filters": filters}
study, space = sweep.study(None, "m"), {"layers": [1, 2], "filters": [4, 8, 16]}
sweep.search(study, lambda m, number: acc[m["layers"], m["filters"]], space, trials=40, seed=0)
assert best == (study.best_value, study.best_params)
assert best[0] == design.score({**best[1], "pooling": "max", "hidden": 0}, train_set, val, epochs, seed=0)

# %% [markdown] lang="en"
# Two layers with 16 filters win. `sweep.search` finds the same design among the same six, and `design.score`, by which the
# experiment judges, gives it the same accuracy.

# %% [markdown] lang="es"
# Ganan dos capas con 16 filtros. `sweep.search` encuentra el mismo diseño entre los mismos seis, y `design.score`, con la
# que juzga el experimento, le da la misma exactitud.

# %%
# settings["trials"] = 60  # the questions below ask for such a line
findings = measure("design", settings)

# %%
design.draw(findings, texts)

# %% [markdown] lang="en"
# Left: each point is a design; the line is the best so far. Right: how much of the variation between trials each choice
# explains. `ajuste-fino sweep data.root=…` searches in the same way on your own images.

# %% [markdown] lang="es"
# A la izquierda: cada punto es un diseño; la línea es el mejor hasta ahí. A la derecha: cuánto de la variación entre
# ensayos explica cada decisión. `ajuste-fino sweep data.root=…` busca del mismo modo con sus propias fotos.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** Set `settings["trials"] = 60`, twice as many. Does the search still find better designs?
#
# <details><summary>Answer</summary>
#
# Yes: the best of the first 30 is the fourth, 0.978 on the validation split; trial 32 has 0.981 and trial 47 has 0.989, two
# layers of 32 filters with max pooling. The gain is small, and each trial costs a training.
#
# </details>
#
# **2.** Set `settings["epochs"] = 2`. The winner has 0.93 on the validation split. What does it have when it is trained
# again with other seeds?
#
# <details><summary>Answer</summary>
#
# 0.87 on average, no more than the median design (the difference is −0.002). The best of many trials is also the luckiest:
# a training that is too short ranks the luck. This is why the experiment trains the winner again.
#
# </details>
#
# **3.** Set `epochs` to 8 in the algorithm's cell. Does the order of the six designs change?
#
# <details><summary>Answer</summary>
#
# Yes. With 2 epochs one layer of 16 filters (0.73) is ahead of two layers of 4 (0.58) and of 8 (0.68); with 8 epochs it is
# behind both, 0.87 against 0.89 and 0.94. The winner stays, now with 0.98. Designs must be compared after enough training.
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** Ponga `settings["trials"] = 60`, el doble. ¿Encuentra la búsqueda todavía mejores diseños?
#
# <details><summary>Respuesta</summary>
#
# Sí: el mejor de los primeros 30 es el cuarto, 0.978 en el conjunto de validación; el ensayo 32 tiene 0.981 y el 47 tiene
# 0.989, dos capas de 32 filtros con max pooling. La ganancia es pequeña, y cada ensayo cuesta un entrenamiento.
#
# </details>
#
# **2.** Ponga `settings["epochs"] = 2`. El ganador tiene 0.93 en el conjunto de validación. ¿Cuánto tiene al entrenarlo de
# nuevo con otras semillas?
#
# <details><summary>Respuesta</summary>
#
# 0.87 en promedio, no más que el diseño mediano (la diferencia es −0.002). El mejor de muchos ensayos es también el más
# afortunado: un entrenamiento demasiado corto ordena la suerte. Por eso el experimento entrena de nuevo al ganador.
#
# </details>
#
# **3.** Ponga `epochs` en 8 en la celda del algoritmo. ¿Cambia el orden de los seis diseños?
#
# <details><summary>Respuesta</summary>
#
# Sí. Con 2 épocas una capa de 16 filtros (0.73) va por delante de dos capas de 4 (0.58) y de 8 (0.68); con 8 épocas queda
# detrás de ambas, 0.87 contra 0.89 y 0.94. El ganador se mantiene, ahora con 0.98. Los diseños se comparan tras suficiente
# entrenamiento.
#
# </details>

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 5.3 (hyperparameters and validation sets), section 11.4
# (their selection). Bergstra, Bardenet, Bengio and Kégl, NeurIPS 2011, for the search; Hutter, Hoos and Leyton-Brown, ICML
# 2014, for the importances.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture design`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 5.3 (hiperparámetros y conjuntos de validación), sección
# 11.4 (su selección). Bergstra, Bardenet, Bengio y Kégl, NeurIPS 2011, para la búsqueda; Hutter, Hoos y Leyton-Brown, ICML
# 2014, para las importancias.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture design lang=es`.
