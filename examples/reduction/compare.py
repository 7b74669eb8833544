"""
Which reduction serves these data?
==================================

:func:`skae.compare` fits several reducers on the same training rows and scores all of them on the
same held-out rows.
"""

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skae import Autoencoder, HybridAutoencoder, VariationalAutoencoder, compare

digits = load_digits()
comparison = compare(
    digits.images,
    digits.target,
    reducers={
        "PCA": PCA(8),
        "Autoencoder": Autoencoder(8, max_iter=10),
        "VariationalAutoencoder": VariationalAutoencoder(8, max_iter=10),
        "PCA + decoder": HybridAutoencoder(8, max_iter=10),
    },
    random_state=0,
)

# %%
# The table has a row for each reducer. Explained variance, trustworthiness, continuity and
# accuracy are best at 1.

comparison

# %%
# Without `reducers`, PCA, UMAP (if umap-learn is installed) and autoencoders are compared.
# Reconstructions and codes of the held-out images:

comparison.plot()

# %%
# ``comparison.to_html("report.html")`` writes all of this as one page that explains each figure,
# ``to_json`` and ``to_markdown`` write it for other programs. On the command line, ``skae compare
# data.csv --html report.html`` does the same for a file.
