"""Estimators as files that run no code when they are read.

A safetensors file holds the arrays, in their layout, and a manifest in JSON that names the types.
Names are audited before anything is built: only skae, scikit-learn, numpy and listed parts of torch
are imported. Why not skops: it reads zip members of any size, reports damage by errors of many
kinds, drops the padding between the rows of a matrix (and so the last bit), and builds more than
such estimators hold (methods, partials), which is more to audit (CVE-2024-37065).

For maintainers: a file names classes by their public names and holds the version of each class's
state. Who changes what ``__getstate__`` returns raises the class attribute ``_state_version`` (an
int, 1 where absent) by one, and extends the class or static method ``_upgrade_state(state,
version)``: it gets the state that an earlier version wrote, a dict that may be forged, and returns
that of the present version. tests/data holds a file of each estimator, to be read for ever.
"""

import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .._files import as_path, target, write_atomically
from .._utils import package_versions
from ._codec import Decoder, Encoder
from ._file import pack, read, unpack, unpack_about
from ._names import find_class, find_value

__all__ = ["load", "save"]

# Raised by one when a file of another layout is written.
_FORMAT = 1
# The errors of building objects from a manifest that is inconsistent, or forged.
_BUILD_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)


def save(
    estimator: BaseEstimator,
    path: str | os.PathLike[str],
    *,
    trusted: Iterable[str] = (),
    without_reducer: bool = False,
    for_inference: bool = False,
) -> None:
    """Save an estimator as a file that `load` reads without running code from it.

    Parameters
    ----------
    estimator : estimator
        An estimator of skae or scikit-learn, fitted or not, or a Pipeline, ColumnTransformer or
        search of such estimators. Layers and losses of torch.nn as parameters are kept, and so
        are functions and classes of numpy, torch, scikit-learn and skae where a parameter of
        skae or scikit-learn commonly holds them. A fitted decision tree has to be named in
        `trusted`.
    path : str or path-like
        File to write; ``~`` stands for the home folder. An existing file is replaced once the
        new one is complete.
    trusted : iterable of str, default=()
        Names of further functions and classes that the estimator may hold, such as
        ``"mymodule.MyTransformer"``; pass the same to `load`. They must be importable by that
        name, and objects of such a class must consist only of their attributes.
    without_reducer : bool, default=False
        Whether to leave out the reducer of each :class:`~skae.HybridAutoencoder` with
        ``distill=True``, for example a UMAP, which cannot be saved. The loaded estimator does
        all but further training. An error if nothing is left out, or if a hybrid needs its
        reducer.
    for_inference : bool, default=False
        Whether to leave out what only training needs: the history of losses, rows that
        `partial_fit` has kept, and reducers that a trained encoder replaces, as
        `without_reducer` does. The loaded estimator computes the same; another `fit` starts anew.

    Raises
    ------
    ValueError
        If the estimator holds something that cannot be saved; the message names each such
        object and its place. Nothing is written.
    TypeError
        If `estimator` is no estimator, or `trusted` a single string.
    OSError
        If the file cannot be written. An existing file is left as it was.

    See Also
    --------
    load : Read a saved estimator.

    Notes
    -----
    ``pickle`` and ``joblib`` keep every estimator, but reading such a file runs code from it:
    use them for files that nobody else can have written. None of the three keeps an optimizer's
    state or the skorch net (``net_``).

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
    names = _names(trusted)
    if for_inference and without_reducer:
        raise ValueError(
            "for_inference=True leaves out the reducers that it can; give only "
            "without_reducer=True to make sure that none is saved."
        )
    # Before the work of encoding: a folder that cannot be written to is an error at once.
    path = target(path)
    replacing = "without_reducer" if without_reducer else None
    encoder = Encoder(names, "_for_inference" if for_inference else replacing)
    root = encoder.encode(estimator, type(estimator).__name__)
    _check_encoded(estimator, encoder, without_reducer, for_inference)
    manifest = {"classes": encoder.classes, "values": encoder.values, "root": root}
    about = {"format": str(_FORMAT), "versions": json.dumps(package_versions())}
    write_atomically(path, pack(manifest, encoder.tensors, about))


def _names(trusted: Iterable[str]) -> frozenset[str]:
    """Return the trusted names as a set; a single string would be taken for its letters."""
    if isinstance(trusted, str):
        raise TypeError(f"trusted must be a list of names, got the string {trusted!r}.")
    return frozenset(trusted)


def _check_encoded(
    estimator: object, encoder: Encoder, without_reducer: bool, for_inference: bool
) -> None:
    # An option without an effect is a mistake of the caller.
    kind = type(estimator).__name__
    if for_inference and not encoder.n_replaced:
        raise ValueError(
            f"for_inference=True leaves out what skae's networks were trained with, and {kind} "
            "holds none of them."
        )
    if without_reducer and not encoder.n_replaced:
        raise ValueError(f"without_reducer=True needs a HybridAutoencoder, and {kind} holds none.")
    if encoder.refused:
        listed = "; ".join(f"{name} ({where})" for name, where in encoder.refused.items())
        raise ValueError(
            f"{kind} holds objects that skae.save cannot keep: {listed}. Set the parameter to "
            "something else, or pass trusted=[name] here and to skae.load (a class must be "
            "importable and its objects plain attributes; of a torch module, trust a function "
            "that builds it and give that to Custom), or use pickle for files that only you can "
            "have written."
        )


def load(path: str | os.PathLike[str], *, trusted: Iterable[str] = ()) -> BaseEstimator:
    """Read an estimator that `save` wrote.

    No code from the file runs, but its numbers are taken as they are: an estimator from a
    stranger may predict anything, and compute for any time. Before you fit it, look at its
    parameters that name files: `checkpoint`, and `memory` of a Pipeline, a folder of pickles.

    Parameters
    ----------
    path : str or path-like
        File to read; ``~`` stands for the home folder.
    trusted : iterable of str, default=()
        Names of functions and classes beyond the built-in ones that the file may hold. They are
        imported, and objects of the classes are built. See `save`.

    Returns
    -------
    estimator : estimator
        Its predictions equal those of the saved one to the bit, given the same versions of the
        libraries and the same kind of machine. Its network is on the CPU.

    Raises
    ------
    ValueError
        If the file is damaged, was not written by `save`, holds names that are not trusted, or
        was written by a newer version of skae in a format that this one does not know.
    TypeError
        If `trusted` is a single string.
    FileNotFoundError
        If the file does not exist.

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
    names = _names(trusted)
    path = as_path(path)
    data = read(path)
    versions = {}
    try:
        # Versions first, so that an error can say which ones wrote the file.
        about = unpack_about(data)
        versions = json.loads(about["versions"])
        _check_format(int(about["format"]))
        manifest, tensors = unpack(data)
        return _build(manifest, tensors, names)
    except _BUILD_ERRORS as error:
        # Errors of this module are written for users; of others the kind says more.
        reason = error if type(error) is ValueError else f"{type(error).__name__}: {error}"
        written = ", ".join(f"{name} {number}" for name, number in dict(versions).items())
        here = ", ".join(f"{name} {number}" for name, number in package_versions().items())
        raise ValueError(
            f"{path} cannot be loaded: {reason}. It was written by "
            f"{written or 'unknown versions'}; installed are {here}."
        ) from error


def _check_format(number: int) -> None:
    if number != _FORMAT:
        raise ValueError(f"it has format {number}, and this skae reads format {_FORMAT}")


def _build(manifest: Any, tensors: dict[str, np.ndarray], trusted: frozenset[str]) -> BaseEstimator:
    """Build the estimator, if each name that the manifest holds may be used."""
    classes = [
        (name, find_class(name, trusted), _checked_version(name, version))
        for name, version in manifest["classes"]
    ]
    values = [(name, find_value(name, trusted)) for name in manifest["values"]]
    _check_found({name: found for name, found, *_ in classes + values})
    # Only now: every name has been looked up, and none was refused.
    decoder = Decoder(tensors, classes, [value for _, value in values])
    estimator = decoder.decode(manifest["root"])
    if not hasattr(estimator, "get_params"):
        # A forged root could be any object that the table of names allows.
        raise TypeError(f"it holds no estimator but a {type(estimator).__name__}")
    return estimator


def _checked_version(name: str, version: object) -> int:
    # Not `isinstance`: True is an integer as well, and no version.
    if type(version) is not int or version < 1:
        raise ValueError(f"the version of the state of {name} must be 1 or more, got {version!r}")
    return version


def _check_found(named: dict[str, Any]) -> None:
    refused = [name for name, found in named.items() if found is None]
    unknown = [name for name in refused if name.startswith("skae.")]
    if unknown:
        raise ValueError(f"it holds {', '.join(unknown)}, which this version of skae does not have")
    if refused:
        raise ValueError(
            f"it holds {', '.join(refused)}, which skae.load does not know or does not trust: "
            "pass trusted=[...] if you know who wrote the file"
        )
