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
# # Five optimizers · Cinco optimizadores
#
# One rate for all weights, or one for each? AdaGrad, RMSProp and Adam divide by the root of the squares they have seen. To
# compare fairly each gets its own best rate: the one whose worst loss at the end of training is the lowest, over runs that
# are not counted. A rate that still jumps there is not chosen.
#
# *¿Una tasa para todos los pesos, o una para cada uno? AdaGrad, RMSProp y Adam dividen por la raíz de los cuadrados que han
# visto. Para comparar con justicia cada uno recibe su mejor tasa: aquella cuya peor pérdida al final del entrenamiento es la
# menor, en corridas que no se cuentan. Una tasa que aún salta ahí no se elige.*

# %%
from ajuste_fino.lecture import optimizers
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("optimizers", "en")  # or "es"
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
    ),
)
settings

# %% [markdown]
# $$r\leftarrow\rho r+(1-\rho)\,g\odot g,\qquad \Delta\theta=-\frac{\epsilon}{\sqrt{\delta+r}}\odot g$$

# %%
findings = measure("optimizers", settings)  # settings["hidden"] = 128, a line above, changes one

# %%
optimizers.draw(findings, texts)

# %% [markdown]
# The right panel shows what each weight's gradient is multiplied by at the end: one number for SGD and momentum, orders of
# magnitude for the adaptive ones. A rate chosen at an end of its grid asks for a longer grid.
#
# *El panel derecho muestra por cuánto se multiplica al final el gradiente de cada peso: un número con SGD y momentum,
# órdenes de magnitud con los adaptativos. Una tasa elegida en un extremo de su rejilla pide una rejilla más larga.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Give Adam a rate ten times too large.** As a command: `ajuste-fino lecture optimizers`.
#
# ***Dele a Adam una tasa diez veces mayor.*** *Como orden: `ajuste-fino lecture optimizers lang=es`.*
