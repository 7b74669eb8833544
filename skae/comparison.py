"""Several reducers on one split of the data: a table of what each keeps, and a picture."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from numbers import Integral
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils import (
    check_array,
    check_consistent_length,
    check_random_state,
    column_or_1d,
    get_tags,
)
from sklearn.utils.multiclass import type_of_target
from tqdm import tqdm

from ._typing import Seed
from ._utils import import_optional
from .estimators.autoencoder import Autoencoder
from .estimators.hybrid import HybridAutoencoder
from .estimators.variational import VariationalAutoencoder
from .metrics import (
    continuity,
    explained_variance,
    knn_accuracy,
    reconstruction_error,
    trustworthiness,
)
from .plotting import plot_comparison
from .plotting._reconstruction import as_images

__all__ = ["Comparison", "compare"]

_N_NEIGHBORS = 5
_MOST_ROWS = 2000  # for the neighbour scores, which build arrays of the square of that

# Their inverse searches for each row: seconds for a handful, and it fails above a few
# dimensions.
_SLOW_INVERSES = {"UMAP", "ParametricUMAP"}

_STYLE = {"float_format": "{:.3g}".format, "na_rep": "–"}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Comparison of reducers</title>
<style>
body {{ font-family: sans-serif; margin: 2em }}
table {{ border-collapse: collapse }}
th, td {{ padding: 0.4em 0.8em; text-align: right; border: 0; border-bottom: 1px solid #ccc }}
img {{ max-width: 100%; margin-top: 2em }}
</style>
<h1>Comparison of reducers</h1>
{table}
<img alt="Reconstructions and codes" src="data:image/png;base64,{picture}">
</html>
"""


@dataclass(repr=False, eq=False)
class Comparison:
    """What :func:`compare` found.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a reducer, with the columns "reconstruction error" (mean squared, in squared
        units of X), "explained variance" (1 is perfect), "trustworthiness" and "continuity" (1
        is best), "k-NN accuracy" (where y was given), "fit seconds" and "transform seconds".
        Fitting is timed on the training rows; all else is of the held-out rows.
    estimators : dict of str to object
        The fitted reducers.
    X_test : ndarray of shape (n_test, n_features)
        The held-out rows, images flattened.
    y_test : ndarray of shape (n_test,) or None
        Their classes.
    codes : dict of str to ndarray of shape (n_test, n_components)
        What each reducer makes of them.
    reconstructions : dict of str to ndarray of shape (n_test, n_features)
        What is rebuilt from the codes, for the reducers whose reconstruction is scored.
    image_shape : tuple of int or None
        ``(height, width[, channels])`` where the rows are images.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae import compare
    >>> X, y = load_iris(return_X_y=True)
    >>> comparison = compare(X, y, reducers={"PCA": PCA(2)}, random_state=0)
    >>> comparison.X_test.shape, comparison.codes["PCA"].shape
    ((38, 4), (38, 2))
    """

    table: Any
    estimators: dict
    X_test: np.ndarray
    y_test: np.ndarray | None
    codes: dict
    reconstructions: dict
    image_shape: tuple | None

    def plot(self, *, n_images: int = 10) -> Any:
        """Draw held-out images with their reconstructions, and the codes coloured by class.

        Data that are no images get a bar chart of the reconstruction errors.

        Parameters
        ----------
        n_images : int, default=10
            How many images are shown at most.

        Returns
        -------
        matplotlib Figure
        """
        return plot_comparison(self, n_images=n_images)

    def to_html(self, path: str | PathLike) -> None:
        """Write the table and the picture into one page that needs no other file.

        Parameters
        ----------
        path : str or path-like
            The file to write.
        """
        plt = import_optional("matplotlib.pyplot", "plot")
        figure, picture = self.plot(), BytesIO()
        figure.savefig(picture, format="png", dpi=150)
        plt.close(figure)
        page = _PAGE.format(
            table=self._repr_html_(), picture=b64encode(picture.getvalue()).decode()
        )
        Path(path).write_text(page, encoding="utf-8")

    def __repr__(self):
        return self.table.to_string(**_STYLE)

    def _repr_html_(self):
        return self.table.to_html(**_STYLE)


def compare(
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    reducers: Mapping[str, Any] | None = None,
    n_components: int = 16,
    image_shape: tuple[int, ...] | None = None,
    test_size: float = 0.25,
    random_state: Seed = None,
    verbose: int = 0,
) -> Comparison:
    """Fit several reducers on one part of the data and score them on the other.

    Each gets flattened rows. None sees y but those that cannot be fitted without, such as
    ``LinearDiscriminantAnalysis``.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, height, width[, channels])
        The data.
    y : array-like of shape (n_samples,), default=None
        Classes. Where given, the split is stratified, and the table tells how well the nearest
        neighbours in the code find them.
    reducers : dict of str to object, default=None
        Unfitted reducers by name; they are cloned. Where they have a parameter ``image_shape``
        that is None, they are given that of X. None compares PCA, UMAP where umap-learn is
        installed, a dense :class:`~skae.Autoencoder` and, for images, a convolutional one.
    n_components : int, default=16
        Size of the code of the default reducers; unused where `reducers` is given.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, channels)`` where X is 2-D and its rows are
        images.
    test_size : float or int, default=0.25
        Share or number of rows that are held out.
    random_state : int, RandomState instance or None, default=None
        Decides the split, and is given to every reducer that has such a parameter; None leaves
        theirs as they are.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    Comparison
        With the ``table``, ``plot()`` and ``to_html(path)``.

    Raises
    ------
    ValueError
        If X does not hold images of `image_shape`, y no classes, or too few rows are held out.
    TypeError
        If one of `reducers` lacks ``fit`` or ``transform``, as ``TSNE`` does.
    ImportError
        If pandas is missing.

    Notes
    -----
    The columns on reconstruction hold no number for reducers without ``inverse_transform``, and
    for UMAP: its inverse takes seconds for a handful of rows and fails above a few dimensions.
    :class:`~skae.HybridAutoencoder` trains a decoder for it.

    Trustworthiness and continuity are those of five neighbours among at most 2000 held-out
    rows. What a library compiles on first use, as UMAP does, is part of the seconds.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA, TruncatedSVD
    >>> from skae import compare
    >>> X, y = load_digits(return_X_y=True)
    >>> reducers = {"PCA": PCA(n_components=8), "SVD": TruncatedSVD(n_components=8)}
    >>> comparison = compare(X, y, reducers=reducers, image_shape=(8, 8), random_state=0)
    >>> comparison.table[["explained variance", "k-NN accuracy"]].round(2)
         explained variance  k-NN accuracy
    PCA                0.67           0.95
    SVD                0.66           0.95
    """
    pandas = import_optional("pandas", "plot")
    X, y, image_shape = _check_data(X, y, image_shape)
    if reducers is None:
        reducers = _default_reducers(n_components, image_shape, random_state)
    random_state = _as_seed(random_state)
    estimators = _prepare(reducers, image_shape, random_state)
    split = _split(X, y, test_size, random_state)
    results = {}
    progress = tqdm(estimators.items(), unit="reducer", disable=not verbose)
    for name, reducer in progress:
        progress.set_description(str(name))
        results[name] = _evaluate(reducer, split)
    return Comparison(
        table=pandas.DataFrame({name: result.scores for name, result in results.items()}).T,
        estimators=estimators,
        X_test=split.X_test,
        y_test=split.y_test,
        codes={name: result.codes for name, result in results.items()},
        reconstructions={
            name: result.reconstruction
            for name, result in results.items()
            if result.reconstruction is not None
        },
        image_shape=image_shape,
    )


def _default_reducers(n_components, image_shape, random_state):
    """Return what is compared where nothing is asked for; one line a reducer."""
    reducers = {"PCA": PCA(n_components=n_components)}
    if find_spec("umap"):
        umap = import_optional("umap", "umap")
        # A seeded UMAP runs on one core, and warns unless it is told to.
        n_jobs = -1 if random_state is None else 1
        reducers["UMAP"] = umap.UMAP(n_components=n_components, n_jobs=n_jobs)
    reducers["dense autoencoder"] = Autoencoder(n_components, architecture="dense")
    if image_shape is not None:
        reducers["conv autoencoder"] = Autoencoder(n_components, architecture="conv")
    reducers["variational autoencoder"] = VariationalAutoencoder(n_components, architecture="dense")
    reducers["PCA + trained decoder"] = HybridAutoencoder(n_components, architecture="dense")
    return reducers


class _Split(NamedTuple):
    X_train: np.ndarray
    X_test: np.ndarray
    y_train: np.ndarray | None
    y_test: np.ndarray | None


class _Result(NamedTuple):
    scores: dict
    codes: np.ndarray
    reconstruction: np.ndarray | None


def _check_data(X, y, image_shape):
    """Return X as rows, y as a vector, and the shape of an image, None where there is none."""
    X = check_array(X, allow_nd=True, input_name="X")
    if X.ndim > 2 or image_shape is not None:
        image_shape = as_images(X, image_shape).shape[1:]
    if y is not None:
        y = column_or_1d(y)
        check_consistent_length(X, y)
        kind = type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass"):
            raise ValueError(
                f"y must hold classes, got a {kind} target. Leave it out to compare without."
            )
    return X.reshape(len(X), -1), y, image_shape


def _as_seed(random_state):
    """Return one integer for all reducers, or None if they are to stay as they are."""
    if random_state is None or isinstance(random_state, Integral):
        return random_state
    return check_random_state(random_state).randint(np.iinfo(np.int32).max)


def _prepare(reducers, image_shape, random_state):
    """Clone the reducers and give them the seed and the shape of the images."""
    if not isinstance(reducers, Mapping) or not reducers:
        raise TypeError(f"reducers must be a dict of name to reducer, got {reducers!r}.")
    for name, reducer in reducers.items():
        for method in ("fit", "transform"):
            if not hasattr(reducer, method):
                raise TypeError(
                    "reducers must have fit and transform, got "
                    f"{name!r}: {type(reducer).__name__}, which has no {method}."
                )
    return {
        name: _configure(clone(reducer), image_shape, random_state)
        for name, reducer in reducers.items()
    }


def _configure(reducer, image_shape, random_state):
    parameters = reducer.get_params()
    updates = {}
    if random_state is not None:
        seeds = [name for name in parameters if name.split("__")[-1] == "random_state"]
        updates = dict.fromkeys(seeds, random_state)
    # Not those of a pipeline's steps: what they get need not be images any more.
    if "image_shape" in parameters and parameters["image_shape"] is None:
        updates["image_shape"] = image_shape
    return reducer.set_params(**updates)


def _split(X, y, test_size, random_state):
    train, test = train_test_split(
        np.arange(len(X)), test_size=test_size, random_state=random_state, stratify=y
    )
    if len(test) <= 2 * _N_NEIGHBORS:
        raise ValueError(
            f"test_size must hold out more than {2 * _N_NEIGHBORS} rows, "
            f"got {test_size!r}, which makes {len(test)} of {len(X)}."
        )
    if y is None:
        return _Split(X[train], X[test], None, None)
    return _Split(X[train], X[test], y[train], y[test])


def _evaluate(reducer, split):
    """Fit a reducer and score it on the held-out rows."""
    needs_y = any(get_tags(step).target_tags.required for step in _steps(reducer))
    y = split.y_train if needs_y else None
    _, fit_seconds = _timed(reducer.fit, split.X_train, y)
    Z, transform_seconds = _timed(reducer.transform, split.X_test)
    Z = np.asarray(Z)
    X_reconstructed = _rebuild(reducer, Z)
    # The split has shuffled the rows: the first are as good a sample as any.
    near = (split.X_test[:_MOST_ROWS], Z[:_MOST_ROWS])
    scores = _reconstruction_scores(split.X_test, X_reconstructed) | {
        "trustworthiness": trustworthiness(*near, n_neighbors=_N_NEIGHBORS),
        "continuity": continuity(*near, n_neighbors=_N_NEIGHBORS),
    }
    if split.y_test is not None:
        Z_train = np.asarray(reducer.transform(split.X_train))
        scores["k-NN accuracy"] = knn_accuracy(
            Z_train, split.y_train, Z, split.y_test, n_neighbors=_N_NEIGHBORS
        )
    scores |= {"fit seconds": fit_seconds, "transform seconds": transform_seconds}
    return _Result(scores, Z, X_reconstructed)


def _steps(reducer):
    """Return the estimators that a pipeline runs through, else the reducer alone."""
    steps = getattr(reducer, "steps", [("", reducer)])
    return [step for _, step in steps if hasattr(step, "fit")]


def _timed(function, *args):
    """Return what the function returns, and the seconds it took."""
    start = perf_counter()
    result = function(*args)
    return result, perf_counter() - start


def _rebuild(reducer, Z):
    """Return the reconstruction from codes, None where there is none to be had soon."""
    is_slow = any(type(step).__name__ in _SLOW_INVERSES for step in _steps(reducer))
    if is_slow or not hasattr(reducer, "inverse_transform"):
        return None
    try:
        return np.asarray(reducer.inverse_transform(Z))
    except NotFittedError:  # KernelPCA has the method, but fits an inverse only on demand
        return None


def _reconstruction_scores(X, X_reconstructed):
    names = {
        "reconstruction error": reconstruction_error,
        "explained variance": explained_variance,
    }
    if X_reconstructed is None:
        return dict.fromkeys(names, np.nan)
    return {name: score(X, X_reconstructed) for name, score in names.items()}
