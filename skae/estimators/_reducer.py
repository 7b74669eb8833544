"""The one place where a meta-estimator calls the reducer that it wraps, only by public methods."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import Tags, TargetTags, check_array, get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import has_fit_parameter

from .._arrays import check_finite, dense, is_plain_float
from .._engine.environment import compute_threads
from .._sklearn_compat import (
    check_method_params,
    raise_for_params,
    routing_enabled,
    safe_indexing,
)
from ._frames import frame_like, is_frame, named_frame
from ._mixins import ReconstructionMixin

# Codes and reconstructions keep the precision in which the reducer computes.
_FLOATS = [np.float64, np.float32]

# -- fitting -------------------------------------------------------------------------------


def fit_reducer(
    reducer, X, y=None, sample_weight=None, *, owner, parameter, caller="fit", **params
):
    """Fit a clone of the reducer.

    Rows of weight zero are left out, whatever the reducer. `PCA` and `TruncatedSVD`, which
    take no weights, get rows that stand for weighted ones.

    Parameters
    ----------
    reducer : estimator
        A clone is fitted; a :class:`~sklearn.frozen.FrozenEstimator` stays as it is.
    X : {ndarray, csr_matrix, DataFrame} of shape (n_samples, ...)
        The data in the form that the reducer gets, see `as_seen_by`.
    y : array-like of shape (n_samples,), default=None
        Passed on.
    sample_weight : ndarray of shape (n_samples,), default=None
        Checked weights, some of them above zero.
    owner : estimator
        The meta-estimator. With metadata routing enabled, its `get_metadata_routing` determines
        what the reducer gets.
    parameter : str
        Name of the owner's parameter that holds the reducer, for routing and messages.
    caller : {'fit', 'partial_fit'}, default='fit'
        Method of the owner that was called.
    **params : dict
        More metadata, to be routed. None stands for none.

    Returns
    -------
    reducer : estimator
        The fitted clone.

    Raises
    ------
    ValueError
        If the reducer cannot honor the weights.
    UnsetMetadataPassedError
        If metadata routing is enabled and the reducer neither requests nor declines the weights.
    """
    # The parameter itself is never fitted: scikit-learn's contract of meta-estimators.
    reducer = clone(reducer)
    with compute_threads():  # later training has the threads that it had before
        return _fitted(reducer, X, y, sample_weight, owner, parameter, caller, params)


def _fitted(reducer, X, y, sample_weight, owner, parameter, caller, params):
    X, y = indexable(X, y)
    params = _params_of_fit(reducer, sample_weight, params, owner, parameter, caller)
    if sample_weight is None:
        return reducer.fit(X, y, **params)
    _check_honored(reducer, sample_weight, params, parameter)
    # A weight of zero means the same to every reducer: the row is not there.
    used = np.flatnonzero(sample_weight)
    params = check_method_params(X, params, used)
    X, y, weights = safe_indexing(X, used), _rows_of(y, used), sample_weight[used]
    if np.ptp(weights) > 0 and type(reducer) in _WEIGHTED_ROWS:
        X, y = _weighted(X, weights, _WEIGHTED_ROWS[type(reducer)]), None
    return reducer.fit(X, y, **params)


def _params_of_fit(reducer, sample_weight, params, owner, parameter, caller):
    """Return the keyword arguments of the reducer's ``fit``."""
    params = {name: value for name, value in params.items() if value is not None}
    raise_for_params(params, owner, caller)
    if sample_weight is not None:
        params["sample_weight"] = sample_weight
    if routing_enabled():
        return dict(process_routing(owner, caller, **params)[parameter]["fit"])
    return params if has_fit_parameter(reducer, "sample_weight") else {}


def _check_honored(reducer, sample_weight, params, parameter):
    """Refuse weights that would be dropped.

    With metadata routing, a reducer that takes weights and gets none has declined them.
    """
    weights = sample_weight[sample_weight > 0]
    is_honored = (
        params
        or np.ptp(weights) == 0
        or type(reducer) in _WEIGHTED_ROWS
        or has_fit_parameter(reducer, "sample_weight")
        # It is not fitted at all.
        or isinstance(reducer, FrozenEstimator)
    )
    if not is_honored:
        raise ValueError(
            f"{parameter}={reducer!r} cannot honor sample_weight: expected a reducer whose fit "
            "takes sample_weight. Leave sample_weight out, or give another reducer. The steps of "
            "a Pipeline get weights by metadata routing: "
            "sklearn.set_config(enable_metadata_routing=True), and "
            "set_fit_request(sample_weight=True) for each step that takes them."
        )


def _rows_of(y, rows):
    return None if y is None else safe_indexing(y, rows)


def repeated(X: Any, weights: Any, n_rows: int) -> tuple[Any, Any]:
    """Repeat rows until there are as many as PCA asks for, which changes no direction."""
    n_given = X.shape[0]
    indices = np.arange(max(n_given, min(n_rows, X.shape[1]))) % n_given
    if len(indices) == n_given:
        return X, weights
    return safe_indexing(X, indices), None if weights is None else weights[indices]


# -- rows that stand for weighted ones -----------------------------------------------------


def _weighted(X, weights, weigh):
    """Return X with its rows replaced by such as stand for weighted ones."""
    rows = weigh(check_array(X, accept_sparse="csr", dtype=_FLOATS), weights)
    return frame_like(dense(rows), X) if is_frame(X) else rows


def _balanced(rows, weights):
    """Return rows whose plain mean and covariance are the weighted ones of `rows`.

    Each row and its mirror image about the weighted mean stand at a distance from it that
    grows with the root of the weight.
    """
    rows = dense(rows)
    # In pairs, so that the mean of the new rows is the weighted mean exactly.
    mean = np.average(rows, axis=0, weights=weights)
    distances = np.sqrt(weights / weights.mean())[:, None] * (rows - mean)
    return np.concatenate([mean + distances, mean - distances])


def _scaled_by_roots(rows, weights):
    """Return rows whose plain second moments are the weighted ones; sparse rows stay sparse."""
    roots = np.sqrt(weights / weights.mean())
    return (
        sparse.diags(roots, format="csr") @ rows if sparse.issparse(rows) else rows * roots[:, None]
    )


def _unchanged(rows, weights):
    return rows


# What a fit without weights is to be given, so that it learns what weights would have it learn:
# PCA depends on the rows only by their mean and covariance, TruncatedSVD by second moments, the
# range of rows does not depend on weights above zero. A subclass may depend on more.
_WEIGHTED_ROWS = {PCA: _balanced, TruncatedSVD: _scaled_by_roots, MinMaxScaler: _unchanged}

# -- input and output ----------------------------------------------------------------------


def as_seen_by(reducer, rows, X):
    """Return what the reducer gets for X: the caller's frame, or else the validated rows.

    Parameters
    ----------
    reducer : estimator
        Fitted or not.
    rows : {ndarray, csr_matrix} of shape (n_samples, ...)
        X, validated.
    X : object
        What the caller gave. Only in a frame can columns be selected by name.

    Returns
    -------
    rows : {ndarray, csr_matrix, DataFrame} of shape (n_samples, ...)

    Raises
    ------
    TypeError
        If the rows are sparse and the reducer's tags say that it does not take such.
    """
    if is_frame(X):
        return X
    if sparse.issparse(rows):
        if not tags_of(reducer).input_tags.sparse:
            raise TypeError(
                f"Sparse data was passed for X, but dense data is required by {reducer!r}. Use "
                "'.toarray()' to convert to a dense numpy array."
            )
        return rows
    names = getattr(reducer, "feature_names_in_", None)
    # A reducer that was fitted on names warns or fails where it gets none.
    return rows if names is None or rows.ndim > 2 else named_frame(rows, names)


def encode(reducer, X, parameter):
    """Return the codes of X as a dense array, with a row for each of X."""
    name = f"what {parameter}={type(reducer).__name__} returns"
    codes = _as_floats(reducer.transform(X), name)
    if len(codes) != X.shape[0]:
        raise ValueError(
            f"{name} must have a code for each row: expected {X.shape[0]}, got {len(codes)}."
        )
    return codes


def reconstruct(reducer, X, parameter):
    """Return the reconstruction of X as a dense array of its shape."""
    if isinstance(reducer, ReconstructionMixin):
        reconstruction = reducer.reconstruct(X)  # one pass in place of two
    else:
        reconstruction = reducer.inverse_transform(reducer.transform(X))
    reconstruction = _as_floats(reconstruction, "reconstruction", allow_nd=True)
    if reconstruction.shape != X.shape:
        raise ValueError(
            f"{parameter} must reconstruct X in its own shape, {X.shape}, got "
            f"{reconstruction.shape} from {reducer!r}."
        )
    return reconstruction


def _as_floats(X, name, **kwargs):
    """Return what a reducer gave as a dense array of finite floats."""
    if is_plain_float(X):  # `check_array` takes 50 µs to find that out
        check_finite(X, name)
        return X
    return check_array(dense(X), dtype=_FLOATS, input_name=name, **kwargs)


def score_samples(reducer, X, parameter):
    """Return the result of the reducer's ``score_samples``, a finite score for each row of X."""
    scores = check_array(
        reducer.score_samples(X), dtype=np.float64, ensure_2d=False, input_name="scores"
    )
    if scores.shape != (X.shape[0],):
        raise ValueError(
            f"{parameter} must give a score for each row: expected scores of shape "
            f"({X.shape[0]},), got {scores.shape} from {reducer!r}."
        )
    return scores


def is_forecaster(reducer):
    """Return whether a reducer, or the last step of a Pipeline, encodes what follows on X.

    Its ``inverse_transform`` leads to the next frame and not back to X.
    """
    return hasattr(reducer[-1] if isinstance(reducer, Pipeline) else reducer, "forecast")


# -- tags and routing ----------------------------------------------------------------------


def tags_of(reducer):
    """Return the tags of a reducer; those of a plain estimator if it has none itself."""
    if hasattr(reducer, "__sklearn_tags__"):
        return get_tags(reducer)
    return Tags(estimator_type=None, target_tags=TargetTags(required=False))


def take_over_tags(tags, reducer):
    """Set the tags of a meta-estimator that depend on what its reducer takes."""
    inner = tags_of(reducer)
    tags.input_tags.sparse = inner.input_tags.sparse
    tags.input_tags.positive_only = inner.input_tags.positive_only
    tags.target_tags.required = inner.target_tags.required
    return tags


def route_to_reducer(owner, callers=("fit",), **reducer):
    """Return the metadata routing of a meta-estimator that uses metadata and passes it on.

    Parameters
    ----------
    owner : estimator
        The meta-estimator, whose own requests are those of its signatures.
    callers : sequence of {'fit', 'partial_fit'}
        Methods of the owner that call the reducer's ``fit``.
    **reducer : estimator or None
        The reducer, by the name of the owner's parameter.

    Returns
    -------
    router : MetadataRouter
    """
    mapping = MethodMapping()
    for caller in callers:
        mapping.add(caller=caller, callee="fit")
    return (
        MetadataRouter(owner=owner).add_self_request(owner).add(method_mapping=mapping, **reducer)
    )
