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
# # Depth, or only more parameters? · ¿Profundidad, o solo más parámetros?
#
# Figure 6.6 shows accuracy rising with depth, and figure 6.7 answers the obvious objection: perhaps the deeper networks
# were only larger. We train CNNs of growing depth, and a shallow one made as large as the deepest by more filters.
#
# *La figura 6.6 muestra que la exactitud crece con la profundidad, y la 6.7 responde la objeción obvia: quizá las redes más
# profundas solo eran más grandes. Entrenamos redes cada vez más profundas, y una poco profunda que iguala a la mayor en
# parámetros con más filtros.*

# %%
from ajuste_fino.lecture import depth
from ajuste_fino.lecture.text import Texts

texts = Texts.load("depth", "en")  # or "es"
settings = dict(depths=[1, 2, 3], filters=8, widths=[12], images=600, epochs=3, seeds=2)  # fast ones: change a number, run all

# %% [markdown]
# $$z_n=f(W_n * z_{n-1}+b_n),\quad n=1,\ldots,N$$

# %%
findings = depth.measure(**settings)

# %%
depth.draw(findings, texts)

# %% [markdown]
# Look along a vertical line in the second panel: as many parameters, and the deeper network is ahead. With the fast
# settings of this notebook nothing is trained to its end, so the verdict may differ from that of the command.
#
# *Mire una línea vertical en el segundo panel: igual número de parámetros, y la red más profunda va adelante. Con los
# ajustes rápidos de este cuaderno nada se entrena hasta el final, y el veredicto puede diferir del de la orden.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Let the wide network have twice the filters. Does it catch up?** The whole experiment: `ajuste-fino lecture depth`.
#
# ***Dele a la red ancha el doble de filtros. ¿Alcanza a la otra?*** *El experimento completo: `ajuste-fino lecture depth
# lang=es`.*
