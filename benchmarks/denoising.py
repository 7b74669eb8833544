"""Noise removed from held-out images: a U-Net beside scikit-image's filters and an Autoencoder.

python -m benchmarks denoising             # all, half an hour on two cores
python -m benchmarks.denoising MNIST       # sets whose names contain one of the words
"""

import sys
import time
import warnings
from functools import partial
from itertools import product

import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.feature_extraction.image import extract_patches_2d

from skae import Autoencoder, Denoiser

from .data import mnist_images
from .stability import _scans

_TRAIN_IMAGES, _TEST_IMAGES, _TUNING_IMAGES, _PATCH_PIXELS = 1500, 200, 40, 32


def _patches():
    """Return squares of two photographs, the last ones cut from quarters that no other has."""
    parts = [], []
    for photograph in load_sample_images().images:
        cut = 3 * photograph.shape[1] // 4
        for squares, half, n_squares in zip(
            parts,
            (photograph[:, :cut], photograph[:, cut:]),
            (_TRAIN_IMAGES, _TEST_IMAGES),
            strict=True,
        ):
            size = _PATCH_PIXELS, _PATCH_PIXELS
            squares.append(
                extract_patches_2d(half, size, max_patches=n_squares // 2, random_state=0)
            )
    return np.concatenate([*parts[0], *parts[1]]) / np.float32(255)


# name: function that loads images
SETS = {
    "MNIST 28×28": lambda: mnist_images()[1],
    "MRI 64×64": lambda: _scans(64),
    "color patches 32×32": _patches,
}
# name: (name of the noise, level)
NOISES = {
    "gaussian 0.1": ("gaussian", 0.1),
    "gaussian 0.2": ("gaussian", 0.2),
    "salt and pepper 5 %": ("salt_pepper", 0.05),
}
# Parameters of scikit-image's functions, of which the best are chosen on training images.
_SIGMAS = (0.05, 0.1, 0.2, 0.3)
GRIDS = {
    "denoise_wavelet": {
        "sigma": _SIGMAS,
        "mode": ("soft", "hard"),
        "method": ("BayesShrink", "VisuShrink"),
    },
    "denoise_nl_means": {
        "sigma": (0, 0.1, 0.2),
        "h": (0.05, 0.1, 0.15, 0.2, 0.3),
        "patch_size": (3, 5),
        "patch_distance": (6,),
    },
    "denoise_tv_chambolle": {"weight": (0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.3, 0.4)},
}


def measure():
    """Yield rows of (what, value, bound)."""
    for name in SETS:
        yield from compare(name)


def compare(name):
    """Yield the ratios of signal to noise that each method reaches, for every noise."""
    images = SETS[name]().astype(np.float32)
    train, test = images[:_TRAIN_IMAGES], images[-_TEST_IMAGES:]
    for what, (noise, level) in NOISES.items():
        noisy = corrupted(test, noise, level, seed=0)
        case = f"{name}, {what}"
        yield f"{case}: noisy images, dB", psnr(test, noisy), ""
        of_filters = yield from _compare_filters(case, train, test, noisy, noise, level)
        reached = {}
        for model_name, model in _models(train, noise, level).items():
            started = time.perf_counter()
            fitted = model.fit(train)
            seconds = time.perf_counter() - started
            clean = getattr(fitted, "reconstruct", fitted.transform)(noisy)
            reached[model_name] = psnr(test, clean)
            yield f"{case}: {model_name}, dB (fit: {seconds:.0f} s)", reached[model_name], ""
        of_autoencoder, of_denoiser = reached.values()
        yield f"{case}: Denoiser above the best filter, dB", of_denoiser - of_filters, "≥ 2"
        yield f"{case}: Denoiser above Autoencoder, dB", of_denoiser - of_autoencoder, "≥ 1"


def _models(train, noise, level):
    common = {"noise": noise, "random_state": 0}
    # The level of an Autoencoder is in units of the data's standard deviation.
    scale = np.sqrt(train.var(axis=0).mean()) if noise == "gaussian" else 1.0
    return {
        "Autoencoder(32)": Autoencoder(32, noise_level=float(level / scale), **common),
        "Denoiser": Denoiser(noise_level=level, **common),
    }


def _compare_filters(case, train, test, noisy, noise, level):
    """Yield a row for each filter of scikit-image, and return the best ratio."""
    some = train[:_TUNING_IMAGES]
    some_noisy = corrupted(some, noise, level, seed=1)
    best = -np.inf
    for name, grid in GRIDS.items():
        candidates = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        scores = [psnr(some, filtered(name, some_noisy, **each)) for each in candidates]
        chosen = candidates[int(np.argmax(scores))]
        reached = psnr(test, filtered(name, noisy, **chosen))
        best = max(best, reached)
        words = ", ".join(f"{key}={value}" for key, value in chosen.items())
        yield f"{case}: {name} ({words}), dB", reached, ""
    return best


def filtered(name, images, **parameters):
    """Apply a function of `skimage.restoration` to each image."""
    from skimage import restoration

    function = getattr(restoration, name)
    axis = {"channel_axis": -1} if images.ndim == 4 else {}
    with warnings.catch_warnings():
        # Of levels of wavelets, which small images have few of.
        warnings.simplefilter("ignore")
        return np.stack(list(map(partial(function, **axis, **parameters), images)))


def corrupted(images, noise, level, seed):
    """Return noisy images, as `numpy` and not as skae draws them."""
    rng = np.random.default_rng(seed)
    if noise == "gaussian":
        return images + rng.normal(0, level, images.shape).astype(np.float32)
    extremes = rng.integers(2, size=images.shape).astype(np.float32)
    return np.where(rng.random(images.shape) < level, extremes, images)


def psnr(images, approximations):
    """Return the mean peak signal-to-noise ratio of pixels that are clipped to [0, 1], in dB."""
    errors = (np.clip(approximations, 0, 1) - images) ** 2
    return float(np.mean(-10 * np.log10(errors.reshape(len(images), -1).mean(axis=1))))


if __name__ == "__main__":
    for each in SETS:
        if any(word in each for word in sys.argv[1:]):
            for figure, value, bound in compare(each):
                print(f"| {figure} | {value:.2f} | {bound} |", flush=True)
