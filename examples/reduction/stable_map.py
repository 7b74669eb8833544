"""
A map that stays
================

A map is fitted again whenever rows come in, and UMAP then draws another one: the cluster that was
at the top is at the left. :class:`skae.ParametricUMAP` holds earlier rows where they were, and
places new rows around them.
"""

import numpy as np
from sklearn.datasets import load_digits

from skae import ParametricUMAP
from skae.plotting import LatentSpaceDisplay, ManifoldDisplay, MapMovesDisplay

X, y = load_digits(return_X_y=True)

# %%
# On the first day there are no fours, and only three fifths of the other digits.

is_old = (y != 4) & (np.arange(len(X)) % 5 < 3)
first_day = ParametricUMAP(max_iter=50, random_state=0).fit(X[is_old])
LatentSpaceDisplay.from_estimator(first_day, X[is_old], y[is_old])

# %%
# What the decoder returns on a grid over the map.

ManifoldDisplay.from_estimator(first_day, X[is_old], image_shape=(8, 8), n_side=14)

# %%
# One day later all digits are there. A new fit is another map: lines lead from where each row was
# to where it is now.

free = ParametricUMAP(max_iter=50, random_state=1).fit(X)
MapMovesDisplay.from_estimators(first_day, free, X[is_old], y[is_old])

# %%
# With the earlier rows as landmarks they stay, and the fours find a place of their own.

held = ParametricUMAP(max_iter=50, random_state=1)
held.fit(X, landmarks=(X[is_old], first_day.transform(X[is_old])))
MapMovesDisplay.from_estimators(first_day, held, X[is_old], y[is_old])

# %%
LatentSpaceDisplay.from_estimator(held, X, y)

# %%
# Where the earlier rows are not at hand, `partial_fit` adds new ones: the map has kept 500 of its
# rows, which it holds.

first_day.partial_fit(X[~is_old])
LatentSpaceDisplay.from_estimator(first_day, X, y)

# %%
# Cycles in training: codes between the data are decoded to images that lie there on the map. The
# error is the distance between a code and the code of its image, over the spread of the codes.

from skae.metrics import cycle_error

cycled = ParametricUMAP(max_iter=50, cycle_weight=1.0, random_state=0).fit(X[is_old])
for name, model in {"without": free, "with cycles": cycled}.items():
    codes = model.transform(X[is_old])
    between = (codes + codes[np.random.default_rng(0).permutation(len(codes))]) / 2
    print(f"{name:12} {cycle_error(model, codes):.3f} {cycle_error(model, between):.3f}")
