"""Generated camera images of an animal in a round arena, labeled with its position."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_random_state

from .._arrays import chunks
from .._sklearn_compat import Interval, validate_parameter_constraints
from .._typing import Seed

_CONSTRAINTS = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "size": [Interval(Integral, 16, None, closed="left")],
    "noise": [Interval(Real, 0, None, closed="left")],
}

# Radius of the arena as a fraction of the image's side.
_RADIUS = 0.46
_OUTSIDE, _WALL, _FLOOR, _PORT = 0.1, 0.3, 0.5, 0.05
_WALL_WIDTH, _PORT_RADIUS, _N_PORTS = 0.05, 0.1, 6

# The animal's parts in the order in which they are painted, each a stroke with round ends
# along the body: (from, to, distance to the left, radius, grey), in arena radii from the
# middle of the body. With less contrast between the ends, or a smaller animal, a code of 16
# numbers no longer determines its direction.
_PARTS = (
    (-0.46, -0.36, 0.0, 0.03, 0.1),  # tail
    (-0.2, -0.05, 0.0, 0.2, 0.1),  # body
    (0.14, 0.14, 0.17, 0.07, 0.95),  # ears
    (0.14, 0.14, -0.17, 0.07, 0.95),
    (0.25, 0.25, 0.0, 0.18, 0.95),  # head
)
# How far the animal reaches from its middle, so that it can be kept off the wall.
_REACH = max(np.hypot(max(-a, b), side) + radius for a, b, side, radius, _ in _PARTS)

_DESCR = """\
Generated images of an animal in a round arena with six ports along its wall, seen from above.

images     (n_samples, size, size) float32 in [0, 1], with noise
clean      (n_samples, size, size) float32 in [0, 1], the same without noise
position   (n_samples, 2) x to the right and y upwards from the center, in arena radii
direction  (n_samples,) where the head points, in radians in [-pi, pi): 0 right, pi / 2 up
distance   (n_samples,) of the body from the arena's center, in arena radii
"""


def make_arena(
    n_samples: int = 1000, size: int = 50, noise: float = 0.1, random_state: Seed = None
) -> Bunch:
    """Draw noisy images of an animal that stands anywhere in a round arena, facing anywhere.

    The animal has a dark body with a tail and a bright head. Position and direction are
    drawn independently: the position uniformly from the disk on which the animal stays off the
    wall, the direction uniformly from the circle. The images look like those of a camera above
    a behavioral experiment, and come with their labels and with the images free of noise.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of images.

    size : int, default=50
        Height and width of an image in pixels, at least 16.

    noise : float, default=0.1
        Standard deviation of the Gaussian noise added to each pixel, where 1 is the
        difference between black and white. Noisy pixels are clipped to [0, 1].

    random_state : int, RandomState instance or None, default=None
        Seed; pass an int for the same images at every call. The labels do not depend on ``noise``
        nor on ``size``.

    Returns
    -------
    arena : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_samples, size, size), dtype float32
            The images with noise, between 0 and 1.
        clean : ndarray of shape (n_samples, size, size), dtype float32
            The images without noise.
        position : ndarray of shape (n_samples, 2)
            Middle of the body, x to the right and y upwards from the center of the arena, in
            arena radii. It is found in the image at column ``(size - 1) / 2 + 0.46 * size * x``
            and row ``(size - 1) / 2 - 0.46 * size * y``.
        direction : ndarray of shape (n_samples,)
            Where the head points, in radians in [-π, π), counter-clockwise from the right.
        distance : ndarray of shape (n_samples,)
            Distance of the position from the center of the arena, in arena radii.
        DESCR : str
            This list in short.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from skae.datasets import make_arena
    >>> arena = make_arena(n_samples=200, random_state=0)
    >>> arena.images.shape, arena.direction.shape
    ((200, 50, 50), (200,))

    The squared error that a denoiser has to beat is that of the noisy images themselves:

    >>> error = ((arena.images - arena.clean) ** 2).mean()
    >>> print(f"{error:.3f}")
    0.009
    """
    validate_parameter_constraints(
        _CONSTRAINTS,
        {"n_samples": n_samples, "size": size, "noise": noise},
        caller_name="make_arena",
    )
    rng = check_random_state(random_state)
    # The square root spreads the positions evenly over the area, not over the radius.
    distance = (1 - _WALL_WIDTH - _REACH) * np.sqrt(rng.uniform(size=n_samples))
    bearing = rng.uniform(-np.pi, np.pi, n_samples)
    direction = rng.uniform(-np.pi, np.pi, n_samples)
    position = distance[:, None] * np.column_stack([np.cos(bearing), np.sin(bearing)])
    clean = _draw_animals(position, direction, size)
    return Bunch(
        images=_add_noise(clean, noise, rng),
        clean=clean,
        position=position,
        direction=direction,
        distance=distance,
        DESCR=_DESCR,
    )


def _draw_animals(position: np.ndarray, direction: np.ndarray, size: int) -> np.ndarray:
    """Paint one animal onto each image of the empty arena."""
    x, y = _coordinates(size)
    clean = np.tile(_draw_empty_arena(x, y, size), (len(position), 1, 1))
    for chunk in chunks(len(position), size**2):
        dx, dy = x - position[chunk, 0, None, None], y - position[chunk, 1, None, None]
        cos, sin = np.cos(direction[chunk, None, None]), np.sin(direction[chunk, None, None])
        ahead = (cos * dx + sin * dy).astype(np.float32)
        left = (cos * dy - sin * dx).astype(np.float32)
        for start, stop, side, radius, grey in _PARTS:
            along = ahead - np.clip(ahead, start, stop)
            _paint(clean[chunk], np.hypot(along, left - side) - radius, grey, size)
    return clean


def _draw_empty_arena(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    image = np.full((size, size), _OUTSIDE, np.float32)
    from_center = np.hypot(x, y)
    _paint(image, from_center - 1, _WALL, size)
    _paint(image, from_center - (1 - _WALL_WIDTH), _FLOOR, size)
    for angle in np.arange(_N_PORTS) * 2 * np.pi / _N_PORTS:
        from_port = np.hypot(x - np.cos(angle), y - np.sin(angle))
        _paint(image, from_port - _PORT_RADIUS, _PORT, size)
    return image


def _coordinates(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels' x (1, size) and y (size, 1) in arena radii from the center."""
    x = (np.arange(size) - (size - 1) / 2) / (_RADIUS * size)
    return x[None, :], -x[:, None]


def _paint(image: np.ndarray, outside: np.ndarray, grey: float, size: int) -> None:
    """Paint a shape into the image in place, given each pixel's distance from its edge.

    A pixel is covered in full half a pixel inside the edge, not at all half a pixel outside
    it, and in proportion between the two: this keeps the edges smooth.
    """
    cover = np.clip(0.5 - outside * (_RADIUS * size), 0, 1)
    image += cover * (grey - image)


def _add_noise(clean: np.ndarray, noise: float, rng: np.random.RandomState) -> np.ndarray:
    images = clean.copy()
    for chunk in chunks(len(images), clean[0].size):
        images[chunk] += rng.normal(0, noise, images[chunk].shape)
    return np.clip(images, 0, 1, out=images)
