"""
How many components?
====================

The error of the reconstruction falls with the size of the code. A list of sizes makes
:func:`skae.compare` fit each reducer once for each of them, and shows where a larger code is no
longer worth it.
"""

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skae import Autoencoder, compare

digits = load_digits()
comparison = compare(
    digits.data,
    digits.target,
    reducers={"PCA": PCA(), "Autoencoder": Autoencoder(max_iter=15)},
    n_components=[2, 4, 8, 16, 32],
    random_state=0,
)
comparison.plot_sizes()

# %%
# An autoencoder gains most with small codes: here four of its components lose about as much as
# eight of PCA's. With 32 of 64 pixels there is little left to gain.

print(comparison.table["reconstruction error"].round(2))

# %%
# Accuracy of nearest neighbors in the codes, over the same sizes.

from skae.plotting import TradeOffDisplay

TradeOffDisplay.from_comparison(comparison, score="k-NN accuracy", cost="n_components")

# %%
# Without a list, a fraction chooses the size: as many components as PCA needs to explain that much
# of the variance.

print(Autoencoder(0.9, max_iter=5, random_state=0).fit(digits.data).n_components_)
