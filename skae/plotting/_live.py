"""Pictures of training while it runs, and of the codes as they form."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.utils import check_scalar, get_tags

from .._engine.callbacks import Callback
from .._utils import import_optional
from ._latent import LatentSpaceDisplay, robust_limits
from ._loss import LossCurveDisplay


class LiveLoss(Callback):
    """Draw the losses after every epoch, in a notebook in the same place.

    A skorch callback: give it to an estimator as ``callbacks=[LiveLoss()]``. Outside of notebooks
    the figure is kept up to date, without being shown.

    Parameters
    ----------
    every : int, default=1
        Number of epochs between two drawings.

    Attributes
    ----------
    display_ : LossCurveDisplay
        The last drawing.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import Autoencoder
    >>> from skae.plotting import LiveLoss
    >>> live = LiveLoss()
    >>> autoencoder = Autoencoder(2, max_iter=4, callbacks=[live], random_state=0)
    >>> len(autoencoder.fit(load_iris().data).loss_curve_) == len(live.display_.train_loss)
    True
    """

    # After all others, so that it sees the losses that they record.
    position = 10

    def __init__(self, every: int = 1) -> None:
        self.every = every

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Make an empty figure, in a notebook one that is shown.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net that is trained.
        **kwargs : dict
            Ignored.
        """
        check_scalar(self.every, "every", Integral, min_val=1)
        import_optional("matplotlib", "plot")
        figure_class = import_optional("matplotlib.figure", "plot").Figure
        # Not of pyplot, which would show it a second time at the end of a notebook's cell.
        self.figure_ = figure_class(layout="constrained")
        self.handle_ = _show_in_notebook(self.figure_)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Draw the losses so far.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net that is trained.
        **kwargs : dict
            Ignored.
        """
        if len(net.history) % self.every:
            return
        self.figure_.clear()
        valid = np.array([epoch.get("valid_loss", np.nan) for epoch in net.history], dtype=float)
        self.display_ = LossCurveDisplay(
            train_loss=[epoch["train_loss"] for epoch in net.history],
            valid_loss=None if np.isnan(valid).all() else valid,
        ).plot(self.figure_.subplots())
        if self.handle_ is not None:
            self.handle_.update(self.figure_)


def _show_in_notebook(figure: Any) -> Any:
    """Show a figure below the cell and return its handle, None outside of notebooks."""
    try:
        IPython = import_optional("IPython", "plot")
    except ImportError:
        return None
    shell = IPython.get_ipython()
    # A terminal's shell cannot draw over what it has shown.
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return IPython.display.display(figure, display_id=True)


def animate_latent(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    n_epochs: int = 30,
    interval: int = 150,
    ax: Any = None,
    **scatter_kwargs: Any,
) -> Any:
    """Train a copy of an estimator epoch by epoch and animate how its codes form.

    Codes of more than two dimensions are shown by the two principal components of the last ones.

    Parameters
    ----------
    estimator : object
        An estimator with ``partial_fit`` and ``transform``; it stays as it is.
    X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
        Data to train on and to encode.
    y : array-like of shape (n_samples,), default=None
        Target that colors the points, see :class:`LatentSpaceDisplay`; training gets it only if
        the estimator needs one.
    n_epochs : int, default=30
        Number of epochs, each by a call of ``partial_fit``.
    interval : int, default=150
        Milliseconds that each is shown.
    ax : matplotlib Axes, default=None
        Axes to draw on. If None, a new figure is made.
    **scatter_kwargs : dict
        Passed to matplotlib's ``scatter``.

    Returns
    -------
    matplotlib FuncAnimation
        Show it in a notebook by ``IPython.display.HTML(animation.to_jshtml())``, write it by
        ``animation.save("codes.gif", writer="pillow")``. Keep it in a variable until then.

    Raises
    ------
    TypeError
        If the estimator has no ``partial_fit``.
    ValueError
        If `n_epochs` is below 1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import Autoencoder
    >>> from skae.plotting import animate_latent
    >>> X, y = load_iris(return_X_y=True)
    >>> animation = animate_latent(Autoencoder(2, random_state=0), X, y, n_epochs=3)
    >>> html = animation.to_jshtml()
    """
    animation = import_optional("matplotlib.animation", "plot")
    check_scalar(n_epochs, "n_epochs", Integral, min_val=1)
    codes = _codes_by_epoch(estimator, X, y, n_epochs)
    positions = _in_one_plane(codes)
    display = LatentSpaceDisplay.from_codes(positions[-1], y, ax=ax, **scatter_kwargs)
    limits = [robust_limits(values) for values in positions.reshape(-1, 2).T]
    # The same for all epochs: a view that follows the codes would hide how they move.
    display.ax_.set(xlim=limits[0], ylim=limits[1])
    if codes[-1].shape[1] > 2:
        display.ax_.set(xlabel="PC 1 of the code", ylabel="PC 2 of the code")

    def draw(epoch: int) -> list[Any]:
        display.scatter_.set_offsets(positions[epoch])
        display.ax_.set_title(f"epoch {epoch + 1}")
        return [display.scatter_]

    return animation.FuncAnimation(display.figure_, draw, frames=n_epochs, interval=interval)


def _codes_by_epoch(estimator: Any, X: Any, y: Any, n_epochs: int) -> list[np.ndarray]:
    """Return the codes of X after each epoch of training."""
    trained = clone(estimator)
    if not hasattr(trained, "partial_fit"):
        raise TypeError(
            f"estimator must have partial_fit, got {type(estimator).__name__}, which has none."
        )
    codes = []
    # Others ignore y, or warn of one that looks like data.
    target = y if get_tags(trained).target_tags.required else None
    for _ in range(n_epochs):
        trained.partial_fit(X, target)
        codes.append(np.asarray(trained.transform(X), dtype=float))
    return codes


def _in_one_plane(codes: list[np.ndarray]) -> np.ndarray:
    """Return codes (n_epochs, n_samples, 2): of more dimensions, in the plane of the last ones."""
    n_components = codes[-1].shape[1]
    if n_components > 2:
        # One plane for all epochs: that of each would turn from one to the next.
        plane = PCA(n_components=2).fit(codes[-1])
        return np.stack([plane.transform(each) for each in codes])
    return np.stack([np.pad(each, [(0, 0), (0, 2 - n_components)]) for each in codes])
