"""The loss, epoch by epoch."""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._utils import import_optional


class LossCurveDisplay:
    """Training loss, and validation loss where there is one, against the epoch.

    A dot marks the epoch of the best validation loss. Build it by :meth:`from_estimator`.

    Parameters
    ----------
    train_loss : array-like of shape (n_epochs,)
        Loss on the training rows.
    valid_loss : array-like of shape (n_epochs,), default=None
        Loss on the rows held out; not a number in epochs without.
    name : str, default=None
        What to call the estimator in the legend, for several in one picture.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curve of the training loss, and that of the validation loss where there is one.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure around them.

    Examples
    --------
    >>> from skae.plotting import LossCurveDisplay
    >>> display = LossCurveDisplay(train_loss=[3, 2, 1], valid_loss=[3, 2, 2.5]).plot()
    >>> [line.get_label() for line in display.lines_]
    ['training', 'validation']
    """

    def __init__(self, *, train_loss, valid_loss=None, name=None):
        self.train_loss = train_loss
        self.valid_loss = valid_loss
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Any = None, **line_kwargs: Any
    ) -> Self:
        """Draw the losses that a fitted estimator keeps in ``history_``.

        Parameters
        ----------
        estimator : object
            A fitted estimator with ``history_``, a list of one dict an epoch with the key
            ``"train_loss"`` and, where rows were held out, ``"valid_loss"``.
        name : str, default=None
            What to call the estimator in the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **line_kwargs : dict
            For matplotlib's ``plot``.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it keeps no history.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "history_"):
            raise TypeError(
                "estimator must keep the losses of its epochs in history_, got "
                f"{type(estimator).__name__}, which does not."
            )
        train_loss = np.array([epoch["train_loss"] for epoch in estimator.history_])
        losses = np.array([epoch.get("valid_loss", np.nan) for epoch in estimator.history_])
        valid_loss = None if np.isnan(losses).all() else losses
        display = cls(train_loss=train_loss, valid_loss=valid_loss, name=name)
        return display.plot(ax=ax, **line_kwargs)

    def plot(self, ax: Any = None, **line_kwargs: Any) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **line_kwargs : dict
            For matplotlib's ``plot``.

        Returns
        -------
        LossCurveDisplay
            The display itself.
        """
        plt = import_optional("matplotlib.pyplot", "plot")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        prefix = "" if self.name is None else f"{self.name}, "
        epochs = np.arange(1, len(self.train_loss) + 1)
        style = {"label": f"{prefix}training", **line_kwargs}
        self.lines_ = ax.plot(epochs, self.train_loss, **style)
        if self.valid_loss is not None:
            best = {"marker": "o", "markevery": [int(np.nanargmin(self.valid_loss))]}
            style = {"label": f"{prefix}validation", **best, **line_kwargs}
            self.lines_ += ax.plot(epochs, self.valid_loss, **style)
        ax.set(xlabel="epoch", ylabel="loss")
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
