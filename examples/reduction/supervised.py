"""
Codes that also predict
=======================

:class:`skae.AutoencoderClassifier` trains encoder, decoder and a classifier of the codes together.
`reconstruction_weight` leads from a plain autoencoder (1) to a plain classifier (0) whose latent
space can be looked at.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import AutoencoderClassifier
from skae.plotting import LatentSpaceDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
weights = (0.99, "balanced", 0)
classifiers = [
    AutoencoderClassifier(2, reconstruction_weight=weight, max_iter=30, random_state=0).fit(
        X_train, y_train
    )
    for weight in weights
]

# %%
# Two numbers are few for ten digits. What they are used for depends on the weight.

figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, weight, classifier in zip(axes, weights, classifiers, strict=True):
    LatentSpaceDisplay.from_estimator(classifier, X_test, y_test, ax=ax)
    ax.set_title(f"reconstruction_weight={weight!r}")

# %%
# The accuracy on held-out digits, and how much of their variance is reconstructed. With a weight
# of zero the decoder is not trained.

from skae.metrics import explained_variance

for weight, classifier in zip(weights, classifiers, strict=True):
    accuracy = classifier.score(X_test, y_test)
    explained = explained_variance(X_test, classifier.reconstruct(X_test))
    print(f"{weight!s:8}  accuracy {accuracy:.3f}  explained variance {explained:.2f}")
