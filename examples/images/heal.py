"""
Learning to repair images
=========================

`fit` takes another target than its input: ``fit(X, X_target=clean)``. The damaged images are
digits with a white square; the network learns to return them without it.
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.datasets import make_healing_images

clean = load_digits().images / 16
damaged = make_healing_images(clean, rotated=0, square=1, square_size=3, random_state=0)
clean_train, clean_test, train, test = train_test_split(clean, damaged, random_state=0)

# %%
# One autoencoder is fitted only to the damaged images, the other one learns to repair them.

plain = Autoencoder(16, architecture="dense", max_iter=30, random_state=0).fit(train)
healer = Autoencoder(16, architecture="dense", max_iter=30, random_state=0)
healer.fit(train, X_target=clean_train)

# %%
# The plain one reconstructs the square as well.

from skae.plotting import ReconstructionDisplay

ReconstructionDisplay.from_estimator({"plain": plain, "repaired": healer}, test[:10])

# %%
# Mean squared errors of held-out images, measured from the clean ones.

for name, images in (
    ("damaged", test),
    ("plain", plain.reconstruct(test)),
    ("repaired", healer.reconstruct(test)),
):
    print(f"{name:9} {((images - clean_test) ** 2).mean():.4f}")
