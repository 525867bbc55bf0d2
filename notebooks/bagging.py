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
# # Bagging
#
# Draw with replacement, train on each sample, vote. It helps a learner that changes much with its sample, such as a tree; a
# linear head on frozen features changes little. Each member misses 37 % of the examples: they judge it for free.

# %% [markdown] lang="es"
# # Bagging
#
# Muestree con reemplazo, entrene con cada muestra, vote. Ayuda a un aprendiz que cambia mucho con su muestra, como un
# árbol; una cabeza lineal sobre una red congelada cambia poco. A cada miembro le falta el 37 % de los ejemplos: lo juzgan
# gratis.

# %%
lang = "en"  # of figures and verdicts: en, es

import torch
from sklearn.tree import DecisionTreeClassifier
from torch.nn.functional import one_hot

from ajuste_fino import ensemble
from ajuste_fino.lecture import bagging
from ajuste_fino.lecture.data import digits
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import experiment_settings, measure

texts = Texts.load("bagging", lang)
settings = experiment_settings(
    "bagging", fast=dict(trees=16, heads=8, epochs=2, sample=100, intervals=60, seeds=1, data={"root": None})
)
settings

# %% [markdown]
# $$\mathcal{S}_t\sim\mathcal{S},\quad h_t\leftarrow A(\mathcal{S}_t),\quad t=1,\ldots,T,\qquad f(x)=\mathrm{vote}\{h_1(x),\ldots,h_T(x)\}$$

# %% [markdown] lang="en"
# Algorithm 1 of the slides. $\mathcal{S}$ are the $N$ training examples, $\mathcal{S}_t$ a bootstrap sample: $N$ of them,
# drawn with replacement. $A$ is the learner, below a decision tree, $h_t$ what it learns from $\mathcal{S}_t$. $f$ gives
# the class that most of the $T$ members name.

# %% [markdown] lang="es"
# El algoritmo 1 de las diapositivas. $\mathcal{S}$ son los $N$ ejemplos de entrenamiento, $\mathcal{S}_t$ una muestra
# bootstrap: $N$ de ellos, con reemplazo. $A$ es el aprendiz, abajo un árbol de decisión, $h_t$ lo que aprende de
# $\mathcal{S}_t$. $f$ da la clase que nombra la mayoría de los $T$ miembros.

# %% tags=["algorithm"]
T, (S, _, test) = 10, digits()
N, numbers, h = len(S.y), torch.Generator().manual_seed(0), []
counts, votes = torch.zeros(T, N), torch.zeros(len(test.y), 10)
for t, S_t in enumerate(torch.randint(N, (T, N), generator=numbers)):  # N of S, with replacement
    for n in S_t:
        counts[t, n] += 1
    tree = DecisionTreeClassifier(random_state=0).fit(S.flat[S_t], S.y[S_t])  # A
    h.append(torch.from_numpy(tree.predict(test.flat)))
    for i in range(len(test.y)):
        votes[i, h[t][i]] += 1
    alone, vote = ((named != test.y).float().mean() for named in (h[t], votes.argmax(1)))
    print(f"h_{len(h):<2} error {alone:.3f}, of the vote {vote:.3f}; never saw {(counts[t] == 0).float().mean():.0%} of S")
assert torch.equal(counts, ensemble.bootstrap(T, N, seed=0))
assert torch.equal(votes.argmax(1), ensemble.majority(one_hot(torch.stack(h), 10)))

# %% [markdown] lang="en"
# Each tree alone is wrong for a fifth of the digits, ten of them together for 6 %. Samples and vote are those of
# `ensemble.bootstrap` and `ensemble.majority`.

# %% [markdown] lang="es"
# Cada árbol solo se equivoca en un quinto de los dígitos, diez de ellos juntos en el 6 %. Las muestras y el voto son los de
# `ensemble.bootstrap` y `ensemble.majority`.

# %%
# settings["trees"] = 100  # the questions below ask for such a line
findings = measure("bagging", settings)

# %%
bagging.draw(findings, texts)

# %% [markdown] lang="en"
# Left: the out-of-bag error judges each digit by the trees that did not see it, and falls with their number as the test
# error does. Right: a stable learner gains nothing. All heads were trained at once: `ajuste-fino train ensemble=50` does
# the same on your images.

# %% [markdown] lang="es"
# A la izquierda: el error out-of-bag juzga cada dígito con los árboles que no lo vieron, y baja con su número como el error
# de prueba. A la derecha: un aprendiz estable no gana nada. Todas las cabezas se entrenaron a la vez: `ajuste-fino train
# ensemble=50` hace lo mismo con sus fotos.

# %%
print(findings.summary(texts))

# %% [markdown] lang="en"
# ## Three questions
#
# **1.** Set `settings["trees"] = 100`. How much better than 50 trees are they?
#
# <details><summary>Answer</summary>
#
# Not at all: the vote's test error is 0.053 with 50 trees and 0.053 with 100; with 25 it was 0.058. The curve is flat: more
# members do no harm, and from some number on only cost time.
#
# </details>
#
# **2.** Set `settings["trees"] = 10`. Why is the out-of-bag error so much above the test error?
#
# <details><summary>Answer</summary>
#
# It is 0.13, the test error 0.081. A digit is judged only by the trees that did not see it, 37 % of ten, so about four
# votes: the test digits have ten. With 50 trees the gap is 0.024.
#
# </details>
#
# **3.** Set `T` to 40 in the algorithm's cell. Do the trees become better, or the vote?
#
# <details><summary>Answer</summary>
#
# The vote: its error falls from 0.061 to 0.045, while each tree's stays between 0.15 and 0.25. And every tree goes on
# missing 35 to 38 % of $\mathcal{S}$, near $(1-1/N)^N\approx e^{-1}=0.37$.
#
# </details>

# %% [markdown] lang="es"
# ## Tres preguntas
#
# **1.** Ponga `settings["trees"] = 100`. ¿Cuánto mejores son que 50 árboles?
#
# <details><summary>Respuesta</summary>
#
# Nada: el error de prueba del voto es 0.053 con 50 árboles y 0.053 con 100; con 25 era 0.058. La curva es plana: más
# miembros no hacen daño, y desde cierto número solo cuestan tiempo.
#
# </details>
#
# **2.** Ponga `settings["trees"] = 10`. ¿Por qué queda el error out-of-bag tan por encima del error de prueba?
#
# <details><summary>Respuesta</summary>
#
# Es 0.13, y el de prueba 0.081. A un dígito lo juzgan solo los árboles que no lo vieron, el 37 % de diez, es decir unos
# cuatro votos; los de prueba tienen diez. Con 50 árboles la diferencia es 0.024.
#
# </details>
#
# **3.** Ponga `T` en 40 en la celda del algoritmo. ¿Mejoran los árboles, o el voto?
#
# <details><summary>Respuesta</summary>
#
# El voto: su error baja de 0.061 a 0.045, mientras el de cada árbol sigue entre 0.15 y 0.25. Y a cada árbol le sigue
# faltando entre el 35 y el 38 % de $\mathcal{S}$, cerca de $(1-1/N)^N\approx e^{-1}=0.37$.
#
# </details>

# %% [markdown] lang="en"
# ## Further
#
# Goodfellow, Bengio and Courville, *Deep Learning*, 2016: section 7.11. Breiman, "Bagging Predictors", *Machine Learning*
# 24, 1996. Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979.
#
# The same experiment as a command, with its figure, table and verdict: `ajuste-fino lecture bagging`.

# %% [markdown] lang="es"
# ## Para seguir
#
# Goodfellow, Bengio y Courville, *Deep Learning*, 2016: sección 7.11. Breiman, "Bagging Predictors", *Machine Learning* 24,
# 1996. Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979.
#
# El mismo experimento como orden, con su figura, tabla y veredicto: `ajuste-fino lecture bagging lang=es`.
