"""
Removing noise from images
==========================

:class:`skae.Denoiser` is fitted to clean images and adds noise of a known kind itself, anew in
every epoch. `transform` takes noisy images and returns clean ones.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import Denoiser

images = load_digits().images / 16
train, test = train_test_split(images, random_state=0)

# %%
# The noise is gaussian, with a standard deviation of 0.2 where 1 is the difference between black
# and white. Images are denoised by a U-Net.

denoiser = Denoiser(noise="gaussian", noise_level=0.2, max_iter=8, random_state=0).fit(train)

noisy = test + np.random.default_rng(0).normal(scale=0.2, size=test.shape)
denoised = denoiser.transform(noisy)

# %%
# For comparison: PCA with as many components as leave the least error on noisy training images.

from sklearn.decomposition import PCA

noisy_train = train + np.random.default_rng(1).normal(scale=0.2, size=train.shape)


def denoised_by_pca(n_components, noisy):
    pca = PCA(n_components).fit(train.reshape(len(train), -1))
    rows = noisy.reshape(len(noisy), -1)
    return pca.inverse_transform(pca.transform(rows)).reshape(noisy.shape)


def error(images, target):
    return np.mean((images - target) ** 2)


best = min(range(2, 40, 2), key=lambda k: error(denoised_by_pca(k, noisy_train), train))
by_pca = denoised_by_pca(best, noisy)

# %%
# Mean squared errors on held-out images.

print(f"noisy          {error(noisy, test):.4f}")
print(f"PCA({best})        {error(by_pca, test):.4f}")
print(f"Denoiser       {error(denoised, test):.4f}")

# %%
from skae.plotting import ReconstructionDisplay

ReconstructionDisplay.from_reconstructions(
    test[:10], {"noisy": noisy[:10], f"PCA({best})": by_pca[:10], "Denoiser": denoised[:10]}
)
