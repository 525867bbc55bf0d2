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
# # Momentum in the canyon · Momentum en el cañón
#
# Where the loss curves a hundred times more across the valley than along it, the rate of gradient descent is limited by the
# walls. Momentum adds up what gradients have in common and cancels what they have not. With noisy gradients its velocity,
# scaled to the length of one gradient, varies less than a gradient does.
#
# *Donde la pérdida se curva cien veces más a lo ancho del valle que a lo largo, las paredes limitan la tasa del descenso
# por gradiente. El momentum suma lo que los gradientes tienen en común y cancela lo que no. Con gradientes ruidosos su
# velocidad, llevada al largo de un gradiente, varía menos que un gradiente.*

# %%
from ajuste_fino.lecture import momentum
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("momentum", "en")  # or "es"
settings = experiment_settings(
    "momentum", fast=dict(condition=100, tolerance=1e-6, batches=[1, 16, 256], alpha=0.9, steps=500, seeds=2)
)
settings

# %% [markdown]
# $$v\leftarrow\alpha v-\epsilon\, g,\quad \theta\leftarrow\theta+v,\qquad \epsilon_k=\left(1-\tfrac{k}{\tau}\right)\epsilon_0+\tfrac{k}{\tau}\epsilon_\tau$$

# %%
findings = measure("momentum", settings)  # settings["condition"] = 10, a line above, changes one

# %%
momentum.draw(findings, texts)

# %% [markdown]
# Both have their best rate here. Momentum swings more, and still is there in an eighth of the steps. On the right, both
# variances fall as 1/m, and that of (1 − α) v is a twentieth of the gradient's.
#
# *Ambos tienen aquí su mejor tasa. El momentum oscila más, y aun así llega en la octava parte de los pasos. A la derecha,
# ambas varianzas caen como 1/m, y la de (1 − α) v es la veinteava parte de la del gradiente.*

# %%
print(findings.summary(texts))

# %% [markdown]
# **Set `condition=10`. How much does momentum still save?** As a command: `ajuste-fino lecture momentum`.
#
# ***Ponga `condition=10`. ¿Cuánto ahorra todavía el momentum?*** *Como orden: `ajuste-fino lecture momentum
# lang=es`.*
