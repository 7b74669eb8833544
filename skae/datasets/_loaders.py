"""MNIST and Fashion-MNIST from a local folder, or else from the network."""

import os
from os import PathLike
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from .._utils import import_optional

# Names of the classes, in the order of their numbers.
_DIGITS = [str(digit) for digit in range(10)]
_CLOTHES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]


def load_mnist(
    *, data_home: str | PathLike[str] | None = None, return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load MNIST, grey images of handwritten digits at 28×28 pixels.

    If the environment variable ``SKAE_DATA`` names a folder that holds ``mnist_10k.npz``, the
    images are those of that file: arrays ``X`` of shape (n_samples, 28, 28) of ``uint8`` and
    ``y`` of shape (n_samples,). Otherwise torchvision downloads all 70,000, once; the 60,000
    training images come first.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder for the download, which goes to its subfolder ``skae``. If None, that of
        :func:`sklearn.datasets.get_data_home`.

    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    mnist : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_samples, 784), dtype uint8
            The images as rows, from 0 (black) to 255.
        images : ndarray of shape (n_samples, 28, 28), dtype uint8
            The same memory as images.
        target : ndarray of shape (n_samples,), dtype int64
            The digit, 0 to 9.
        target_names : list of str
            Names of the classes.
        DESCR : str
            Name, number and source of the images.

    (data, target) : tuple if ``return_X_y`` is True
        Images as rows, and digits.

    Raises
    ------
    ImportError
        If the file does not exist, and torchvision is not installed or cannot be imported.
    OSError
        If the file does not exist, and the download fails.
    ValueError
        If the file does not hold images of 28×28 bytes with a label each.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> from skae.datasets import load_mnist
    >>> mnist = load_mnist()  # doctest: +SKIP
    >>> mnist.images.shape  # doctest: +SKIP
    (70000, 28, 28)
    """
    return _load("MNIST", "mnist_10k.npz", _DIGITS, data_home, return_X_y)


def load_fashion_mnist(
    *, data_home: str | PathLike[str] | None = None, return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load Fashion-MNIST, grey images of clothes at 28×28 pixels.

    If the environment variable ``SKAE_DATA`` names a folder that holds
    ``fashion_mnist_3615.npz``, the images are those of that file: arrays ``X`` of shape
    (n_samples, 28, 28) of ``uint8`` and ``y`` of shape (n_samples,). Otherwise torchvision
    downloads all 70,000, once; the 60,000 training images come first.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder for the download, which goes to its subfolder ``skae``. If None, that of
        :func:`sklearn.datasets.get_data_home`.

    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    fashion_mnist : :class:`~sklearn.utils.Bunch`
        As that of :func:`load_mnist`; the ten classes are in ``target_names``.

    (data, target) : tuple if ``return_X_y`` is True
        Images as rows, and classes.

    Raises
    ------
    ImportError
        If the file does not exist, and torchvision is not installed or cannot be imported.
    OSError
        If the file does not exist, and the download fails.
    ValueError
        If the file does not hold images of 28×28 bytes with a label each.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
    Machine Learning Algorithms", 2017, arXiv:1708.07747.

    Examples
    --------
    >>> from skae.datasets import load_fashion_mnist
    >>> clothes = load_fashion_mnist()  # doctest: +SKIP
    >>> clothes.target_names[clothes.target[0]]  # doctest: +SKIP
    'Ankle boot'
    """
    return _load("FashionMNIST", "fashion_mnist_3615.npz", _CLOTHES, data_home, return_X_y)


def _load(
    name: str,
    file: str,
    target_names: list[str],
    data_home: str | PathLike[str] | None,
    return_X_y: bool,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    folder = os.environ.get("SKAE_DATA")
    if folder and Path(folder, file).is_file():
        source = str(Path(folder, file))
        images, target = _read(source)
    else:
        source = "torchvision"
        images, target = _download(name, file, data_home)
    # A view: rows and images share their memory.
    data = images.reshape(len(images), -1)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        images=images,
        target=target,
        target_names=list(target_names),
        DESCR=f"{name}: {len(images)} grey images of 28×28 bytes, from {source}.",
    )


def _read(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of a file, or raise a ValueError if it holds others."""
    # A file of a stranger must run no code.
    with np.load(path, allow_pickle=False) as arrays:
        if not {"X", "y"} <= set(arrays.files):
            raise ValueError(f"{path} must hold arrays X and y, got {arrays.files}.")
        images, target = arrays["X"], arrays["y"]
    # Fractions would pass unnoticed, as nearly black images.
    if images.dtype != np.uint8 or images.shape != (len(target), 28, 28):
        raise ValueError(
            f"{path} must hold X of shape (n_samples, 28, 28) of uint8 and y of shape "
            f"(n_samples,), got X {images.shape} of {images.dtype} and y {target.shape}."
        )
    return images, target.astype(np.int64)


def _download(
    name: str, file: str, data_home: str | PathLike[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return torchvision's training and test images and labels, one after the other."""
    # Not at the top: it imports all of scikit-learn's data sets.
    from sklearn.datasets import get_data_home

    alternative = (
        f"Without a download, set the environment variable SKAE_DATA to a folder that holds {file} "
        f"(now {os.environ.get('SKAE_DATA')!r})."
    )
    try:
        dataset = getattr(import_optional("torchvision.datasets", "vision"), name)
    except ImportError as error:
        # A missing package and a broken one stay different errors.
        raise type(error)(f"{error}\n{alternative}", name=error.name) from error
    root = Path(get_data_home(data_home), "skae")
    try:
        parts = [dataset(root, train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError) as error:  # torchvision raises both, the network OSError
        raise OSError(
            f"{name} could not be downloaded to {root}: {error}\n{alternative}"
        ) from error
    # The tensors as a whole: indexing a data set makes a PIL image of each.
    images = np.concatenate([part.data.numpy() for part in parts])
    target = np.concatenate([part.targets.numpy() for part in parts])
    return images, target
