"""The loss, epoch by epoch, of one estimator or of several on one scale."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ._estimators import held_attribute
from ._style import axes_or_new, series_styles


class LossCurveDisplay:
    """Training loss, and validation loss if any, against the epoch.

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
        The curve of the training loss, and that of the validation loss if any.
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
        train_loss, valid_loss = _read_losses(estimator)
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
        ax = axes_or_new(ax)
        prefix = "" if self.name is None else f"{self.name}, "
        # Epochs are counted from one, as in the progress bar.
        epochs = np.arange(1, np.size(self.train_loss) + 1)
        # The caller's arguments come last, and win.
        style = {"label": f"{prefix}training", **line_kwargs}
        self.lines_ = ax.plot(epochs, self.train_loss, **style)
        if self.valid_loss is not None:
            # The epoch whose weights were kept.
            best = {"marker": "o", "markevery": [int(np.nanargmin(np.asarray(self.valid_loss)))]}
            style = {"label": f"{prefix}validation", **best, **line_kwargs}
            self.lines_ += ax.plot(epochs, self.valid_loss, **style)
        ax.set(xlabel="epoch", ylabel="loss")
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _read_losses(estimator: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return training and validation losses by epoch, the latter None if there are none."""
    check_is_fitted(estimator)
    history = held_attribute(estimator, "history_")
    if history is None:
        raise TypeError(
            "estimator must have the losses of its epochs in history_, got "
            f"{type(estimator).__name__}, which neither has it nor holds an estimator with it."
        )
    train_loss = np.array([epoch["train_loss"] for epoch in history], dtype=float)
    # partial_fit records no validation loss, and may come after fit.
    valid_loss = np.array([epoch.get("valid_loss", np.nan) for epoch in history], dtype=float)
    return train_loss, None if np.isnan(valid_loss).all() else valid_loss


def validation_losses(estimator: Any) -> np.ndarray:
    """Return the losses on held-out rows by epoch, those of training if there are none."""
    train_loss, valid_loss = _read_losses(estimator)
    return train_loss if valid_loss is None else valid_loss


class LossComparisonDisplay:
    """Losses of several estimators on one scale, whatever their losses are.

    Each curve is the validation loss, or the training loss if no rows were held out, from its
    lowest value (0) to its highest (1): a mean squared error and the negative log-likelihood of a
    variational autoencoder can then be seen side by side. Build it by :meth:`from_estimators`.

    Parameters
    ----------
    losses : dict of str to array-like of shape (n_epochs,)
        The losses by the name of the estimator; NaN in epochs without. Those without any epoch
        are left out.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curves, in the order of `losses`.
    ax_ : matplotlib Axes
        The axes they are drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from skae.plotting import LossComparisonDisplay
    >>> display = LossComparisonDisplay(losses={"a": [3, 2, 1], "b": [-10, -40, -50]}).plot()
    >>> display.lines_[1].get_ydata()
    array([1.  , 0.25, 0.  ])
    """

    def __init__(self, *, losses: Mapping[str, ArrayLike]) -> None:
        self.losses = losses

    @classmethod
    def from_estimators(
        cls, estimators: dict[str, Any], *, ax: Any = None, **line_kwargs: Any
    ) -> Self:
        """Draw the losses of fitted estimators.

        Parameters
        ----------
        estimators : dict of str to object
            Fitted estimators by name, with ``history_``; Pipelines that end in one, searches and
            other meta-estimators around one.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **line_kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        LossComparisonDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If one of them is not fitted.
        TypeError
            If one has no ``history_``, and holds no estimator with it.
        """
        losses = {name: validation_losses(each) for name, each in estimators.items()}
        return cls(losses=losses).plot(ax=ax, **line_kwargs)

    def plot(
        self, ax: Any = None, *, colors: dict[str, Any] | None = None, **line_kwargs: Any
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        colors : dict of str to color, default=None
            Colors of the estimators by name. If None, each gets its own.
        **line_kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        LossComparisonDisplay
            The display itself.
        """
        ax = axes_or_new(ax)
        self.lines_ = []
        styles = series_styles(len(self.losses))
        for style, (name, losses) in zip(styles, self.losses.items(), strict=True):
            if not np.size(losses):
                continue
            style = style if colors is None else {**style, "color": colors[name]}
            curve = _to_own_range(np.asarray(losses, dtype=float))
            epochs = np.arange(1, len(curve) + 1)
            # A few markers a curve: they say which it is without hiding it.
            style = {"markevery": max(1, len(curve) // 6), "markersize": 5, **style}
            self.lines_ += ax.plot(epochs, curve, **{"label": str(name), **style, **line_kwargs})
        # Linear below a hundredth: the lowest value is zero, which has no logarithm.
        ax.set_yscale("symlog", linthresh=0.01)
        ax.set_yticks([0, 0.01, 0.1, 1], ["lowest", "1 %", "10 %", "highest"])
        ax.set(xlabel="epoch", ylabel="loss within its range", ylim=(-0.002, 1.2))
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2), "ncols": 2}
        if self.lines_:
            ax.legend(**place, frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _to_own_range(losses: np.ndarray) -> np.ndarray:
    """Return losses such that the lowest is 0 and the highest 1; equal ones are all 0."""
    finite = losses[np.isfinite(losses)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    # A constant curve has no range to divide by.
    unit: np.ndarray = (losses - low) / ((high - low) or 1)
    return unit
