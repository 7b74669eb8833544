"""
An inverse for UMAP
===================

UMAP places rows so that neighbors stay neighbors. Its own inverse takes seconds for a few rows.
:class:`skae.HybridAutoencoder` trains a decoder for the codes of any reducer, and
:class:`skae.ParametricUMAP` trains encoder and decoder by UMAP's own objective.
"""

import warnings

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from umap import UMAP

from skae import HybridAutoencoder, ParametricUMAP

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# Any reducer with `fit` and `transform` can be given. UMAP warns that a seed makes it use one
# thread.

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="n_jobs value")
    hybrid = HybridAutoencoder(reducer=UMAP(random_state=0), max_iter=20, random_state=0).fit(
        X_train
    )

# %%
# Images decoded on a grid of codes, and the codes of held-out digits.

from skae.plotting import LatentSpaceDisplay, ManifoldDisplay

ManifoldDisplay.from_estimator(hybrid, X_train, image_shape=(8, 8), n_side=12)

# %%
LatentSpaceDisplay.from_estimator(hybrid, X_test, y_test)

# %%
# `ParametricUMAP` is a network: it places each new row by itself, the same wherever and with
# whatever other rows it is computed.

parametric = ParametricUMAP(max_iter=120, random_state=0).fit(X_train)
LatentSpaceDisplay.from_estimator(parametric, X_test, y_test)

# %%
# Accuracy of nearest neighbors on codes of held-out digits, and the explained variance of their
# reconstruction from two numbers.

from sklearn.neighbors import KNeighborsClassifier

from skae.metrics import reconstruction_scorer

for name, reducer in {"UMAP + decoder": hybrid, "ParametricUMAP": parametric}.items():
    neighbors = KNeighborsClassifier().fit(reducer.transform(X_train), y_train)
    accuracy = neighbors.score(reducer.transform(X_test), y_test)
    print(f"{name:15} {accuracy:.3f} {reconstruction_scorer(reducer, X_test):.3f}")
