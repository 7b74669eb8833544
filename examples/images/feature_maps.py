"""
Inside a convolutional network
==============================

The architecture of an autoencoder is one parameter. :class:`skae.architectures.Conv` describes
convolutional encoders and decoders; their feature maps can be looked at.
"""

from sklearn.datasets import load_digits

from skae import Autoencoder
from skae.architectures import Conv
from skae.plotting import FeatureMapDisplay

images = load_digits().images
architecture = Conv((8, 16), stride=(1, 2), hidden_layer_sizes=(64,))
autoencoder = Autoencoder(8, architecture=architecture, max_iter=5, random_state=0).fit(images)

# %%
# What each stage of the encoder, and then of the decoder, makes of one image.

FeatureMapDisplay.from_estimator(autoencoder, images[:1])

# %%
# Where is the reconstruction wrong? Root mean squared error of each pixel, beside that of a
# network with fewer channels.

from skae.plotting import ErrorMapDisplay

narrow = Autoencoder(8, architecture=Conv((4,)), max_iter=5, random_state=0).fit(images)
ErrorMapDisplay.from_estimator({"(8, 16) channels": autoencoder, "(4,) channels": narrow}, images)
