"""Sensitivities of codes to features and of features to codes, by differences."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_array, check_random_state, check_scalar, gen_batches

from .._arrays import as_array, naming_types
from .._typing import Seed
from .._utils import import_optional, lookup

# Of a standard deviation, on either side: far above the rounding of float64, and small beside the
# pieces on which networks of rectified units are linear.
_STEP = 1e-3
# Values that are computed at a time: 200 MB of float64.
_CHUNK_VALUES = 25_000_000
# A component that changes the reconstruction by less than a hundredth of what the strongest one
# does leaves no trace that could be seen.
_ACTIVE_FRACTION = 0.01

Function = Callable[[np.ndarray], np.ndarray]


def component_importances(
    estimator: Any,
    X: Any,
    *,
    of: str = "encoder",
    scale: str = "feature",
    n_samples: int = 100,
    random_state: Seed = 0,
) -> np.ndarray:
    """Return how strongly each component depends on each feature, in standard deviations.

    This is the mean absolute derivative of each latent coordinate with respect to each feature,
    times the standard deviation of the feature, divided by that of the coordinate: 0.5 says that a
    change of the feature by one standard deviation changes the coordinate by half a standard
    deviation of its own, in the mean over samples. Of the decoder, it is the other way round: how
    much a component changes each feature of the reconstruction.

    Parameters
    ----------
    estimator : object
        A fitted reducer with ``transform`` and, for the decoder, ``inverse_transform``: an
        autoencoder, PCA, a Pipeline. Both have to be smooth functions of each row, which
        UMAP's are not.
    X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
        Data around which derivatives are taken, in a layout that the reducer takes. Columns of
        frames must hold numbers.
    of : {'encoder', 'decoder'}, default='encoder'
        Whether to return the sensitivities of the codes to the features, or of the reconstructed
        features to the codes.
    scale : {'feature', 'common'}, default='feature'
        Whether each feature has its own standard deviation, or all the same one: the root of
        their mean variance. The latter suits pixels, some of which hardly ever change.
    n_samples : int, default=100
        The largest number of samples to average over. The encoder of n_features features is
        computed 2 * n_features times for each.
    random_state : int, RandomState instance or None, default=0
        Chooses the samples if there are more.

    Returns
    -------
    ndarray of shape (n_components, n_features)
        Importances, 0 or above; images are flattened. 0 for features and components that never
        change.

    Raises
    ------
    ValueError
        If `of` or `scale` is another name, `n_samples` is below 1, or X does not hold numbers.

    See Also
    --------
    skae.plotting.ComponentImportancesDisplay : Draws them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.inspection import component_importances
    >>> X, _ = load_iris(return_X_y=True)
    >>> component_importances(PCA(2).fit(X), X).round(2)
    array([[0.15, 0.02, 0.74, 0.13],
           [1.1 , 0.65, 0.62, 0.12]])
    """
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    derivatives, scale_of = lookup("of", of, _DERIVATIVES), lookup("scale", scale, _SCALES)
    rows, encode, decode = _functions(estimator, X)
    codes = encode(rows)
    chosen = _sample(len(rows), n_samples, random_state)
    scales = scale_of(np.nanstd(rows, axis=0)), np.std(codes, axis=0)
    importances: np.ndarray = derivatives(rows[chosen], codes[chosen], scales, encode, decode)
    return importances


def component_activity(
    estimator: Any, X: Any, *, n_samples: int = 100, random_state: Seed = 0
) -> Bunch:
    """Return which components of the code are in use.

    Components may end up without any effect on the reconstruction: latent coordinates of
    variational autoencoders whose posterior collapsed to the prior, or more components than the
    data have directions.

    Parameters
    ----------
    estimator : object
        A fitted reducer with ``transform`` and ``inverse_transform``.
    X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
        Data, in a layout that the reducer takes.
    n_samples : int, default=100
        The largest number of samples to average over.
    random_state : int, RandomState instance or None, default=0
        Chooses the samples if there are more.

    Returns
    -------
    Bunch
        ``effect``, ndarray of shape (n_components,): root mean square change of the
        reconstruction, over features, where a component changes by its standard deviation, in the
        units of X. ``divergence``, ndarray of shape (n_components,) or None: mean divergence
        of the posterior from the prior in nats, if the estimator has ``posterior``; near 0 where
        it collapsed. ``is_active``, ndarray of bool: whether the effect is at least a hundredth of
        the largest one.

    Raises
    ------
    ValueError
        If `n_samples` is below 1, or X does not hold numbers.

    See Also
    --------
    skae.plotting.ComponentActivityDisplay : Draws it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skae.inspection import component_activity
    >>> X = np.random.default_rng(0).normal(size=(100, 2)) @ np.ones((2, 5))
    >>> component_activity(PCA(3).fit(X), X).is_active
    array([ True, False, False])
    """
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    rows, encode, decode = _functions(estimator, X)
    codes = encode(rows)
    chosen = _sample(len(rows), n_samples, random_state)
    changes = _differences(decode, codes[chosen], np.std(codes, axis=0))
    effect = np.sqrt((changes**2).mean(axis=(1, 2)))
    return Bunch(
        effect=effect,
        divergence=_divergence(estimator, X),
        is_active=(effect > 0) & (effect >= _ACTIVE_FRACTION * effect.max(initial=0)),
    )


def _divergence(estimator: Any, X: Any) -> np.ndarray | None:
    """Return the mean divergence of each component's posterior from a standard normal, in nats."""
    if not hasattr(estimator, "posterior"):
        return None
    mean, std = (np.asarray(each, dtype=float) for each in estimator.posterior(X))
    nats: np.ndarray = (0.5 * (mean**2 + std**2 - 1) - np.log(std)).mean(axis=0)
    return nats


# -- derivatives -------------------------------------------------------------------------------


def _of_encoder(
    rows: np.ndarray, codes: np.ndarray, scales: Any, encode: Function, decode: Function
) -> np.ndarray:
    changes = np.abs(_differences(encode, rows, scales[0])).mean(axis=1)
    # (n_features, n_components), as many standard deviations of the component.
    return _divided(changes, scales[1]).T


def _of_decoder(
    rows: np.ndarray, codes: np.ndarray, scales: Any, encode: Function, decode: Function
) -> np.ndarray:
    changes = np.abs(_differences(decode, codes, scales[1])).mean(axis=1)
    return _divided(changes, scales[0])


_DERIVATIVES = {"encoder": _of_encoder, "decoder": _of_decoder}


_SCALES: dict[str, Function] = {
    "feature": lambda deviations: deviations,
    "common": lambda deviations: np.full_like(deviations, np.sqrt(np.mean(deviations**2))),
}


def _divided(changes: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return changes in units of these scales; 0 of what never changes in the data."""
    divided: np.ndarray = np.divide(changes, scales, out=np.zeros_like(changes), where=scales > 0)
    return divided


def _differences(function: Function, points: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return the change of a function by each input's standard deviation, from its derivative.

    Of shape (n_inputs, n_points, n_outputs).
    """
    n_points, n_inputs = points.shape
    per_input = max(1, _CHUNK_VALUES // (2 * points.size))
    parts = []
    for chunk in gen_batches(n_inputs, per_input):
        # (chunk, 2, n_points, n_inputs): one input moved up, and down.
        moved = np.repeat(points[None, None], 2, axis=1).repeat(chunk.stop - chunk.start, axis=0)
        for place, i in enumerate(range(chunk.start, chunk.stop)):
            moved[place, :, :, i] += np.array([[_STEP], [-_STEP]]) * scales[i]
        values = function(moved.reshape(-1, n_inputs)).reshape(len(moved), 2, n_points, -1)
        parts.append((values[:, 0] - values[:, 1]) / (2 * _STEP))
    return np.concatenate(parts)


# -- data --------------------------------------------------------------------------------------


def _functions(estimator: Any, X: Any) -> tuple[np.ndarray, Function, Function]:
    """Return X as rows of float64, and encoder and decoder as functions of rows and codes."""
    X = as_array(X)
    with naming_types(X):
        values = check_array(X, allow_nd=True, ensure_all_finite="allow-nan", input_name="X")
    shape, names = values.shape[1:], getattr(X, "columns", None)

    def encode(rows: np.ndarray) -> np.ndarray:
        given: Any = rows.reshape(-1, *shape)
        if names is not None:
            given = import_optional("pandas", "plot").DataFrame(given, columns=list(names))
        return np.asarray(estimator.transform(given), dtype=float)

    def decode(codes: np.ndarray) -> np.ndarray:
        return np.asarray(estimator.inverse_transform(codes), dtype=float).reshape(len(codes), -1)

    return values.reshape(len(values), -1).astype(float), encode, decode


def _sample(n_rows: int, n_samples: int, random_state: Seed) -> Any:
    if n_rows <= n_samples:
        return slice(None)
    return check_random_state(random_state).choice(n_rows, n_samples, replace=False)
