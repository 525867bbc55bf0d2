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
# compare fairly each gets its own best rate, chosen on the validation split.
#
# *¿Una tasa para todos los pesos, o una para cada uno? AdaGrad, RMSProp y Adam dividen por la raíz de los cuadrados que han
# visto. Para comparar con justicia cada uno recibe su mejor tasa, elegida con la validación.*

# %%
from ajuste_fino.lecture import optimizers

lang = "en"  # or "es"
settings = dict(
    rates={"SGD": [0.1, 0.3], "momentum": [0.03, 0.1], "AdaGrad": [0.03], "RMSProp": [0.003], "Adam": [0.003]},
    hidden=32,
    epochs=5,
    seeds=2,
)  # fast ones: change a number, run all

# %% [markdown]
# $$r\leftarrow\rho r+(1-\rho)\,g\odot g,\qquad \Delta\theta=-\frac{\epsilon}{\sqrt{\delta+r}}\odot g$$

# %%
findings = optimizers.measure(**settings)

# %%
optimizers.draw(findings, lang)

# %% [markdown]
# The right panel shows what each weight's gradient is multiplied by at the end: one number for SGD and momentum, orders of
# magnitude for the adaptive ones. In this notebook the grid of rates is short; the command's is not.
#
# *El panel derecho muestra por cuánto se multiplica al final el gradiente de cada peso: un número con SGD y momentum,
# órdenes de magnitud con los adaptativos. En este cuaderno la rejilla de tasas es corta; la de la orden no.*

# %%
print(findings.told(lang))

# %% [markdown]
# **Give Adam a rate ten times too large.** The whole experiment: `ajuste-fino lecture optimizers`.
#
# ***Dele a Adam una tasa diez veces mayor.*** *El experimento completo: `ajuste-fino lecture optimizers lang=es`.*
