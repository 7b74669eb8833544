"""The decoder of an estimator as a program, compared with its ``inverse_transform``."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ..._arrays import dense
from ...estimators.table_encoder import TableEncoder
from ...models.autoencoder import Network
from ._networks import add_network
from ._program import NotExpressible, Program
from ._run import run
from ._tables import add_table, numbers_of, table_encoder

# Largest difference that may remain, as a fraction of the range of the data.
TOLERANCE = 1e-3
# Half of the bits are enough for most decoders.
_DTYPES = (np.float16, np.float32)
# Codes of the data that are compared, and as many that mix the components of different ones: a
# click lands between the data as well.
_CHECKED_CODES = 24
# Widest code or row of which a linear map is read off, one unit vector at a time.
_MAX_LINEAR_INPUTS = 4096
# Of an affine map, what rounding in double precision leaves.
_ROUNDING = 1e-9


@dataclass
class Decoder:
    """A decoder for the page.

    Attributes
    ----------
    program : Program
    error : float
        Largest difference to ``inverse_transform`` among the checked codes, as a fraction of the
        range of the data.
    codes, rows : ndarray
        Checked codes, and what ``inverse_transform`` makes of them: the page repeats the check.
    """

    program: Program
    error: float
    codes: np.ndarray
    rows: np.ndarray


def export_decoder(estimator: Any, codes: np.ndarray, spread: np.ndarray) -> Decoder:
    """Return the decoder of a fitted estimator.

    Parameters
    ----------
    estimator : estimator with ``inverse_transform``
    codes : ndarray of shape (n_samples, n_components)
        Codes of the data.
    spread : ndarray of shape (n_features,) or (1,)
        Range of each decoded feature, in which differences are measured.

    Raises
    ------
    NotExpressible
        If the page cannot run a part of it, or computes something else than the estimator.
    """
    program = Program()
    _add_estimator(program, estimator, codes[:1])
    checked = _checked(codes)
    expected = decoded_rows(estimator, checked)
    for dtype in _DTYPES:
        rounded = program.rounded(dtype)
        error = _largest_difference(run(rounded, checked), expected, spread)
        if error <= TOLERANCE:
            return Decoder(rounded, error, checked, expected)
    raise NotExpressible(
        f"the page would not decode as {type(estimator).__name__}.inverse_transform does: the "
        f"largest difference is {error:.2g} of the range of the data, expected at most "
        f"{TOLERANCE:g}. An estimator or a network that replaces a method of its base class is "
        "not known here: give decode=False for a page that does not decode."
    )


def decode_codes(estimator: Any, codes: np.ndarray) -> Any:
    """Return what an estimator decodes, or raise an error if it cannot."""
    if not hasattr(estimator, "inverse_transform"):
        raise NotExpressible(
            f"{type(estimator).__name__} has no inverse_transform, which decodes: give another "
            "estimator, or decode=False for a page that does not decode."
        )
    return dense(estimator.inverse_transform(codes))


def decoded_rows(estimator: Any, codes: np.ndarray) -> np.ndarray:
    """Return what an estimator decodes, as rows of numbers in float64."""
    encoder = table_encoder(estimator)
    if encoder is not None:
        return numbers_of(encoder, decode_codes(estimator, codes))
    return np.asarray(decode_codes(estimator, codes), dtype=np.float64).reshape(len(codes), -1)


def _checked(codes: np.ndarray) -> np.ndarray:
    """Return codes on which a decoder is tried."""
    n_codes = min(len(codes), _CHECKED_CODES)
    some = codes[np.linspace(0, len(codes) - 1, n_codes).astype(int)].astype(np.float64)
    mixed = [np.roll(column, i) for i, column in enumerate(some.T)]
    return np.concatenate([some, np.column_stack(mixed)])


def _largest_difference(rows: np.ndarray, expected: np.ndarray, spread: np.ndarray) -> float:
    if rows.shape != expected.shape:
        return np.inf
    # Infinite weights leave NaN; a column without any value is NaN for the estimator as well.
    difference = np.where(np.isnan(rows) & np.isnan(expected), 0.0, np.abs(rows - expected))
    return float(np.nan_to_num(difference / spread, nan=np.inf).max())


# -- estimators ----------------------------------------------------------------------------


def _add_estimator(program: Program, estimator: Any, code: np.ndarray) -> None:
    """Append the inverse of an estimator, given one of the codes that the program gets."""
    if isinstance(estimator, Pipeline):
        for _, step in reversed(estimator.steps):
            if step not in (None, "passthrough"):
                _add_estimator(program, step, code)
    elif isinstance(estimator, FrozenEstimator):
        _add_estimator(program, estimator.estimator, code)
    elif hasattr(estimator, "best_estimator_"):
        _add_estimator(program, estimator.best_estimator_, code)
    elif isinstance(estimator, TableEncoder):
        add_table(program, estimator)
    elif not _add_own_network(program, estimator):
        _add_affine_map(program, estimator, run(program, code).shape[1])


def _add_own_network(program: Program, estimator: Any) -> bool:
    network = getattr(estimator, "module_", None)
    if not isinstance(network, Network) or not add_network(program, network):
        return False
    encoder = table_encoder(estimator)
    if encoder is not None:
        add_table(program, encoder)
    return True


def _add_affine_map(program: Program, transformer: Any, n_inputs: int) -> None:
    """Append an inverse that is affine, as of PCA and scalers, read off from its results."""
    name = type(transformer).__name__
    shift = decoded_rows(transformer, np.zeros((1, n_inputs)))
    n_outputs = shift.shape[1]
    # Numbers that no other map than the one read off would turn into the same.
    trial = np.cos(np.arange(2 * n_inputs)).reshape(2, n_inputs)
    expected = decoded_rows(transformer, trial) - shift
    limit = _ROUNDING * (np.abs(expected).max() + np.abs(shift).max())
    if n_outputs == n_inputs:
        scale = decoded_rows(transformer, np.ones((1, n_inputs))) - shift
        if np.abs(scale * trial - expected).max() <= limit:
            program.add_affine(scale[0], shift[0])
            return
    if n_inputs <= _MAX_LINEAR_INPUTS:
        matrix = decoded_rows(transformer, np.eye(n_inputs)) - shift
        if np.abs(trial @ matrix - expected).max() <= limit:
            program.add("linear", weight=program.keep(matrix.T), bias=program.keep(shift[0]))
            return
    raise NotExpressible(
        f"the page cannot run the inverse_transform of {name}: expected a network of skae, or a "
        "linear map such as those of PCA and StandardScaler. Give decode=False for a page that "
        "does not decode."
    )
