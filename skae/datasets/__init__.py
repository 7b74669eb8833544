"""Generated and downloaded images: NumPy arrays, independent of the estimators."""

from ._arena import make_arena
from ._healing import make_healing_images, make_healing_sequences
from ._loaders import load_fashion_mnist, load_mnist
from ._sensors import make_sensors

__all__ = [
    "load_fashion_mnist",
    "load_mnist",
    "make_arena",
    "make_healing_images",
    "make_healing_sequences",
    "make_sensors",
]
