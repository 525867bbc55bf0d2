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
# # Backpropagation
#
# First unit by unit, as the slides draw it: forwards $a$ and $z$, backwards $\delta$. Then by matrices, all examples at
# once. Both are compared with automatic differentiation, and then the same equations train a real head on frozen features.

# %% [markdown] lang="es"
# # Backpropagation
#
# Primero neurona por neurona, como lo dibujan las diapositivas: hacia adelante $a$ y $z$, hacia atrás $\delta$. Luego con
# matrices, todos los ejemplos a la vez. Ambas formas se comparan con la diferenciación automática, y después las mismas
# ecuaciones entrenan una cabeza real sobre una red congelada.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch

from ajuste_fino.lecture import backprop
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure
from ajuste_fino.scratch.backprop import TANH, Layer, backward, forward

texts = Texts.load("backprop", lang)
settings = experiment_settings("backprop", fast=dict(sizes=[3, 4, 4, 2], networks=2, hidden=32, epochs=20))
settings

# %% [markdown]
# $$a_n=W_n z_{n-1},\quad z_n=f(a_n),\qquad \delta_n=f'(a_n)\odot W_{n+1}^{T}\,\delta_{n+1},\qquad \frac{\partial L}{\partial W_n}=\delta_n z_{n-1}^{T}$$

# %% [markdown] lang="en"
# The matrix form of the slides. $z_0$ is the input, $a_n$ what layer $n$ sums up, $z_n$ what it gives, $f$ the activation,
# here tanh, whose slope is $f'(a)=1-f(a)^2$. $\delta_n=\partial L/\partial a_n$ are the slides' errors; at the output
# $\delta=f'(a)\odot\partial L/\partial z$. The slide prints the gradient as $z_n\odot\delta_{n+1}$; only the outer product
# has the dimensions of $W_{n+1}$.

# %% [markdown] lang="es"
# La forma matricial de las diapositivas. $z_0$ es la entrada, $a_n$ lo que suma la capa $n$, $z_n$ lo que entrega, $f$ la
# activación, aquí tanh, cuya pendiente es $f'(a)=1-f(a)^2$. $\delta_n=\partial L/\partial a_n$ son los errores de las
# diapositivas; en la salida $\delta=f'(a)\odot\partial L/\partial z$. La diapositiva escribe el gradiente como
# $z_n\odot\delta_{n+1}$; solo el producto externo tiene las dimensiones de $W_{n+1}$.

# %% tags=["algorithm"]
numbers, scale, sizes = torch.Generator().manual_seed(0), 1.0, [3, 4, 4, 2]  # scale: of the weights
W = {n: scale * torch.randn(sizes[n], sizes[n - 1], generator=numbers, dtype=torch.float64) for n in (1, 2, 3)}
x, y = torch.tensor([[1.0], [0.5], [0.25]]).double(), torch.tensor([[0.0], [1.0]]).double()
a, z, δ = {}, {0: x}, {}
for n in (1, 2, 3):
    a[n] = W[n] @ z[n - 1]
    z[n] = torch.tanh(a[n])
δ[3] = (1 - z[3] ** 2) * (z[3] - y)  # L = ½ ‖z − y‖², so ∂L/∂z = z − y
for n in (2, 1):
    δ[n] = (1 - z[n] ** 2) * (W[n + 1].T @ δ[n + 1])
layers = [Layer(W[n], torch.zeros(len(W[n]), dtype=torch.float64), TANH) for n in W]
package = backward(layers, forward(layers, x), z[3] - y)
for n in W:
    print(f"layer {n}:  ‖δ‖ = {δ[n].norm():.4f}   ‖∂L/∂W‖ = {(δ[n] @ z[n - 1].T).norm():.4f}")
    assert torch.allclose(δ[n] @ z[n - 1].T, package[n - 1].weight, rtol=0, atol=1e-12)

# %% [markdown] lang="en"
# Forwards the layers go up, backwards down, and each $\delta_n$ needs only the layer above. The three gradients are those
# of `scratch.backprop`, with which the head below is trained.

# %% [markdown] lang="es"
# Hacia adelante se sube por las capas, hacia atrás se baja, y cada $\delta_n$ solo necesita la capa de encima. Los tres
# gradientes son los de `scratch.backprop`, con el que se entrena la cabeza de abajo.

# %%
# settings["hidden"] = 4  # the questions below ask for such a line
findings = measure("backprop", settings)

# %%
backprop.draw(findings, texts)

# %% [markdown] lang="en"
# Left: in each unit $z$ above, $\delta$ below. Right: two training curves that lie on each other, one by these equations,
# one by automatic differentiation.

# %% [markdown] lang="es"
# A la izquierda, en cada neurona, arriba $z$ y abajo $\delta$. A la derecha, dos curvas de entrenamiento que coinciden: una
# con estas ecuaciones, otra con diferenciación automática.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** Set `settings["sizes"] = [3, 4, 4, 4, 4, 2]`: two layers more. Are the equations still exact?
#
# <details><summary>Answer</summary>
#
# Yes: the largest difference from automatic differentiation goes from 8.2e-16 to 2.4e-15 of the largest gradient, the
# rounding of float64 over a longer chain of sums.
#
# </details>
#
# **2.** Set `scale` to 3.0 in the algorithm's cell: weights three times larger. What happens to $\delta_3$, and why?
#
# <details><summary>Answer</summary>
#
# $\|\delta_3\|$ falls from 0.48 to 0.0071. The units saturate: $z$ is near ±1, and $f'(a)=1-z^2$ near zero, however wrong
# the output is.
#
# </details>
#
# **3.** Set `settings["hidden"] = 4`. Do both ways still give the same accuracy, and is it good?
#
# <details><summary>Answer</summary>
#
# The same, and bad: 0.56 instead of 0.99. Half of four hidden units are dropped at each step, and ten classes do not get
# through what is left. A correct gradient does not make a good network.
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** Ponga `settings["sizes"] = [3, 4, 4, 4, 4, 2]`: dos capas más. ¿Siguen siendo exactas las ecuaciones?
#
# <details><summary>Respuesta</summary>
#
# Sí: la mayor diferencia con la diferenciación automática pasa de 8.2e-16 a 2.4e-15 del mayor gradiente, el redondeo de
# float64 en una cadena de sumas más larga.
#
# </details>
#
# **2.** Ponga `scale` en 3.0 en la celda del algoritmo: pesos tres veces mayores. ¿Qué le pasa a $\delta_3$, y por qué?
#
# <details><summary>Respuesta</summary>
#
# $\|\delta_3\|$ baja de 0.48 a 0.0071. Las neuronas se saturan: $z$ queda cerca de ±1, y $f'(a)=1-z^2$ cerca de cero, por
# muy equivocada que esté la salida.
#
# </details>
#
# **3.** Ponga `settings["hidden"] = 4`. ¿Dan todavía ambas formas la misma exactitud, y es buena?
#
# <details><summary>Respuesta</summary>
#
# La misma, y mala: 0.56 en vez de 0.99. De cuatro neuronas escondidas se apaga la mitad en cada paso, y diez clases no
# pasan por lo que queda. Un gradiente correcto no hace buena una red.
#
# </details>

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 6.5, algorithms 6.3 and 6.4. Rumelhart, Hinton and
# Williams, *Nature* 323, 1986. Bishop, *Pattern Recognition and Machine Learning*, 2006, section 5.3, has the letters of
# the slides.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture backprop`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 6.5, algoritmos 6.3 y 6.4. Rumelhart, Hinton y Williams,
# *Nature* 323, 1986. Bishop, *Pattern Recognition and Machine Learning*, 2006, sección 5.3, tiene las letras de las
# diapositivas.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture backprop lang=es`.
