"""Compare reducers: fit each on one part of the data, score it on the other."""

import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import FitFailedWarning
from sklearn.utils import check_random_state, check_scalar

from .._typing import MatrixLike, Seed
from .._utils import import_optional
from ._data import encode_mixed, feature_names, numbers, read_data, split_data
from ._evaluation import Evaluation
from ._record import (
    describe_call,
    describe_data,
    describe_error,
    describe_machine,
    describe_split,
    in_one_line,
)
from ._reducers import at_sizes, default_reducers, prepare
from ._result import Comparison
from ._run import evaluate_all
from ._tables import tabulate, tabulate_folds


def compare(
    X: MatrixLike,
    y: ArrayLike | None = None,
    *,
    reducers: Mapping[str, Any] | None = None,
    n_components: int | Sequence[int] = 16,
    image_shape: tuple[int, ...] | None = None,
    test_size: float = 0.25,
    cv: Any = None,
    n_jobs: int | None = None,
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
        missing values, which the scores leave out. What :func:`~skae.sources.open_rows` takes is
        read into memory.
    y : array-like of shape (n_samples,), default=None
        Classes. If given, the split is stratified, and the table has the accuracy with which
        nearest neighbors in the latent space predict them.
    reducers : dict of str to object, default=None
        Unfitted reducers by name; they are cloned. If they have a parameter ``image_shape`` that
        is None, it is set to that of X. If None, PCA, UMAP and a dense
        :class:`~skae.ParametricUMAP` (if umap-learn is installed), a dense
        :class:`~skae.Autoencoder`, a convolutional one (if X holds images), a dense
        :class:`~skae.VariationalAutoencoder` and PCA with a trained decoder
        (:class:`~skae.HybridAutoencoder`) are compared.
    n_components : int or list of int, default=16
        Size of the latent code of the default reducers; a single size is ignored if `reducers` is
        given. If a list, every reducer is compared at each of these sizes, named as "PCA (8)",
        and ``plot_sizes()`` draws the error against the size. Reducers that are given then need
        a parameter ``n_components``; of a Pipeline, that of its last step that has one is set.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, channels)``, if X is 2-D and its rows are images.
    test_size : float or int, default=0.25
        Fraction or number of rows to hold out; ignored if `cv` is given.
    cv : int, cross-validation generator or iterable, default=None
        If given, every reducer is fitted and scored on each of several splits: the table has the
        means, ``folds`` the single scores. A number of folds is shuffled by `random_state`,
        stratified if y is given. Estimators, codes and pictures are those of the first fold.
    n_jobs : int, default=None
        Number of processes; -1 uses all processors. Reducers that compute side by side slow each
        other down: leave it at None (one) if the seconds matter.
    random_state : int, RandomState instance or None, default=None
        Seed of the split and of every reducer that has such a parameter. If None, reducers keep
        their own.
    verbose : int, default=0
        If above 0, show a progress bar with the name of the reducer at work.

    Returns
    -------
    Comparison
        With the ``table``, ``errors``, ``plot()``, ``to_html(path)``, ``to_json()`` and
        ``to_markdown()``.

    Raises
    ------
    ValueError
        If X does not hold images of `image_shape`, y does not hold a class for each row,
        `n_components` is below 1 or holds a size twice, or too few rows are held out.
    TypeError
        If X or y holds reducers, or one of `reducers` has no ``fit``, or neither ``transform`` nor
        ``fit_transform``, or no ``n_components`` to set to each size of a list.
    ImportError
        If pandas is missing.

    Warns
    -----
    FitFailedWarning
        If a reducer fails. Its row keeps the scores measured before; the others are compared.

    Notes
    -----
    The columns on reconstruction are NaN for reducers without ``inverse_transform``, and for
    UMAP, whose inverse takes seconds for a handful of rows and fails above a few dimensions.
    :class:`~skae.HybridAutoencoder` trains a decoder for it.

    Reducers that can only embed the rows they are fitted on (``fit_transform`` without
    ``transform``, as ``TSNE``) are fitted on all rows. Their scores are those of the held-out
    rows too, but the reducer has seen these rows, and "fit seconds" includes them.

    Trustworthiness and continuity are those of five neighbors among at most 2000 held-out rows.
    The default reducers take frames with categories, truth values and dates: these are turned into
    numbers first by a :class:`~skae.TableEncoder`, which standardizes numbers as well, and all of
    them are scored. If reducers are given, such as pipelines that encode, frames reach them as they
    are, and the columns of numbers are scored. The default reducers take missing values by
    ``missing_values="mask"`` where they offer it, and behind an imputer of column means otherwise.

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
    options = {
        "reducers": reducers,
        "n_components": n_components,
        "image_shape": image_shape,
        "test_size": test_size,
        "cv": cv,
        "n_jobs": n_jobs,
        "random_state": random_state,
    }
    # Before X and y are replaced: the report quotes what the user wrote.
    call = describe_call("compare", {"X": X, "y": y}, _non_default(options))
    pandas = import_optional("pandas", "plot")
    sizes = _read_sizes(n_components)
    X, y, image_shape = read_data(X, y, image_shape)
    # Drawn once: a generator that is passed around would give each reducer another split.
    seed = _as_seed(random_state)
    if reducers is None:
        # Only here: pipelines that are given may need the frame itself.
        X = encode_mixed(X)
        reducers = default_reducers(
            sizes[0],
            has_images=image_shape is not None,
            has_missing=bool(np.isnan(numbers(X)).any()),
            # A seeded UMAP runs on one core, so that it is not seeded unless asked.
            is_seeded=seed is not None,
        )
    origins = None
    if not isinstance(n_components, Integral):
        reducers, origins = at_sizes(reducers, sizes)
    estimators = prepare(reducers, image_shape, seed)
    splits = split_data(X, y, test_size=test_size, cv=cv, seed=seed)
    evaluations = evaluate_all(estimators, splits, n_jobs, verbose)
    errors = {name: error for name, each in evaluations.items() if (error := _first_error(each))}
    # After all have run, so that warnings do not interrupt the progress bar.
    _warn_of(errors)
    folds = tabulate_folds(pandas, evaluations, has_classes=y is not None)
    return Comparison(
        table=tabulate(folds, errors, origins),
        X_test=splits[0].rows_test,
        y_test=splits[0].y_test,
        image_shape=image_shape,
        errors=errors,
        # Of one split the folds are the table itself.
        folds=None if cv is None else folds,
        feature_names=feature_names(X),
        settings={
            "call": call,
            "data": describe_data(X, image_shape, y),
            "split": describe_split(splits, cv, y),
            "random state": str(random_state),
            **describe_machine(),
            "parameters": {name: in_one_line(each) for name, each in estimators.items()},
        },
        **_kept({name: each[0] for name, each in evaluations.items()}),
    )


def _warn_of(errors: Mapping[str, Exception]) -> None:
    """Warn of the reducers that failed, at the level of whoever called `compare`."""
    for name, error in errors.items():
        message = f"The reducer {name!r} failed with {describe_error(error)}"
        warnings.warn(message, FitFailedWarning, stacklevel=3)


def _kept(firsts: Mapping[str, Evaluation]) -> dict[str, dict[str, Any]]:
    """Return the results of the first fold, of the reducers that got so far."""
    with_codes = {name: each for name, each in firsts.items() if each.codes is not None}
    return {
        "estimators": {name: each.estimator for name, each in with_codes.items()},
        "codes": {name: each.codes for name, each in with_codes.items()},
        "reconstructions": {
            name: each.reconstruction
            for name, each in with_codes.items()
            if each.reconstruction is not None
        },
    }


def _non_default(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that differ from the defaults of :func:`compare`."""
    defaults = compare.__kwdefaults__ or {}
    return {
        name: value
        for name, value in options.items()
        # Arrays, and others whose comparison is no truth value, are no defaults.
        if not (
            value is defaults[name] or (isinstance(value, int | float) and value == defaults[name])
        )
    }


def _read_sizes(n_components: Any) -> list[int]:
    """Return the sizes of the code, of which there is one unless they are given as a list."""
    sizes = list(n_components) if np.iterable(n_components) else [n_components]
    for size in sizes:
        check_scalar(size, "n_components", Integral, min_val=1)
    # Rows are named by their size, and two rows cannot share a name.
    if not sizes or len(set(sizes)) < len(sizes):
        raise ValueError(
            f"n_components must hold at least one size, and each only once, got {n_components!r}."
        )
    return [int(size) for size in sizes]


def _as_seed(random_state: Seed) -> int | None:
    """Return one integer for all reducers, or None if they are to stay as they are."""
    if random_state is None:
        return None
    if isinstance(random_state, Integral):
        return int(random_state)
    # The same number for all, so that a reducer's result does not depend on those before it.
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _first_error(evaluations: list[Evaluation]) -> Exception | None:
    return next((each.error for each in evaluations if each.error is not None), None)
