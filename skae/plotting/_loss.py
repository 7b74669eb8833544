"""The loss, epoch by epoch."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._utils import import_optional
from ._estimators import held_attribute


class LossCurveDisplay:
    """Training loss, and validation loss where there is one, against the epoch.

    A dot marks the epoch of the best validation loss. Build it by :meth:`from_estimator`.

    Parameters
    ----------
    train_loss : array-like of shape (n_epochs,)
        Loss on the training rows.
    valid_loss : array-like of shape (n_epochs,), default=None
        Loss on held-out rows; NaN in epochs without.
    name : str, default=None
        Name of the estimator in the legend, for several in one plot.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curve of the training loss, and that of the validation loss where there is one.
    ax_ : matplotlib Axes
        The axes they are drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from skae.plotting import LossCurveDisplay
    >>> display = LossCurveDisplay(train_loss=[3, 2, 1], valid_loss=[3, 2, 2.5]).plot()
    >>> [line.get_label() for line in display.lines_]
    ['training', 'validation']
    """

    def __init__(
        self,
        *,
        train_loss: ArrayLike,
        valid_loss: ArrayLike | None = None,
        name: str | None = None,
    ) -> None:
        self.train_loss = train_loss
        self.valid_loss = valid_loss
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Any = None, **line_kwargs: Any
    ) -> Self:
        """Draw the losses in the ``history_`` of a fitted estimator.

        Parameters
        ----------
        estimator : object
            A fitted estimator with ``history_``, a list of one dict for each epoch with the key
            ``"train_loss"`` and, if rows were held out, ``"valid_loss"``; or a Pipeline that ends
            in one, or a search or another meta-estimator around it.
        name : str, default=None
            Name of the estimator in the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **line_kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        LossCurveDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If neither it nor an estimator that it holds has a ``history_``.
        """
        check_is_fitted(estimator)
        history = held_attribute(estimator, "history_")
        if history is None:
            raise TypeError(
                "estimator must have the losses of its epochs in history_, got "
                f"{type(estimator).__name__}, which neither has it nor holds an estimator with it."
            )
        train_loss = np.array([epoch["train_loss"] for epoch in history])
        # partial_fit records no validation loss, and may come after fit.
        losses = np.array([epoch.get("valid_loss", np.nan) for epoch in history])
        valid_loss = None if np.isnan(losses).all() else losses
        display = cls(train_loss=train_loss, valid_loss=valid_loss, name=name)
        return display.plot(ax=ax, **line_kwargs)

    def plot(self, ax: Any = None, **line_kwargs: Any) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **line_kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        LossCurveDisplay
            The display itself.
        """
        plt = import_optional("matplotlib.pyplot", "plot")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        prefix = "" if self.name is None else f"{self.name}, "
        # Epochs are counted from one, as in the progress bar.
        epochs = np.arange(1, np.size(self.train_loss) + 1)
        # The caller's arguments come last, and win.
        style = {"label": f"{prefix}training", **line_kwargs}
        self.lines_ = ax.plot(epochs, self.train_loss, **style)
        if self.valid_loss is not None:
            best = {"marker": "o", "markevery": [int(np.nanargmin(np.asarray(self.valid_loss)))]}
            style = {"label": f"{prefix}validation", **best, **line_kwargs}
            self.lines_ += ax.plot(epochs, self.valid_loss, **style)
        ax.set(xlabel="epoch", ylabel="loss")
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
