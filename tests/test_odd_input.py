"""Odd X: every estimator gives what the plain array gives, or an error that tells what it got."""

from tempfile import TemporaryFile

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from small import ESTIMATORS, NETWORKS, results, wine

X, Y = wine()
NAMES = list("abcde")
# Rounding to float32, on the way through a network that is trained.
ROUNDED = 1e-4


def whole(X):
    """Whole numbers, some of them zero."""
    return np.round(2 * X)


def positive(X):
    return whole(X) + 9


def single(X):
    return X.astype(np.float32).astype(np.float64)


def half(X):
    return X.astype(np.float16).astype(np.float64)


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def unaligned(X):
    room = np.frombuffer(bytearray(X.nbytes + 1), dtype=np.uint8)[1:]
    room = room.view(X.dtype).reshape(X.shape)
    room[:] = X
    return room


def memmap(X, dtype=np.float64, mode="r", order="C"):
    with TemporaryFile() as file:
        np.memmap(file, dtype, "w+", shape=X.shape, order=order)[:] = X
        return np.memmap(file, dtype, mode, shape=X.shape, order=order)


def frame(X, **columns):
    return pd.DataFrame(X, columns=NAMES).assign(**columns)


def mixed(X):
    return frame(X, a=whole(X)[:, 0].astype(int), b=X[:, 1] > 0, c=X[:, 2].astype(np.float32))


def mixed_polars(X):
    return pl.DataFrame({name: column.to_numpy() for name, column in mixed(X).items()})


def nullable(X):
    return mixed(X).astype({"a": "Int64", "b": "boolean", "c": "Float32"})


def mixed_plain(X):
    return np.column_stack([whole(X)[:, 0], X[:, 1] > 0, single(X[:, 2]), X[:, 3:]])


def spoiled(X, value=np.nan):
    X = X.copy()
    X[3, 1] = value
    return X


def plain(X):
    return X


# name: (what is given, the float64 array that it stands for); exactly the same is expected.
SAME = {
    "big-endian": (lambda X: X.astype(">f8"), plain),
    "big-endian integers": (lambda X: whole(X).astype(">i4"), whole),
    "long double": (lambda X: X.astype(np.longdouble), plain),
    "int8": (lambda X: whole(X).astype(np.int8), whole),
    "int64": (lambda X: whole(X).astype(np.int64), whole),
    "uint16": (lambda X: positive(X).astype(np.uint16), positive),
    "boolean": (lambda X: X > 0, lambda X: np.float64(X > 0)),
    "objects": (lambda X: X.astype(object), plain),
    "objects, integers among them": (lambda X: whole(X).astype(int).astype(object), whole),
    "numbers as strings": (lambda X: X.astype(str), plain),
    "read-only": (read_only, plain),
    "Fortran order": (np.asfortranarray, plain),
    "strided rows": (lambda X: np.repeat(X, 2, axis=0)[::2], plain),
    "strided columns": (lambda X: np.repeat(X, 2, axis=1)[:, ::2], plain),
    "negative strides of rows": (lambda X: X[::-1].copy()[::-1], plain),
    "negative strides of columns": (lambda X: X[:, ::-1].copy()[:, ::-1], plain),
    "strides of zero": (
        lambda X: np.broadcast_to(X[:, :1], X.shape),
        lambda X: np.repeat(X[:, :1], X.shape[1], axis=1),
    ),
    "unaligned": (unaligned, plain),
    "masked nowhere": (lambda X: np.ma.array(X, mask=False), plain),
    "lists": (lambda X: X.tolist(), plain),
    "list of arrays": (list, plain),
    "tuples": (lambda X: tuple(map(tuple, X)), plain),
    "DataFrame": (frame, plain),
    "DataFrame of integers": (lambda X: frame(whole(X)).astype(int), whole),
    "DataFrame of several types": (mixed, mixed_plain),
    "DataFrame of nullable types": (nullable, mixed_plain),
    "DataFrame of categories that are numbers": (
        lambda X: frame(whole(X)).astype("category"),
        whole,
    ),
    "DataFrame of objects": (lambda X: frame(X).astype(object), plain),
    "DataFrame with numbered columns": (pd.DataFrame, plain),
    "DataFrame with two levels of columns": (
        lambda X: pd.concat({"one": frame(X)}, axis=1),
        plain,
    ),
    "DataFrame with an index of equal labels": (lambda X: frame(X).set_axis([0] * len(X)), plain),
    "polars": (lambda X: pl.DataFrame(X, schema=NAMES), plain),
    "polars of several types": (mixed_polars, mixed_plain),
    "tensor": (torch.tensor, plain),
    "tensor of integers": (lambda X: torch.tensor(whole(X)).int(), whole),
    "tensor that needs a gradient": (lambda X: torch.tensor(X, requires_grad=True), plain),
    "transposed tensor": (lambda X: torch.tensor(X.T.copy()).T, plain),
    "memmap": (memmap, plain),
    "memmap, copy on write": (lambda X: memmap(X, mode="c"), plain),
    "memmap in Fortran order": (lambda X: memmap(X, order="F"), plain),
    "memmap of big-endian numbers": (lambda X: memmap(X, ">f8"), plain),
    "memmap of integers": (lambda X: memmap(whole(X), np.int32), whole),
}
# In the precision of float32, in which X then stands and is computed.
SAME_IN_SINGLE = {
    "float32": (lambda X: X.astype(np.float32), single),
    "big-endian float32": (lambda X: X.astype(">f4"), single),
    "float32 in Fortran order": (lambda X: np.asfortranarray(X, dtype=np.float32), single),
    "float32, negative strides": (lambda X: X[::-1].astype(np.float32)[::-1], single),
    "bytes": (lambda X: positive(X).astype(np.uint8), positive),
    "DataFrame of float32": (lambda X: frame(X).astype(np.float32), single),
    "tensor of float32": (lambda X: torch.tensor(X).float(), single),
    "float16": (lambda X: X.astype(np.float16), half),
    "list of halves": (lambda X: list(X.astype(np.float16)), half),
    "DataFrame of halves": (lambda X: frame(X).astype(np.float16), half),
    "tensor of halves": (lambda X: torch.tensor(X).half(), half),
    "tensor of bfloat16": (
        lambda X: torch.tensor(X).bfloat16(),
        lambda X: torch.tensor(X).bfloat16().double().numpy(),
    ),
    "memmap of float32": (lambda X: memmap(X, np.float32), single),
    "memmap of bytes": (lambda X: memmap(positive(X), np.uint8), positive),
    "memmap of halves": (lambda X: memmap(X, np.float16), half),
}
SPARSE = {
    **{
        f"sparse {form}": (lambda X, form=form: sparse.csr_matrix(whole(X)).asformat(form), whole)
        for form in ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
    },
    "sparse array": (lambda X: sparse.coo_array(whole(X)), whole),
    "sparse float32": (lambda X: sparse.csr_matrix(whole(X), dtype=np.float32), whole),
    "sparse booleans": (lambda X: sparse.csr_matrix(X > 0), lambda X: np.float64(X > 0)),
    "sparse DataFrame": (lambda X: frame(whole(X)).astype(pd.SparseDtype(float, 0)), whole),
}
# name: (what is given, error, what its message tells)
REFUSED = {
    "NaN": (spoiled, ValueError, "Input X contains NaN"),
    "infinity": (lambda X: spoiled(X, np.inf), ValueError, "X contains infinity"),
    "minus infinity": (lambda X: spoiled(X, -np.inf), ValueError, "X contains infinity"),
    "None among objects": (lambda X: spoiled(X.astype(object), None), ValueError, "contains NaN"),
    "NA": (lambda X: nullable(X).mask(X > 1), ValueError, "contains NaN"),
    "null": (lambda X: mixed_polars(X).with_columns(a=None), ValueError, "contains NaN"),
    "NaN in a memmap": (lambda X: memmap(spoiled(X)), ValueError, "contains NaN"),
    "masked": (
        lambda X: np.ma.array(X, mask=X > 2),
        ValueError,
        r"X must have a value everywhere, got an array with \d+ masked value",
    ),
    "complex": (lambda X: X + 1j, ValueError, "Complex data not supported"),
    "complex tensor": (lambda X: torch.tensor(X + 1j).conj(), ValueError, "Complex data not"),
    "words": (
        lambda X: np.full(X.shape, "red"),
        ValueError,
        "string to float.*'red'.* Expected X to hold only numbers, got ndarray of type str",
    ),
    "a column of words": (
        lambda X: frame(X, c="red"),
        ValueError,
        r"X must hold numbers, got column\(s\) 'c' \((str|object)\)",
    ),
    "a polars column of words": (
        lambda X: mixed_polars(X).with_columns(c=pl.lit("red")),
        ValueError,
        r"X must hold numbers, got column\(s\) 'c' \(String\)",
    ),
    "categories that are words": (
        lambda X: frame(np.where(X > 0, "red", "white")).astype("category"),
        ValueError,
        r"X must hold numbers, got column\(s\) .* \(category\)",
    ),
    "a column of dates": (
        lambda X: frame(X, c=pd.Timestamp(2020, 1, 1)),
        ValueError,
        r"X must hold numbers, got column\(s\) 'c' \(datetime64",
    ),
    "integers too large": (
        lambda X: np.full(X.shape, 10**400, dtype=object),
        ValueError,
        "too large to convert to float. Expected X to hold only numbers",
    ),
    "columns of one name": (
        lambda X: frame(X).set_axis(["a", "a", "b", "c", "d"], axis=1),
        ValueError,
        "'a' 2 times",
    ),
    "names of several types": (
        lambda X: frame(X).set_axis(["a", 1, 2, 3, 4], axis=1),
        TypeError,
        "Feature names are only supported if all input features have string names",
    ),
    "records": (
        lambda X: frame(X).to_records(index=False),
        TypeError,
        "Expected X to hold only numbers, got recarray",
    ),
    "np.matrix": (
        lambda X: X.view(np.matrix),
        TypeError,
        "np.matrix is not supported",
    ),
    "ragged lists": (
        lambda X: [[1.0, 2.0], [3.0]],
        ValueError,
        # A predictor takes sequences of unequal length, but not of a single frame.
        r"inhomogeneous.*\(2,\).* Expected X to hold only numbers, got list|got 1 in X\[1\]",
    ),
    "generator": (lambda X: (row for row in X), TypeError, "got a generator: give an array"),
    "dict": (lambda X: {"a": X}, TypeError, "only numbers, got dict"),
    "path": (lambda X: "wine.csv", FileNotFoundError, "No file or folder wine.csv to read rows"),
    "lazy frame": (
        lambda X: pl.DataFrame(X).lazy(),
        TypeError,
        r"got a LazyFrame: give X\.collect\(\)",
    ),
    "None": (lambda X: None, ValueError, "Expected 2D array, got scalar array instead"),
    "number": (lambda X: 3.0, ValueError, "Expected 2D array, got scalar array instead"),
    "one dimension": (
        lambda X: X[:, 0],
        ValueError,
        "Expected 2D array, got 1D array instead|got one series of 45 values",
    ),
    "Series": (
        lambda X: frame(X)["a"],
        ValueError,
        "Expected a 2-dimensional container but got|got one series of 45 values",
    ),
    "no rows": (lambda X: X[:0], ValueError, r"0 sample\(s\) \(shape=\(0, 5\)\).*minimum of [23]"),
    "one row": (lambda X: X[:1], ValueError, r"1 sample\(s\) \(shape=\(1, 5\)\).*minimum of [23]"),
    "no features": (lambda X: X[:, :0], ValueError, r"0 feature\(s\) \(shape=\(45, 0\)\)"),
}

_FITTED = {}


def fitted(name, rows=X):
    """The estimator fitted on plain rows, once."""
    key = name, rows.tobytes()
    if key not in _FITTED:
        _FITTED[key] = clone(ESTIMATORS[name]).fit(rows, Y)
    return _FITTED[key]


def assert_same(name, odd, rows, tolerance=1e-12):
    """Fitted on the odd form, the estimator makes of it what another one makes of the rows."""
    made = results(clone(ESTIMATORS[name]).fit(odd, Y), odd)
    for one, other in zip(made, results(fitted(name, rows), rows), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", SAME)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_odd_forms_of_x_give_what_the_plain_array_gives(name, case):
    odd, stands_for = SAME[case]
    assert_same(name, odd(X), stands_for(X))


@pytest.mark.parametrize("case", SAME_IN_SINGLE)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_odd_forms_in_single_precision_give_the_same_to_within_rounding(name, case):
    odd, stands_for = SAME_IN_SINGLE[case]
    assert_same(name, odd(X), stands_for(X), ROUNDED)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_results_are_float64_unless_x_is_float32_or_shorter(name):
    estimator, wide = fitted(name), ("long double", "int8", "int64", "uint16", "boolean")
    given = {case: (SAME[case][0], np.float64) for case in wide}
    given |= {case: (odd, np.float32) for case, (odd, _) in SAME_IN_SINGLE.items()}
    # scikit-learn converts numbers of another byte order to float64.
    given["big-endian float32"] = SAME_IN_SINGLE["big-endian float32"][0], np.float64
    for case, (odd, dtype) in given.items():
        rows = odd(X)
        if hasattr(estimator, "transform"):
            codes = estimator.transform(rows)
            assert codes.dtype == dtype, case
        if hasattr(estimator, "inverse_transform"):
            assert estimator.inverse_transform(codes).dtype == dtype, case
        if hasattr(estimator, "score_samples"):
            assert estimator.score_samples(rows).dtype == np.float64, case


@pytest.mark.parametrize("case", SPARSE)
@pytest.mark.parametrize("name", NETWORKS)
def test_sparse_forms_of_x_give_what_the_plain_array_gives(name, case):
    odd, stands_for = SPARSE[case]
    assert_same(name, odd(X), stands_for(X), ROUNDED)


@pytest.mark.parametrize("case", SPARSE)
def test_the_detector_refuses_what_is_sparse(case):
    with pytest.raises(TypeError, match="Sparse data was passed for X, but dense data"):
        clone(ESTIMATORS["detector"]).fit(SPARSE[case][0](X))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_tensors_on_a_gpu_give_what_the_plain_array_gives(name):
    assert_same(name, torch.tensor(X, device="cuda"), X, ROUNDED)


MISSING = ("NaN", "None among objects", "NA", "null", "NaN in a memmap")


@pytest.mark.parametrize("case", MISSING)
def test_the_default_detector_takes_missing_values_of_every_form(case):
    detector = clone(ESTIMATORS["detector"]).fit(REFUSED[case][0](X))
    assert np.isfinite(detector.training_scores_).all()


@pytest.mark.parametrize(
    ("name", "case"),
    [
        (name, case)
        for name in ESTIMATORS
        for case in REFUSED
        if (name, case) not in [("detector", missing) for missing in MISSING]
        # Lists of unequal length are what they take.
        and not (name.startswith("Sequence") and case == "ragged lists")
    ],
)
def test_impossible_x_is_refused_and_leaves_the_estimator_as_it_was(name, case):
    make, error, message = REFUSED[case]
    estimator = clone(ESTIMATORS[name])
    with pytest.raises(error, match=message):
        estimator.fit(make(X), Y)
    assert vars(estimator).keys() == vars(clone(estimator)).keys()
    estimator = fitted(name)
    before = results(estimator, X)
    with pytest.raises(error, match=message):
        estimator.fit(make(X), Y)
    for one, other in zip(results(estimator, X), before, strict=True):
        np.testing.assert_array_equal(one, other)
