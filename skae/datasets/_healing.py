"""Healing images and sequences: images that turn, with a white square in their corner."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_random_state

from .._arrays import chunks
from .._sklearn_compat import Interval, StrOptions, validate_parameter_constraints
from .._typing import Seed

_FRACTION = [Interval(Real, 0, 1, closed="both")]
_CONSTRAINTS = {
    "rotated": _FRACTION,
    "max_angle": [Interval(Real, 0, 360, closed="both")],
    "square": _FRACTION,
    "square_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"random"})],
    "n_timesteps": [Interval(Integral, 2, None, closed="left")],
    "growing": ["boolean"],
}


def make_healing_images(
    images: ArrayLike,
    *,
    rotated: float = 0.5,
    max_angle: float = 180,
    square: float = 0.5,
    square_size: int | str = 5,
    random_state: Seed = None,
) -> np.ndarray:
    """Rotate a fraction of the images and put a white square in the corner of a fraction.

    The two fractions are drawn independently of each other. The square lies in the top-left
    corner, on top of the image, and does not turn with it.

    Parameters
    ----------
    images : array-like of shape (n_images, size, size)
        Square grey images. ``uint8`` is divided by 255; any other type is divided by its
        largest value where that exceeds 1, so that scikit-learn's digits work as they are.

    rotated : float, default=0.5
        Fraction of the images that are rotated, from 0 to 1.

    max_angle : float, default=180
        A rotated image turns counter-clockwise about its center by an angle drawn uniformly
        between 0 and this many degrees, itself from 0 to 360. Pixels from outside are black.

    square : float, default=0.5
        Fraction of the images that get a square, from 0 to 1.

    square_size : int or "random", default=5
        Side of the square in pixels, at most ``size``. With ``"random"`` each square has a
        side drawn from 1 to half the image's.

    random_state : int, RandomState instance or None, default=None
        Seed; pass an int for the same images at every call. The rotations do not depend on the
        squares: the same int with ``square=0`` gives the same images without them.

    Returns
    -------
    healing : ndarray of shape (n_images, size, size), dtype float32
        The images in the order given, between 0 and 1.

    Raises
    ------
    ValueError
        If the images are not square, are negative or not finite, or if a parameter is out of its
        range.

    See Also
    --------
    make_healing_sequences : Images that turn step by step.

    References
    ----------
    R. G. Krishnan, U. Shalit, D. Sontag, "Deep Kalman Filters", 2015, arXiv:1511.05121.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae.datasets import make_healing_images
    >>> digits = load_digits().images
    >>> healing = make_healing_images(digits, square=0.25, square_size=3, random_state=0)
    >>> healing.shape
    (1797, 8, 8)
    >>> (healing[:, :3, :3] == 1).all(axis=(1, 2)).sum() / len(healing)
    np.float64(0.249...)
    """
    _check_parameters(
        "make_healing_images",
        rotated=rotated,
        max_angle=max_angle,
        square=square,
        square_size=square_size,
    )
    images = _unit_images(images)
    n_images, size, _ = images.shape
    _check_fits(square_size, size)
    rng = check_random_state(random_state)
    # All angles are drawn first: they are the same whatever the squares are.
    degrees = rng.uniform(0, max_angle, n_images) * _mask(n_images, rotated, rng)
    sides = _draw_sides(n_images, square_size, size, rng) * _mask(n_images, square, rng)
    return _render(images, degrees[:, None], sides[:, None])[:, 0]


def make_healing_sequences(
    images: ArrayLike,
    n_timesteps: int = 8,
    *,
    angle_step: float | tuple[float, float] = (10, 30),
    square: float = 1.0,
    square_size: int | str = 5,
    growing: bool = False,
    random_state: Seed = None,
) -> np.ndarray:
    """Turn each image step by step, while a white square appears in a corner and goes.

    A sequence starts with its image as given. From frame to frame the image turns by one
    and the same angle. The square lies in the top-left corner, is there for 1 to
    ``n_timesteps - 1`` frames in a row, and both their number and the first of them are drawn
    for each sequence.

    Parameters
    ----------
    images : array-like of shape (n_images, size, size)
        Square grey images. ``uint8`` is divided by 255; any other type is divided by its
        largest value where that exceeds 1, so that scikit-learn's digits work as they are.

    n_timesteps : int, default=8
        Frames in a sequence, at least 2.

    angle_step : pair of float, default=(10, 30)
        Smallest and largest angle from one frame to the next, in degrees from 0 to 180. Each
        sequence draws one angle between the two, and turns clockwise or counter-clockwise
        with equal chance. ``(0, 0)`` gives images that stand still.

    square : float, default=1.0
        Fraction of the sequences in which a square appears, from 0 to 1.

    square_size : int or "random", default=5
        Side of the square in pixels, at most ``size``. With ``"random"`` each sequence has a
        side drawn from 1 to half the image's.

    growing : bool, default=False
        Whether the square grows to its size until the middle of its time and then shrinks,
        instead of keeping its size.

    random_state : int, RandomState instance or None, default=None
        Seed; pass an int for the same sequences at every call. The rotations do not depend on the
        squares: the same int with ``square=0`` gives the same sequences without them.

    Returns
    -------
    sequences : ndarray of shape (n_images, n_timesteps, size, size), dtype float32
        One sequence for each image, in the order given, between 0 and 1.

    Raises
    ------
    ValueError
        If the images are not square, are negative or not finite, or if a parameter is out of its
        range.

    See Also
    --------
    make_healing_images : Single images.

    References
    ----------
    R. G. Krishnan, U. Shalit, D. Sontag, "Deep Kalman Filters", 2015, arXiv:1511.05121.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae.datasets import make_healing_sequences
    >>> digits = load_digits().images
    >>> sequences = make_healing_sequences(digits, 6, square_size=3, random_state=0)
    >>> sequences.shape
    (1797, 6, 8, 8)

    The first five frames are what a predictor sees, the last is what it should predict:

    >>> X, y = sequences[:, :-1], sequences[:, -1]
    """
    _check_parameters(
        "make_healing_sequences",
        n_timesteps=n_timesteps,
        square=square,
        square_size=square_size,
        growing=growing,
    )
    low, high = _check_angle_step(angle_step)
    images = _unit_images(images)
    n_images, size, _ = images.shape
    _check_fits(square_size, size)
    rng = check_random_state(random_state)
    steps = rng.uniform(low, high, n_images) * rng.choice([-1, 1], n_images)
    sides = _draw_sides(n_images, square_size, size, rng) * _mask(n_images, square, rng)
    presence = _draw_presence(n_images, n_timesteps, growing, rng)
    return _render(
        images,
        degrees=np.outer(steps, np.arange(n_timesteps)),
        # Rounded up: a growing square has at least one pixel.
        sides=np.ceil(sides[:, None] * presence),
    )


def _check_parameters(caller: str, **parameters: Any) -> None:
    validate_parameter_constraints(_CONSTRAINTS, parameters, caller_name=caller)


def _check_angle_step(angle_step: Any) -> tuple[float, float]:
    try:
        low, high = map(float, angle_step)
        valid = 0 <= low <= high <= 180
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            "angle_step must be a pair (smallest, largest) of degrees from 0 to 180, "
            f"got {angle_step!r}."
        )
    return low, high


def _check_fits(square_size: int | str, size: int) -> None:
    if not isinstance(square_size, str) and square_size > size:
        raise ValueError(
            f"square_size must be at most the images' side of {size} pixels, got {square_size}."
        )


def _unit_images(images: Any) -> np.ndarray:
    """Return the images as a new float32 array with values from 0 to 1."""
    images = check_array(
        images,
        dtype=[np.float32, np.float64, np.uint8],
        ensure_2d=False,
        allow_nd=True,
        ensure_non_negative=True,
        input_name="images",
    )
    if images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise ValueError(
            "images must be square grey images of shape (n_images, size, size), "
            f"got shape {images.shape}."
        )
    # Digits of scikit-learn go up to 16, arrays of floats often up to 1.
    scale = 255 if images.dtype == np.uint8 else max(1, images.max())
    # Divided into the new array: there is no copy in float64.
    unit = np.empty(images.shape, np.float32)
    np.divide(images, scale, out=unit, casting="same_kind")
    return unit


def _mask(n_images: int, fraction: float, rng: np.random.RandomState) -> np.ndarray:
    """Return a mask in which this fraction is true, in random places."""
    # A permutation and not draws: the fraction holds exactly, also of few images.
    return rng.permutation(n_images) < round(fraction * n_images)


def _draw_sides(
    n_images: int, square_size: int | str, size: int, rng: np.random.RandomState
) -> np.ndarray:
    """Return the side of each square in pixels."""
    if square_size == "random":
        # Up to half of the image: a larger square would hide the part to be healed.
        return rng.randint(1, max(1, size // 2) + 1, n_images)
    return np.full(n_images, square_size)


def _draw_presence(
    n_images: int, n_timesteps: int, growing: bool, rng: np.random.RandomState
) -> np.ndarray:
    """Return the fraction of the square's side in each frame, (n_images, n_timesteps)."""
    # At least one frame with the square and one without.
    duration = rng.randint(1, n_timesteps, n_images)
    start = rng.randint(0, n_timesteps - duration + 1)
    age = np.arange(1, n_timesteps + 1) - start[:, None]
    remaining = duration[:, None] + 1 - age
    # Positive within the square's time, highest in the middle of it.
    nearest_end = np.minimum(age, remaining)
    presence: np.ndarray = nearest_end > 0
    if growing:
        presence = np.maximum(nearest_end, 0) / ((duration + 1) // 2)[:, None]
    return presence


def _render(images: np.ndarray, degrees: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Draw frames (n_images, n_timesteps, size, size), an angle and a side for each."""
    n_images, n_timesteps = degrees.shape
    size = images.shape[1]
    frames = np.empty((n_images, n_timesteps, size, size), np.float32)
    # A square of side s covers the pixels whose row and column are both below s.
    reach = np.maximum.outer(np.arange(size), np.arange(size))
    for chunk in chunks(n_images, n_timesteps * size**2):
        turned = _rotate(images[chunk], degrees[chunk])
        turned[reach < sides[chunk][..., None, None]] = 1
        frames[chunk] = turned
    return frames


def _rotate(images: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Rotate each image counter-clockwise by each of its angles, with bilinear interpolation.

    Images (n_images, size, size) and angles (n_images, n_timesteps) give
    (n_images, n_timesteps, size, size). Outside the image everything is 0.
    """
    size = images.shape[1]
    center = (size - 1) / 2
    # Coordinates from the center, in pixels: for each pixel of the result, where it comes from.
    # In float32: half the memory traffic, and errors far below a grey level.
    x = np.arange(size, dtype=np.float32) - np.float32(center)
    angles = np.deg2rad(degrees)[..., None, None]
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    # One black pixel before and two after: a clipped coordinate has four black neighbors.
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2)))
    row = np.clip(cos * x[:, None] + sin * x + (center + 1), 0, size + 1)
    column = np.clip(cos * x - sin * x[:, None] + (center + 1), 0, size + 1)
    down, top = np.modf(row)
    right, left = np.modf(column)
    width = size + 3
    # Flat indices: one lookup for each of the four neighbors, of all images at once.
    first = np.arange(len(images))[:, None, None, None] * width**2
    corner = first + top.astype(np.intp) * width + left.astype(np.intp)
    pixels = padded.ravel()
    upper = pixels[corner] * (1 - right) + pixels[corner + 1] * right
    lower = pixels[corner + width] * (1 - right) + pixels[corner + width + 1] * right
    rotated: np.ndarray = upper * (1 - down) + lower * down
    return rotated
