"""
Numbers and categories in one table
===================================

:class:`skae.TableAutoencoder` takes a frame of pandas or polars as it is: numbers, categories,
truth values, dates and missing values. The table is that of Italian wines, with the cultivar as a
word.
"""

import numpy as np
from sklearn.datasets import load_wine

from skae import TableAutoencoder

wines = load_wine(as_frame=True)
table = wines.data[["alcohol", "flavanoids", "color_intensity", "hue", "proline"]].assign(
    cultivar=wines.target.map({0: "first", 1: "second", 2: "third"}).astype(object),
    strong=(wines.data["alcohol"] > 13).astype(object),
)
table.head()

# %%
# A fifth of the values is removed at random, in all columns.

is_missing = np.random.default_rng(0).random(table.shape) < 0.2
observed = table.mask(is_missing)
autoencoder = TableAutoencoder(random_state=0).fit(observed)
imputed = autoencoder.impute(observed)
imputed.head()

# %%
# How often is the cultivar right, where it was removed? The most frequent one is the guess to
# beat.

is_removed = is_missing[:, list(table).index("cultivar")]
truth = table["cultivar"][is_removed]
print(f"imputed             {(imputed['cultivar'][is_removed] == truth).mean():.2f}")
print(f"most frequent       {(truth == observed['cultivar'].mode()[0]).mean():.2f}")

# %%
# The codes of the wines, in two dimensions, by their cultivar.

from skae.plotting import LatentSpaceDisplay

LatentSpaceDisplay.from_estimator(autoencoder, table, table["cultivar"])

# %%
# How well is each column reconstructed, on average? One is perfect, zero as good as knowing
# nothing of the row.

print(autoencoder.column_scores(table).mean().round(2).to_string())

# %%
# With ``variational=True``, `sample` draws new rows: whole categories, and numbers that go
# together.

variational = TableAutoencoder(variational=True, random_state=0).fit(table)
variational.sample(5, random_state=0).round(2)

# %%
# :class:`skae.TableEncoder` does only the first step. It makes numbers of any table, for any
# reducer, with an inverse.

from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from skae import TableEncoder

pipeline = make_pipeline(TableEncoder(), PCA(3)).fit(table)
pipeline.inverse_transform(pipeline.transform(table)).head().round(2)
