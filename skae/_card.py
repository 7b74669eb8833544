"""A model card: what an estimator is, was trained on and reached, as Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_outlier_detector
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._arrays import columns_without_numbers
from ._typing import MatrixLike
from ._utils import found_by_search, package_versions
from .estimators._sources import in_memory
from .metrics import reconstruction_scorer

# Epochs that the table of losses shows, and feature names that the card lists.
_MAX_EPOCHS, _MAX_NAMES = 10, 20


def model_card(estimator: BaseEstimator, X_test: MatrixLike | None = None) -> str:
    """Describe a fitted estimator as Markdown, for people who are to use or to review it.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of skae, a Pipeline that ends in one, or a search that was refitted.
    X_test : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
        Held-out data in a layout that the estimator takes, for the figure that counts: explained
        variance, of frames with text what `score` returns, of detectors the rate of outliers. Rows
        from disk or of Dask are read as a whole. If None, the card has only figures of training.

    Returns
    -------
    card : str
        Its sections are the data, the parameters that differ from their defaults, figures, losses
        by epoch, and versions. What it is for, and what it must not be used for, is left to be
        filled in.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `X_test` is given and the estimator neither reconstructs data nor finds outliers, or
        only encodes text.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from skae import Autoencoder, model_card
    >>> X, X_test = train_test_split(load_digits().data, random_state=0)
    >>> autoencoder = Autoencoder(8, max_iter=10, random_state=0).fit(X)
    >>> card = model_card(autoencoder, X_test)
    >>> card.splitlines()[0]
    '# Model card: Autoencoder'
    """
    estimator = found_by_search(estimator)
    steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else []
    last: Any = steps[-1] if steps else estimator
    check_is_fitted(last)
    names = " → ".join(type(each).__name__ for each in steps or [last])
    sections = {
        "Use": _items(
            {
                "Intended use": "*to be filled in*",
                "Not to be used for": "*to be filled in*",
                "Owner": "*to be filled in*",
            }
        ),
        "Data": _items(_data(estimator, last)),
        "Parameters": _items(_parameters(last)) or ["All at their defaults."],
        "Figures": _items(_figures(estimator, last, X_test)),
        "Losses": _losses(getattr(last, "history_", [])),
        "Versions": _items(package_versions()),
    }
    lines = [f"# Model card: {names}"]
    for title, content in sections.items():
        if content:
            lines += ["", f"## {title}", "", *content]
    return "\n".join(lines) + "\n"


def _items(facts: dict[str, Any]) -> list[str]:
    return [f"- {name}: {value}" for name, value in facts.items() if value is not None]


def _data(estimator: Any, last: Any) -> dict[str, Any]:
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "Training rows": getattr(last, "n_samples_seen_", None),
        "Features": getattr(estimator, "n_features_in_", None),
        "Names": None if names is None else _shortened(names),
        "Shape of an image": getattr(last, "image_shape_", None),
        "Classes": _shortened(last.classes_) if hasattr(last, "classes_") else None,
    }


def _shortened(names: Iterable[Any]) -> str:
    listed = [f"`{name}`" for name in names]
    left_out = len(listed) - _MAX_NAMES
    return ", ".join(listed[:_MAX_NAMES]) + (f" and {left_out} more" if left_out > 0 else "")


def _parameters(estimator: Any) -> dict[str, str]:
    """Return the parameters that differ from their defaults, as scikit-learn prints them."""
    # scikit-learn's rule: every parameter has a default, which can be read off from an object.
    defaults = type(estimator)().get_params(deep=False)
    given = estimator.get_params(deep=False)
    return {
        f"`{name}`": f"`{value!r}`"
        for name, value in given.items()
        # As text, like scikit-learn's own printing: arrays have no single truth value, and two
        # equal estimators differ.
        if repr(value) != repr(defaults[name])
    }


def _figures(estimator: Any, last: Any, X_test: Any) -> dict[str, Any]:
    network = getattr(last, "module_", None)
    n_weights = None if network is None else sum(each.numel() for each in network.parameters())
    error = getattr(last, "reconstruction_err_", None)
    figures = {
        "Components of a code": getattr(last, "n_components_", None),
        "Weights": None if n_weights is None else f"{n_weights:,}",
        "Mean squared error on training rows": None if error is None else f"{error:.4g}",
        "Epochs": getattr(last, "n_iter_", None),
        "Epoch of the weights that were kept": getattr(last, "best_n_iter_", None),
    }
    if X_test is not None:
        figures |= _held_out(estimator, in_memory(X_test, "a model card"))
    return figures


def _held_out(estimator: Any, X: Any) -> dict[str, str]:
    """Return the figure of held-out data that an estimator is judged by."""
    of_rows = f"of {X.shape[0]:,} held-out rows" if hasattr(X, "shape") else "of held-out rows"
    # First of all: a predictor has inverse_transform as well, but is judged by what it predicts.
    if hasattr(estimator, "forecast"):
        return {"Explained variance of the last frames held out": f"{estimator.score(X):.4f}"}
    if hasattr(estimator, "score") and columns_without_numbers(X):
        # Text has no variance: the last step compares the numbers that it was turned into.
        return {f"Score {of_rows}": f"{estimator.score(X):.4f}"}
    if hasattr(estimator, "inverse_transform") and not columns_without_numbers(X):
        return {f"Explained variance {of_rows}": f"{reconstruction_scorer(estimator, X):.4f}"}
    # Without labels only the rate of alarms is known; of normal rows it is the false-positive rate.
    if is_outlier_detector(estimator):
        return {f"Outliers {of_rows}": f"{np.mean(estimator.predict(X) == -1):.1%}"}
    raise ValueError(
        "X_test must be None: it is judged by its reconstruction, which a fitted "
        f"{type(estimator).__name__} does not have."
    )


def _losses(history: Sequence[dict[str, Any]]) -> list[str]:
    """Return a table of some epochs, the first and the last among them."""
    if not history:
        return []
    # Without early stopping no rows are held out, and there is no validation loss.
    columns = [name for name in ("train_loss", "valid_loss") if name in history[-1]]
    # Evenly spaced; of a shorter history the same epochs come up again, and count once.
    chosen = np.unique(np.linspace(0, len(history) - 1, _MAX_EPOCHS).round().astype(int))
    rows = [[history[i]["epoch"], *(f"{history[i][name]:.4g}" for name in columns)] for i in chosen]
    table = [["epoch", *columns], ["---:"] * (1 + len(columns)), *rows]
    return ["| " + " | ".join(map(str, row)) + " |" for row in table]
