"""`explore`: from an estimator and its data to a page."""

from dataclasses import dataclass
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_scalar

from ..._arrays import as_array, chunks, columns_without_numbers, naming_types
from ..._files import target, write_atomically
from ..._typing import MatrixLike
from ..._utils import import_optional, refuse_class
from ...metrics._reconstruction import mean_squares
from .._estimators import fitted_image_shape
from ._columns import describe, read_columns
from ._decoder import decode_codes, decoded_rows, export_decoder
from ._page import render
from ._program import NotExpressible
from ._samples import Rows, kept_indices, read_rows, read_table
from ._tables import table_encoder

_MEGABYTE = 1e6
_ERROR_COLUMN = "reconstruction error"
# Decoded rows whose ranges stand for those of all, where rows of X are not shown.
_DESCRIBED_ROWS = 500


@dataclass(frozen=True)
class ExplorerPage:
    """A page that `explore` has written.

    Parameters
    ----------
    path : Path
        Where it is.
    sizes : dict of str to int
        Bytes of its parts: ``'data'`` (codes, columns and rows of X), ``'decoder'``, ``'bokeh'``
        (the code of Bokeh) and ``'rest'``.
    decoding_error : float or None
        Largest difference between what the page decodes and ``inverse_transform``, as a fraction
        of the range of the data, among 48 codes; None if the page does not decode.

    Examples
    --------
    >>> from pathlib import Path
    >>> from skae.plotting import ExplorerPage
    >>> page = ExplorerPage(Path("page.html"), {"data": 40, "decoder": 20}, decoding_error=2e-4)
    >>> page.size
    60
    """

    path: Path
    sizes: dict[str, int]
    decoding_error: float | None

    @property
    def size(self) -> int:
        """Return the size of the page in bytes."""
        return sum(self.sizes.values())


def explore(
    estimator: Any,
    X: MatrixLike,
    y: ArrayLike | None = None,
    path: str | PathLike[str] = "explorer.html",
    *,
    columns: Any = None,
    axes: tuple[int, int] = (0, 1),
    image_shape: tuple[int, ...] | None = None,
    feature_names: ArrayLike | None = None,
    decode: bool = True,
    max_megabytes: float = 20,
    title: str | None = None,
) -> ExplorerPage:
    """Write a page in which a latent space can be explored, and decoded anywhere.

    The page is one file that needs no network. It shows the codes of X as a scatter plot that
    pans and zooms, for some hundred thousand rows. The row under the mouse is shown beside its
    reconstruction. A click or a drag anywhere decodes that spot: the decoder runs in the page, and
    sliders set the components that are not on the axes. The rows whose codes are nearest to the
    spot are shown, and rows that are selected with a lasso are listed to be copied. Points are
    colored by the target, other columns, the error of the reconstruction, components, features or,
    by a click on a picture, pixels.

    The decoder is a network of skae, `TableAutoencoder` included, a linear map such as that of
    `PCA`, or one of these at the end of a Pipeline of scalers or of `TableEncoder`. It is compared
    with ``inverse_transform`` when the page is made and again when the page is opened; differences
    of more than 0.001 of the range of the data are refused. A decoder of the user's own is built
    of the layers that networks of skae have, and those of torch that are alike.

    Parameters
    ----------
    estimator : object
        A fitted reducer with ``transform`` and, if `decode` is True, ``inverse_transform``. A
        Pipeline or a search whose best estimator is one is accepted.
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or images
        The data, in a layout that the reducer takes.
    y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
        Target that colors the points: labels or quantities, None and NaN where missing.
    path : str or path-like, default="explorer.html"
        The file to write; ``~`` is the home folder.
    columns : mapping of str to array-like, or DataFrame, default=None
        Further columns that can color the points, with a value for each row of X.
    axes : tuple of two int, default=(0, 1)
        The components that are drawn first; the reader can choose others. A single component is
        drawn along a line, its points spread across it.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, channels)``. If None, that of X if it holds
        images, or else the ``image_shape_`` of the fitted estimator. Without images the page
        shows a table of the features: of more than 60 those that vary most.
    feature_names : array-like of shape (n_features,), default=None
        Names in the table of features. If None, those of the columns if X is a frame, or ``x0``,
        ``x1``, ...
    decode : bool, default=True
        Whether the page decodes. If False, any reducer is accepted, and frames may have columns of
        text or dates that it does not use: these color the points.
    max_megabytes : float, default=20
        Size up to which rows of X are put into the page. Pictures take a byte for each
        pixel, and other features four, before compression. Of more rows, evenly spaced ones are
        in the page; of the others it shows only the reconstruction. 0 leaves out all rows.
    title : str, default=None
        Title of the page. If None, the name of the estimator's class.

    Returns
    -------
    page : ExplorerPage
        Where the page is, how large its parts are, and how exactly it decodes.

    Raises
    ------
    ValueError
        If data or a parameter cannot be used, or if the page cannot decode as the estimator does:
        the message names the module or the step of the Pipeline.
    ModuleNotFoundError
        If Bokeh is missing.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.plotting import explore
    >>> X, y = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(2, architecture="dense", max_iter=3, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     page = explore(autoencoder, X, y, Path(folder) / "digits.html", image_shape=(8, 8))
    >>> page.decoding_error < 0.001
    True
    >>> sorted(page.sizes)
    ['bokeh', 'data', 'decoder', 'rest']
    """
    path = target(path)  # before the work
    import_optional("bokeh", "explore")
    refuse_class("estimator", estimator)
    check_scalar(max_megabytes, "max_megabytes", Real, min_val=0)
    codes = _codes_of(estimator, X)
    _check_axes(axes, codes.shape[1])
    colors = read_columns(y, columns, len(codes))
    encoder = table_encoder(estimator)
    if encoder is not None:
        rows, holds_rows = read_table(encoder, X), True
    else:
        X, texts = _without_texts(X, decode=decode)
        colors += read_columns(None, texts, len(codes))
        rows, holds_rows = _rows(estimator, X, codes, image_shape, feature_names, decode=decode)
    decoder = export_decoder(estimator, codes, rows.spread) if decode else None
    # Columns of different kinds have no error in common.
    if decoder is not None and holds_rows and not rows.formats:
        colors.append(describe(_ERROR_COLUMN, _errors(estimator, codes, rows)))
    # Of a forecast the decoded frames stand for rows, and none of X is shown.
    kept = kept_indices(rows, max_megabytes * _MEGABYTE) if holds_rows else np.arange(0)
    name = type(estimator).__name__ if title is None else title
    page, sizes = render(codes, colors, rows, kept, decoder, axes=axes, title=name)
    write_atomically(path, page)
    return ExplorerPage(path, sizes, None if decoder is None else decoder.error)


def _codes_of(estimator: Any, X: Any) -> np.ndarray:
    if not hasattr(estimator, "transform"):
        raise TypeError(
            "estimator must have transform, which encodes X, got "
            f"{type(estimator).__name__}. Of a detector, give its estimator_."
        )
    codes = as_array(estimator.transform(X), "codes")
    # Of sparse rows some reducers return sparse codes, for instance random projections.
    codes = codes.toarray() if hasattr(codes, "toarray") else codes
    with naming_types(codes, "codes"):
        checked: np.ndarray = check_array(codes, input_name="codes", dtype=np.float64)
    return checked


def _without_texts(X: Any, *, decode: bool) -> tuple[Any, dict[str, Any] | None]:
    """Return X without its columns of text and dates, and these: they are colors, not features."""
    texts = [name for name, _ in columns_without_numbers(X)]
    if not texts:
        return X, None
    if decode:
        raise NotExpressible(
            f"the page decodes only numbers, got X with column(s) {texts} of text or dates. Give "
            "decode=False for a page that does not decode."
        )
    # A list of names picks columns in pandas and in polars.
    numbers = X[[name for name in X.columns if name not in texts]]
    return numbers, {str(name): X[name].to_numpy() for name in texts}


def _check_axes(axes: Any, n_components: int) -> None:
    allowed = range(n_components)
    is_pair = np.ndim(axes) == 1 and len(axes) == 2 and axes[0] != axes[1]
    # A single component has no second one.
    if not is_pair or (n_components > 1 and not all(axis in allowed for axis in axes)):
        raise ValueError(
            f"axes must be two different components, from 0 to {n_components - 1}, got {axes!r}."
        )


def _rows(
    estimator: Any,
    X: Any,
    codes: np.ndarray,
    image_shape: tuple[int, ...] | None,
    feature_names: Any,
    *,
    decode: bool,
) -> tuple[Rows, bool]:
    """Return rows as the page shows them, and whether these are those of X.

    They are decoded ones where these differ in kind: a forecast is a single frame, X are sequences.
    """
    is_same = True
    names = None if feature_names is None else [str(name) for name in feature_names]
    shape = np.shape(X)[1:]
    if decode:
        # A part is enough: the shape of a row, and ranges.
        decoded = as_array(decode_codes(estimator, codes[:_DESCRIBED_ROWS]))
        shape = decoded.shape[1:]
        is_same = bool(np.prod(shape) == np.prod(np.shape(X)[1:]))
        X = X if is_same else decoded
    n_features = int(np.prod(shape))
    if image_shape is None:
        image_shape = shape if len(shape) > 1 else fitted_image_shape([estimator], n_features)
    _check_shapes(image_shape, names, n_features)
    return read_rows(X, image_shape, names), is_same


def _check_shapes(
    image_shape: tuple[int, ...] | None, names: list[str] | None, n_features: int
) -> None:
    if image_shape is not None and (
        len(image_shape) not in (2, 3) or np.prod(image_shape) != n_features
    ):
        raise ValueError(
            "image_shape must be (height, width) or (height, width, channels) of "
            f"{n_features} values, got {image_shape!r}."
        )
    if names is not None and len(names) != n_features:
        raise ValueError(
            f"feature_names must name the {n_features} features, got {len(names)} names."
        )


def _errors(estimator: Any, codes: np.ndarray, rows: Rows) -> np.ndarray:
    """Return the root mean squared error of each row."""
    errors = np.empty(len(codes))
    every = np.arange(len(codes))
    for chunk in chunks(len(codes), rows.values.shape[1], for_products=True):
        decoded = decoded_rows(estimator, codes[chunk])
        errors[chunk] = np.sqrt(mean_squares(rows.take(every[chunk]), decoded))
    return errors
