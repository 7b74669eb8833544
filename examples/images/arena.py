"""
What does a code of images know?
================================

The images show an animal in a round arena, from above, with noise. Nothing but the images is given
to the autoencoder. Its codes determine nevertheless where the animal is and where it looks.
"""

from skae import Autoencoder
from skae.datasets import make_arena
from skae.plotting import ReconstructionDisplay

train = make_arena(1000, size=24, noise=0.05, random_state=0)
test = make_arena(300, size=24, noise=0.05, random_state=1)
autoencoder = Autoencoder(16, architecture="dense", max_iter=40, random_state=0).fit(train.images)

# %%
# Sixteen numbers have no room for noise: reconstructions are closer to the clean images than the
# noisy ones are.

ReconstructionDisplay.from_estimator(autoencoder, test.images[:10])

# %%
import numpy as np

reconstructed = autoencoder.reconstruct(test.images)
print(f"noisy images   {np.mean((test.images - test.clean) ** 2):.5f}")
print(f"reconstructed  {np.mean((reconstructed - test.clean) ** 2):.5f}")

# %%
# Position and direction, predicted from the codes by nearest neighbors: R² on held-out images,
# beside the codes of PCA. The direction is a point on the circle.

from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsRegressor


def facts(arena):
    direction = np.column_stack([np.cos(arena.direction), np.sin(arena.direction)])
    return {"position": arena.position, "direction": direction}


def rows(arena):
    return arena.images.reshape(len(arena.images), -1)


pca = PCA(16).fit(rows(train))
codes = {
    "PCA": (pca.transform(rows(train)), pca.transform(rows(test))),
    "Autoencoder": (autoencoder.transform(train.images), autoencoder.transform(test.images)),
}
for name, (codes_train, codes_test) in codes.items():
    for fact, values in facts(train).items():
        neighbors = KNeighborsRegressor().fit(codes_train, values)
        print(f"{name:12} {fact:10} {neighbors.score(codes_test, facts(test)[fact]):.3f}")

# %%
# The two main directions of the codes, colored by how far to the right the animal stands.

from skae.plotting import LatentSpaceDisplay

LatentSpaceDisplay.from_estimator(autoencoder, test.images, test.position[:, 0])
