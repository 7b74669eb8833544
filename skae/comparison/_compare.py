"""Compare reducers: fit each on one part of the data, score it on the other."""

import warnings
from collections.abc import Mapping
from numbers import Integral
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import FitFailedWarning
from sklearn.utils import check_random_state
from tqdm.auto import tqdm

from .._arrays import check_columns
from .._typing import MatrixLike, Seed
from .._utils import import_optional
from ._data import Split, numbers, read_data, split_data
from ._evaluation import COLUMNS, Evaluation, evaluate
from ._reducers import default_reducers, prepare
from ._result import Comparison

_DONE = "compared"
_MAX_CHARACTERS = 80  # of an error in the table; `errors` has the whole
# No rate and no time left: reducers differ too much in their seconds for either to mean anything.
_BAR = "{desc} |{bar:20}| {n_fmt}/{total_fmt} reducers, {elapsed}"


def compare(
    X: MatrixLike,
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

    Each gets flattened rows, frames as frames. Only reducers that cannot be fitted without y,
    such as ``LinearDiscriminantAnalysis``, are given it.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or images
        The data; images are array-like of shape (n_samples, height, width[, channels]). NaN marks
        missing values, which the scores leave out.
    y : array-like of shape (n_samples,), default=None
        Classes. If given, the split is stratified, and the table has the accuracy with which
        nearest neighbors in the latent space predict them.
    reducers : dict of str to object, default=None
        Unfitted reducers by name; they are cloned. If they have a parameter ``image_shape`` that
        is None, it is set to that of X. If None, PCA, UMAP (if umap-learn is installed), a dense
        :class:`~skae.Autoencoder`, a convolutional one (if X holds images), a dense
        :class:`~skae.VariationalAutoencoder` and PCA with a trained decoder
        (:class:`~skae.HybridAutoencoder`) are compared.
    n_components : int, default=16
        Size of the latent code of the default reducers; ignored if `reducers` is given.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, channels)``, if X is 2-D and its rows are images.
    test_size : float or int, default=0.25
        Fraction or number of rows to hold out.
    random_state : int, RandomState instance or None, default=None
        Seed of the split and of every reducer that has such a parameter. If None, reducers keep
        their own.
    verbose : int, default=0
        If above 0, show a progress bar with the name of the reducer at work.

    Returns
    -------
    Comparison
        With the ``table``, ``errors``, ``plot()`` and ``to_html(path)``.

    Raises
    ------
    ValueError
        If X does not hold images of `image_shape`, y does not hold a class for each row, or too
        few rows are held out.
    TypeError
        If one of `reducers` has no ``fit``, or neither ``transform`` nor ``fit_transform``.
    ImportError
        If pandas is missing.

    Warns
    -----
    FitFailedWarning
        If a reducer fails. Its row keeps what was measured before; the others are compared.

    Notes
    -----
    The columns on reconstruction are NaN for reducers without ``inverse_transform``, and for
    UMAP, whose inverse takes seconds for a handful of rows and fails above a few dimensions.
    :class:`~skae.HybridAutoencoder` trains a decoder for it.

    Reducers that can only embed the rows they are fitted on (``fit_transform`` without
    ``transform``, as ``TSNE``) are fitted on all rows. Their scores are those of the held-out
    rows too, but the reducer has seen these rows, and "fit seconds" includes them.

    Trustworthiness and continuity are those of five neighbors among at most 2000 held-out rows.
    Of frames with columns of text or dates, which pipelines may take, the columns of numbers are
    scored. The default reducers take missing values by ``missing_values="mask"`` where they
    offer it, and behind an imputer of column means otherwise.

    Every reducer is timed with the same number of threads. Code that is compiled on first use, as
    UMAP's, counts in the seconds.

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
    X, y, image_shape = read_data(X, y, image_shape)
    seed = _as_seed(random_state)
    if reducers is None:
        check_columns(X)
        reducers = default_reducers(
            n_components,
            has_images=image_shape is not None,
            has_missing=bool(np.isnan(numbers(X)).any()),
            is_seeded=seed is not None,
        )
    estimators = prepare(reducers, image_shape, seed)
    split = split_data(X, y, test_size, seed)
    evaluations = _evaluate_all(estimators, split, verbose)
    codes = {name: each.codes for name, each in evaluations.items() if each.codes is not None}
    return Comparison(
        table=_tabulate(pandas, evaluations, has_classes=y is not None),
        estimators={name: estimators[name] for name in codes},
        X_test=split.rows_test,
        y_test=split.y_test,
        codes=codes,
        reconstructions={
            name: each.reconstruction
            for name, each in evaluations.items()
            if each.reconstruction is not None
        },
        image_shape=image_shape,
        errors={name: each.error for name, each in evaluations.items() if each.error is not None},
    )


def _as_seed(random_state: Seed) -> int | None:
    """Return one integer for all reducers, or None if they are to stay as they are."""
    if random_state is None:
        return None
    if isinstance(random_state, Integral):
        return int(random_state)
    # The same number for all, so that a reducer's result does not depend on those before it.
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _evaluate_all(estimators: dict[str, Any], split: Split, verbose: int) -> dict[str, Evaluation]:
    """Evaluate one reducer after the other, and warn of those that fail."""
    # Names of the same width, so that the bar does not jump.
    width = max(len(str(name)) for name in [*estimators, _DONE])
    evaluations = {}
    with tqdm(total=len(estimators), bar_format=_BAR, disable=not verbose) as bar:
        for name, reducer in estimators.items():
            # Before the work: the bar names the reducer that is being fitted.
            bar.set_description_str(str(name).ljust(width))
            evaluations[name] = evaluate(reducer, split)
            bar.update()
            error = evaluations[name].error
            if error is not None:
                warnings.warn(
                    f"The reducer {name!r} failed with {_describe(error)}",
                    FitFailedWarning,
                    stacklevel=3,
                )
        bar.set_description_str(_DONE.ljust(width))
    return evaluations


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _in_short(error: Exception) -> str:
    """Return the beginning of an error, which must leave the table readable."""
    first, *_ = _describe(error).splitlines()
    return shorten(first, _MAX_CHARACTERS, placeholder=" …")


def _tabulate(pandas: Any, evaluations: Mapping[str, Evaluation], *, has_classes: bool) -> Any:
    """Return a table of a row for each reducer, with a column of errors if one failed."""
    columns = [name for name in COLUMNS if has_classes or name != "k-NN accuracy"]
    table = pandas.DataFrame(
        [[each.scores.get(name, np.nan) for name in columns] for each in evaluations.values()],
        index=list(evaluations),
        columns=columns,
    )
    # The table has a column of errors only if there are some.
    errors = [each.error for each in evaluations.values()]
    if any(errors):
        table["error"] = [None if error is None else _in_short(error) for error in errors]
    return table
