"""What a comparison found, and how it is shown."""

from base64 import b64encode
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .._utils import import_optional
from ..plotting import plot_comparison

# Three digits are what scores of some hundred held-out rows are good for.
_STYLE: dict[str, Any] = {"float_format": "{:.3g}".format, "na_rep": "–"}

# Without links to scripts, styles or pictures: the page works offline, and in a mail.
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


class Comparison:
    """The result of :func:`compare`.

    Parameters
    ----------
    table : pandas.DataFrame
        One row for each reducer, with the columns "reconstruction error" (mean squared, in
        squared units of X), "explained variance" (1 is perfect), "trustworthiness" and
        "continuity" (1 is best), "k-NN accuracy" (if y was given), "fit seconds" and "transform
        seconds". All scores are of the held-out rows. If a reducer failed, a last column "error"
        has the beginning of its error; what was not measured is NaN.
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

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write the table and the picture to one page that needs no other file.

        Parameters
        ----------
        path : str or path-like
            The file to write; ``~`` is the home folder.
        """
        plt = import_optional("matplotlib.pyplot", "plot")
        figure, picture = self.plot(), BytesIO()
        figure.savefig(picture, format="png", dpi=150)
        # pyplot would keep it, and show it in a notebook as well.
        plt.close(figure)
        # The picture as text within the page.
        page = _PAGE.format(
            table=self._repr_html_(), picture=b64encode(picture.getvalue()).decode()
        )
        Path(path).expanduser().write_text(page, encoding="utf-8")

    def __repr__(self) -> str:
        return str(self.table.to_string(**_STYLE))

    def _repr_html_(self) -> str:
        return str(self.table.to_html(**_STYLE))
