"""
Drawing new images
==================

The codes of a :class:`skae.VariationalAutoencoder` have a distribution, from which new images can
be drawn. The images are handwritten digits.
"""

from sklearn.datasets import load_digits

from skae import VariationalAutoencoder
from skae.plotting import ImageGridDisplay

images = load_digits().images
vae = VariationalAutoencoder(8, architecture="dense", max_iter=30, random_state=0).fit(images)

# %%
# `sample` draws codes from the density of the training codes and decodes them.

ImageGridDisplay.from_images(vae.sample(40, random_state=0), n_images=40)

# %%
# The path between two digits: codes on the line between theirs, decoded.

from skae.plotting import InterpolationDisplay

InterpolationDisplay.from_estimator(vae, images[[0, 1, 2, 3, 4, 5]])

# %%
# What each component changes, from low to high, while the others stay at the mean.

from skae.plotting import TraversalDisplay

TraversalDisplay.from_estimator(vae, images)

# %%
# The divergence of each component from the prior, in nats. A component near zero holds no
# information: its posterior collapsed to the prior. A larger `beta` leads there.

from skae.inspection import component_activity

for beta in (1, 8):
    fitted = VariationalAutoencoder(
        8, beta=beta, architecture="dense", max_iter=15, random_state=0
    ).fit(images)
    activity = component_activity(fitted, images)
    print(f"beta={beta}: divergence {activity.divergence.round(1)}")
