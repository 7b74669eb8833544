"""
Codes of sequences of unequal length
====================================

:class:`skae.SequenceAutoencoder` encodes a whole sequence, whatever its length. Here a digit is
read column by column, without its empty columns: narrow digits are shorter sequences.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8) / 16

# Each sequence has shape (n_timesteps, n_channels): columns of eight pixels.
sequences = [image.T[image.any(axis=0)] for image in images]
lengths = [len(each) for each in sequences]
print(np.bincount(lengths))

# %%
# `fit` takes a list of sequences.

from skae import SequenceAutoencoder

train, test, y_train, y_test = train_test_split(sequences, labels, random_state=0)
autoencoder = SequenceAutoencoder(8, max_iter=20, random_state=0).fit(train)
print(autoencoder.length_range_, f"{autoencoder.score(test):.2f}")

# %%
# Codes hold the length as well: `inverse_transform` returns sequences of the length that each code
# decodes to.

codes = autoencoder.transform(test)
decoded = autoencoder.inverse_transform(codes)
print(np.mean([len(a) == len(b) for a, b in zip(decoded, test, strict=True)]))

# %%
# Codes are rows of numbers, which any classifier takes.

from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

pipeline = make_pipeline(autoencoder, KNeighborsClassifier())
print(f"{pipeline.fit(train, y_train).score(test, y_test):.2f}")

# %%
# Held-out digits of each width, what their codes decode to, and the path from the first code to the
# last. The width of a digit is the length of its sequence.

import matplotlib.pyplot as plt

# The first digit of each length.
_, first = np.unique([len(each) for each in test], return_index=True)
path = autoencoder.interpolate(test[first[0]], test[first[-1]], len(first))
rows = {
    "held out": [test[i] for i in first],
    "decoded": [decoded[i] for i in first],
    "path": path,
}
figure, axes = plt.subplots(len(rows), len(first), figsize=(7, 3.8), layout="constrained")
for row, (name, shown) in zip(axes, rows.items(), strict=True):
    for ax, sequence in zip(row, shown, strict=True):
        ax.imshow(sequence.T, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xlim=(-0.5, 7.5), xticks=[], yticks=[])
    row[0].set_ylabel(name)
