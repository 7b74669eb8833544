"""
Missing values
==============

With ``missing_values="mask"`` an autoencoder is fitted only to the observed values, and `impute`
replaces the missing ones. Here a fifth of the pixels of handwritten digits is removed.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split

from skae import Autoencoder

X = load_digits().data / 16
is_missing = np.random.default_rng(0).random(X.shape) < 0.2
X_missing = np.where(is_missing, np.nan, X)
X_train, X_test, truth_train, truth_test = train_test_split(X_missing, X, random_state=0)

# %%
# The same call for all: fit on the training rows, and fill held-out ones.

autoencoder = Autoencoder(16, missing_values="mask", max_iter=30, random_state=0).fit(X_train)
filled = {
    "means": SimpleImputer().fit(X_train).transform(X_test),
    "5 nearest neighbors": KNNImputer().fit(X_train).transform(X_test),
    "autoencoder": autoencoder.impute(X_test),
}

# %%
# Mean squared error of the values that were removed. Observed values are left as they are.

removed = np.isnan(X_test)
for name, values in filled.items():
    print(f"{name:20} {np.mean((values[removed] - truth_test[removed]) ** 2):.4f}")
    assert (values[~removed] == X_test[~removed]).all()

# %%
# Missing pixels are drawn as black in the second row.

from skae.plotting import ReconstructionDisplay

shown = {"observed": np.nan_to_num(X_test[:10])}
shown |= {name: values[:10] for name, values in filled.items()}
ReconstructionDisplay.from_reconstructions(truth_test[:10], shown, image_shape=(8, 8))
