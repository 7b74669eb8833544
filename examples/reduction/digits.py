"""
PCA and an autoencoder on digits
================================

An autoencoder takes the place of :class:`~sklearn.decomposition.PCA`: the same methods, the same
place in a Pipeline. Here both compress images of handwritten digits, 64 pixels, to eight numbers.
"""

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.metrics import reconstruction_scorer

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# Fit both. Training of the autoencoder starts at PCA's own solution, holds out a tenth of the rows
# and keeps the weights that reconstruct these best.

pca = PCA(8).fit(X_train)
autoencoder = Autoencoder(8, random_state=0).fit(X_train)

# %%
# One scorer ranks both: the explained variance of the reconstruction of rows that neither has
# seen.

for reducer in (pca, autoencoder):
    score = reconstruction_scorer(reducer, X_test)
    print(f"{type(reducer).__name__:12} {score:.3f} of the variance")

# %%
# The reconstructions, below the originals.

from skae.plotting import ReconstructionDisplay

display = ReconstructionDisplay.from_estimator(
    {"PCA": pca, "Autoencoder": autoencoder}, X_test[:12], image_shape=(8, 8)
)

# %%
# The loss of each epoch, on the training rows and on the rows that were held out of them.

from skae.plotting import LossCurveDisplay

LossCurveDisplay.from_estimator(autoencoder)

# %%
# Codes are features for other estimators. Eight numbers of an autoencoder stand for a digit at
# least as well as eight of PCA do.

from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

for reducer in (pca, autoencoder):
    classifier = KNeighborsClassifier().fit(reducer.transform(X_train), y_train)
    accuracy = classifier.score(reducer.transform(X_test), y_test)
    print(f"{type(reducer).__name__:12} {accuracy:.3f} of the digits recognized")

# %%
# In a Pipeline the autoencoder stands where PCA stood.

make_pipeline(Autoencoder(8, random_state=0), KNeighborsClassifier())
