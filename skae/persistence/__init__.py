"""Estimators as files that run no code when they are read.

A safetensors file holds the arrays, in their layout, and a manifest in JSON that names the types.
Names are audited before anything is built: what is not skae's, scikit-learn's, numpy's or a listed
part of torch is not even imported. Why not skops: it reads zip members of any size, reports damage
by errors of many kinds, loses gaps between the rows of a matrix (and so the last bit), and builds
more than such estimators hold (methods, partials), which is more to audit (CVE-2024-37065).
"""

import json
import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from sklearn.base import BaseEstimator

from .._files import write_atomically
from ._codec import Decoder, Encoder
from ._file import pack, read, unpack, unpack_about
from ._trust import find_class, find_value

__all__ = ["load", "save"]

_FORMAT = 1
_PACKAGES = ("skae", "scikit-learn", "torch", "numpy")
# What goes wrong where a manifest with the right digest does not fit together.
_MISFITS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)


def save(
    estimator: BaseEstimator, path: str | os.PathLike[str], *, trusted: Iterable[str] = ()
) -> None:
    """Save an estimator as a file that `load` reads without running code from it.

    Parameters
    ----------
    estimator : estimator
        One of skae's, fitted or not, or a Pipeline, ColumnTransformer or search around it, of
        parts that are skae's or scikit-learn's. A decision tree has to be named in `trusted`.
    path : str or path-like
        Where to write. A file that is there is replaced, once the new one is complete.
    trusted : iterable of str, default=()
        Names of further functions and classes, such as ``"mymodule.MyTransformer"``, that the
        estimator may hold; `load` has to be given the same. They must be importable by that
        name, and objects of such a class must be nothing but their attributes.

    Raises
    ------
    ValueError
        If the estimator holds something that cannot be saved, naming each and where it is.
        Nothing is written then.

    See Also
    --------
    load : Read what was saved.

    Notes
    -----
    ``pickle`` and ``joblib`` keep anything, and are for files that nobody else can have
    written. An optimizer's state, and the skorch net (``net_``), go along with neither.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import skae
    >>> from sklearn.datasets import load_digits
    >>> X, _ = load_digits(return_X_y=True)
    >>> fitted = skae.Autoencoder(8, max_iter=5, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     skae.save(fitted, Path(folder) / "digits.safetensors")
    ...     loaded = skae.load(Path(folder) / "digits.safetensors")
    >>> bool((loaded.transform(X) == fitted.transform(X)).all())
    True
    """
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        raise TypeError(f"estimator must be an estimator, got {estimator!r}.")
    encoder = Encoder(frozenset(trusted))
    root = encoder.encode(estimator, type(estimator).__name__)
    if encoder.refused:
        listed = "; ".join(f"{name} ({where})" for name, where in encoder.refused.items())
        raise ValueError(
            f"{type(estimator).__name__} holds what skae.save cannot keep: {listed}. Set it to "
            "something else, or vouch for it by trusted=[name] here and in skae.load (a class "
            "must be importable and its objects plain attributes), or use pickle for files that "
            "only you can have written."
        )
    manifest = {"classes": encoder.classes, "values": encoder.values, "root": root}
    about = {"format": str(_FORMAT), "versions": json.dumps(_versions())}
    write_atomically(path, pack(manifest, encoder.tensors, about))


def load(path: str | os.PathLike[str], *, trusted: Iterable[str] = ()) -> BaseEstimator:
    """Read an estimator that `save` wrote.

    Types are audited, numbers are not: an estimator from a stranger may predict nonsense. Look
    at the `memory` of a stranger's Pipeline before you fit it: that is a folder of pickles.

    Parameters
    ----------
    path : str or path-like
    trusted : iterable of str, default=()
        Names of functions and classes, beside those of skae, scikit-learn and numpy, that the
        file may hold: they are imported, and objects of them are built. See `save`.

    Returns
    -------
    estimator : estimator
        Its predictions are those of the saved one, to the bit, given the same versions of the
        libraries and the same kind of machine. Its network is on the CPU.

    Raises
    ------
    ValueError
        If the file is damaged, was not written by `save`, holds names that are not trusted, or
        has a format that is newer than this skae.
    FileNotFoundError
        If there is none.

    Warns
    -----
    InconsistentVersionWarning
        If another version of scikit-learn wrote the file, from each of its estimators.

    See Also
    --------
    save : Write the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import skae
    >>> with TemporaryDirectory() as folder:
    ...     skae.save(skae.Autoencoder(8), Path(folder) / "mine.safetensors")
    ...     skae.load(Path(folder) / "mine.safetensors")
    Autoencoder(n_components=8)
    """
    path = Path(path)
    data = read(path)
    versions = {}
    try:
        about = unpack_about(data)
        versions = json.loads(about["versions"])
        _check_format(int(about["format"]), versions)
        manifest, tensors = unpack(data)
        return _build(manifest, tensors, frozenset(trusted))
    except _MISFITS as error:
        reason = error if type(error) is ValueError else f"{type(error).__name__}: {error}"
        written = ", ".join(f"{name} {number}" for name, number in dict(versions).items())
        here = ", ".join(f"{name} {number}" for name, number in _versions().items())
        raise ValueError(
            f"{path} cannot be loaded: {reason}. It was written by "
            f"{written or 'unknown versions'}; here are {here}."
        ) from error


def _versions():
    return {package: version(package) for package in _PACKAGES}


def _check_format(number, versions):
    if number != _FORMAT:
        raise ValueError(f"it has format {number}, and this skae reads format {_FORMAT}")


def _build(manifest, tensors, trusted):
    """Build the estimator, if each name that the manifest holds may be used."""
    classes = [(name, find_class(name, trusted)) for name in manifest["classes"]]
    values = [(name, find_value(name, trusted)) for name in manifest["values"]]
    refused = [name for name, found in classes + values if found is None]
    if refused:
        raise ValueError(
            f"it holds {', '.join(refused)}, which skae.load does not know or does not trust: "
            "vouch for them by trusted=[...] if you know who wrote the file"
        )
    decoder = Decoder(tensors, classes, [value for _, value in values])
    estimator = decoder.decode(manifest["root"])
    if not hasattr(estimator, "get_params"):
        raise TypeError(f"it holds no estimator but a {type(estimator).__name__}")
    return estimator
