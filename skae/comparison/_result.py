"""What a comparison found, and how it is shown."""

from os import PathLike
from typing import Any

import numpy as np

from .._files import target, write_atomically
from ..plotting import TradeOffDisplay, plot_comparison
from ._exports import as_json, as_markdown

# Three digits are what scores of some hundred held-out rows are good for.
_STYLE: dict[str, Any] = {"float_format": "{:.3g}".format, "na_rep": "–"}


class Comparison:
    """The result of :func:`compare`.

    Parameters
    ----------
    table : pandas.DataFrame
        One row for each reducer, with the columns "reconstruction error" (mean squared, in
        squared units of X), "explained variance" (1 is perfect), "trustworthiness" and
        "continuity" (1 is best), "k-NN accuracy" (if y was given), "fit seconds" and "transform
        seconds". All scores are of the held-out rows. If a reducer failed, a last column "error"
        has the beginning of its error; missing scores are NaN.
    estimators : dict of str to object
        The fitted reducers, without those that failed before they had made codes.
    X_test : ndarray of shape (n_test, n_features)
        The held-out rows, images flattened; of a frame, its columns of numbers.
    y_test : ndarray of shape (n_test,) or None
        Their classes.
    codes : dict of str to ndarray of shape (n_test, n_components)
        The latent codes of the held-out rows.
    reconstructions : dict of str to ndarray of shape (n_test, n_features)
        The held-out rows as reconstructed from the codes, for the reducers whose reconstruction
        is scored.
    image_shape : tuple of int or None
        ``(height, width[, channels])`` if the rows are images.
    errors : dict of str to Exception, default=None
        The exceptions of the reducers that failed; empty if none did.
    folds : pandas.DataFrame, default=None
        The scores of each reducer in each fold, if there are several; the table has their means.
    feature_names : list of str, default=None
        Names of the columns of `X_test`. If None, they have none.
    settings : dict of str to str or dict, default=None
        How the comparison was made: the call, the data, the split, versions, date, and the
        parameters of each reducer.

    See Also
    --------
    compare : Fit reducers and score them.

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

    def __init__(
        self,
        table: Any,
        estimators: dict[str, Any],
        X_test: np.ndarray,
        y_test: np.ndarray | None,
        codes: dict[str, np.ndarray],
        reconstructions: dict[str, np.ndarray],
        image_shape: tuple[int, ...] | None,
        errors: dict[str, Exception] | None = None,
        folds: Any = None,
        feature_names: list[str] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.table = table
        self.estimators = estimators
        self.X_test = X_test
        self.y_test = y_test
        self.codes = codes
        self.reconstructions = reconstructions
        self.image_shape = image_shape
        self.errors = {} if errors is None else errors
        self.folds = folds
        self.feature_names = feature_names
        self.settings = {} if settings is None else settings

    def plot(self, *, n_images: int = 10) -> Any:
        """Draw held-out images with their reconstructions, and the codes colored by class.

        If the rows are not images, a bar chart shows the reconstruction errors.

        Parameters
        ----------
        n_images : int, default=10
            The largest number of images to show.

        Returns
        -------
        matplotlib Figure
            The figure, reconstructions above codes.

        Raises
        ------
        ValueError
            If every reducer failed, or `n_images` is below 1.
        """
        return plot_comparison(self, n_images=n_images)

    def plot_sizes(self, score: str = "reconstruction error", *, ax: Any = None) -> Any:
        """Draw a score over the size of the code, a curve for each reducer.

        It shows how many components are enough.

        Parameters
        ----------
        score : str, default="reconstruction error"
            A column of the table.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.

        Returns
        -------
        TradeOffDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the comparison was not made with a list of ``n_components``, or has no such score.
        """
        return TradeOffDisplay.from_comparison(self, score=score, cost="n_components", ax=ax)

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write a report: one page that needs no other file.

        It explains and marks the scores, shows errors against seconds and sizes of the code,
        errors of each feature or pixel, images beside their reconstructions, the codes and the
        losses, and records the call, the data, the parameters and the versions. Columns of its
        tables can be sorted. It follows the light or dark theme of the reader, and can be printed.

        Parameters
        ----------
        path : str or path-like
            The file to write; ``~`` is the home folder.

        Raises
        ------
        OSError
            If the file cannot be written.
        ImportError
            If jinja2 or matplotlib is missing.
        """
        # Imported here, so that `import skae` does not wait for it.
        from ._page import render

        path = target(path)  # before the work
        write_atomically(path, render(self).encode())

    def to_json(self, path: str | PathLike[str] | None = None) -> str:
        """Return the scores, errors and settings as JSON.

        Parameters
        ----------
        path : str or path-like, default=None
            A file to write as well; ``~`` is the home folder.

        Returns
        -------
        str
            A document with ``scores`` and, of a cross-validation, ``folds`` (a list of one object
            for each row; missing scores are null), ``errors`` and ``settings``.
        """
        return _written(as_json(self), path)

    def to_markdown(self, path: str | PathLike[str] | None = None) -> str:
        """Return the table as Markdown, with a line on how it was made.

        Parameters
        ----------
        path : str or path-like, default=None
            A file to write as well; ``~`` is the home folder.

        Returns
        -------
        str
            The table in GitHub's form.
        """
        return _written(as_markdown(self), path)

    def __repr__(self) -> str:
        return str(self.table.to_string(**_STYLE))

    def _repr_html_(self) -> str:
        return str(self.table.to_html(**_STYLE))


def _written(text: str, path: str | PathLike[str] | None) -> str:
    """Return a text, and write it where a path is given."""
    if path is not None:
        write_atomically(path, text.encode())
    return text
