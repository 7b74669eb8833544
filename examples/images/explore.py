"""
A page to explore a latent space
================================

:func:`~skae.plotting.explore` writes one HTML file that needs no network. Its decoder runs in the
browser: what lies between the digits that were written is decoded where the mouse is dragged.
"""

from sklearn.datasets import load_digits

from skae import VariationalAutoencoder
from skae.plotting import explore

digits = load_digits()

# %%
# Codes of three numbers: two are the axes of the page, and a slider sets the third.

vae = VariationalAutoencoder(3, architecture="dense", max_iter=20, random_state=0)
vae.fit(digits.images)

# %%
# What is decoded is compared with ``inverse_transform``, here and in the browser. The largest
# difference is given as a fraction of the range of the data.

page = explore(vae, digits.images, digits.target, "explorer.html", title="Digits, by a VAE")
print(f"{page.path.name}: {page.size / 1e6:.1f} MB, largest difference {page.decoding_error:.1g}")

# %%
# The sizes of its parts in bytes: codes and images, the decoder, and the code that draws.

# sphinx_gallery_thumbnail_path = 'images/explorer.png'
page.sizes

# %%
# .. raw:: html
#
#    <p><a href="explorer.html">Open the page</a></p>
#
# This is how it looks with the larger digits of MNIST.
#
# .. image:: /images/explorer.png
#    :alt: Codes as points colored by digit; beside them the decoded spot, the row under the mouse
#          and its reconstruction, a slider, and the nearest rows.
