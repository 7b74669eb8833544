"""What the components of a code mean: sensitivities, activity, known factors."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch

from .._arrays import as_array
from .._typing import Seed
from ..inspection import component_activity, component_importances, disentanglement
from ._estimators import fitted_image_shape
from ._heatmaps import draw_heatmap
from ._images import as_images, draw_rows
from ._style import COLORS, axes_or_new


def _component_names(n_components: int) -> list[str]:
    return [f"code {i + 1}" for i in range(n_components)]


class ComponentImportancesDisplay:
    """How strongly each component depends on each feature, in standard deviations.

    A table of colors, or an image for each component where features are pixels. Build it by
    :meth:`from_estimator`.

    Parameters
    ----------
    importances : ndarray of shape (n_components, n_features)
        The result of :func:`skae.inspection.component_importances`.
    feature_names : sequence of str, default=None
        Names of the features. If None, they are numbered.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, channels)`` if features are pixels.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The picture.
    ax_ : matplotlib Axes
        The axes it is drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.plotting import ComponentImportancesDisplay
    >>> X, _ = load_iris(return_X_y=True, as_frame=True)
    >>> display = ComponentImportancesDisplay.from_estimator(PCA(2).fit(X), X)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['code 1', 'code 2']
    """

    def __init__(
        self,
        *,
        importances: np.ndarray,
        feature_names: Sequence[str] | None = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.importances = importances
        self.feature_names = feature_names
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        of: str = "encoder",
        n_samples: int = 100,
        random_state: Seed = 0,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Compute the importances and draw them; those of pixels on a common scale.

        Parameters
        ----------
        estimator : object
            A fitted reducer, see :func:`skae.inspection.component_importances`.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            Data, in a layout that the reducer takes.
        of : {'encoder', 'decoder'}, default='encoder'
            Whether to draw the sensitivities of the codes to the features, or of the reconstructed
            features to the codes.
        n_samples : int, default=100
            The largest number of samples to average over.
        random_state : int, RandomState instance or None, default=0
            Chooses the samples if there are more.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)``. If None, that of X if it holds
            images, or else the ``image_shape_`` of the fitted estimator.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ComponentImportancesDisplay
            The display, drawn.
        """
        X = as_array(X)
        if image_shape is None:
            shape = X.shape[1:]
            image_shape = shape if len(shape) > 1 else fitted_image_shape([estimator], shape[0])
        importances = component_importances(
            estimator,
            X,
            of=of,
            # Columns of a table have units of their own, pixels share one.
            scale="feature" if image_shape is None else "common",
            n_samples=n_samples,
            random_state=random_state,
        )
        names = [str(each) for each in X.columns] if hasattr(X, "columns") else None
        display = cls(importances=importances, feature_names=names, image_shape=image_shape)
        return display.plot(ax=ax, **imshow_kwargs)

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> Self:
        """Draw the importances.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ComponentImportancesDisplay
            The display itself.
        """
        n_components, n_features = self.importances.shape
        rows = _component_names(n_components)
        if self.image_shape is None:
            columns = self.feature_names or [f"feature {i}" for i in range(n_features)]
            label = "standard deviations"
            self.im_ = draw_heatmap(self.importances, rows, columns, label, ax=ax, **imshow_kwargs)
        else:
            images = as_images(self.importances, self.image_shape)
            # Importances have no color: the mean over the channels shows where they are.
            images = images.mean(axis=-1) if images.ndim == 4 else images
            style = {"cmap": "inferno", "column_labels": rows, "image_inches": 1.4}
            # From zero, so that a component without influence stays dark.
            limits = (0.0, float(images.max()) or 1.0)
            self.im_ = draw_rows(images[None], limits, ax=ax, **{**style, **imshow_kwargs})
        self.ax_, self.figure_ = self.im_.axes, self.im_.figure
        return self


class ComponentActivityDisplay:
    """Which components of a code are in use: a bar for the effect of each.

    Inactive ones are grey. Where the estimator has a posterior, dots show its divergence from the
    prior, which is near 0 where the posterior collapsed. Build it by :meth:`from_estimator`.

    Parameters
    ----------
    effect : ndarray of shape (n_components,)
        Change of the reconstruction by each component.
    is_active : ndarray of shape (n_components,)
        Whether it is in use.
    divergence : ndarray of shape (n_components,), default=None
        Divergence of the posterior from the prior, in nats.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        The bars.
    ax_ : matplotlib Axes
        The axes it is drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import VariationalAutoencoder
    >>> from skae.plotting import ComponentActivityDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> fitted = VariationalAutoencoder(3, max_iter=2, random_state=0).fit(X)
    >>> display = ComponentActivityDisplay.from_estimator(fitted, X)
    >>> len(display.bars_)
    3
    """

    def __init__(
        self, *, effect: np.ndarray, is_active: np.ndarray, divergence: np.ndarray | None = None
    ) -> None:
        self.effect = effect
        self.is_active = is_active
        self.divergence = divergence

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_samples: int = 100,
        random_state: Seed = 0,
        ax: Any = None,
        **bar_kwargs: Any,
    ) -> Self:
        """Compute the activity and draw it.

        Parameters
        ----------
        estimator : object
            A fitted reducer, see :func:`skae.inspection.component_activity`.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            Data, in a layout that the reducer takes.
        n_samples : int, default=100
            The largest number of samples to average over.
        random_state : int, RandomState instance or None, default=0
            Chooses the samples if there are more.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **bar_kwargs : dict
            Passed to matplotlib's ``bar``.

        Returns
        -------
        ComponentActivityDisplay
            The display, drawn.
        """
        found = component_activity(estimator, X, n_samples=n_samples, random_state=random_state)
        return cls(**found).plot(ax=ax, **bar_kwargs)

    def plot(self, ax: Any = None, **bar_kwargs: Any) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **bar_kwargs : dict
            Passed to matplotlib's ``bar``.

        Returns
        -------
        ComponentActivityDisplay
            The display itself.
        """
        ax = axes_or_new(ax)
        numbers = np.arange(1, len(self.effect) + 1)
        # Grey rather than left out: the plot is to show how many are not in use.
        colors = np.where(self.is_active, COLORS[0], "#cccccc")
        label = "effect (grey: inactive)"
        style = {"color": list(colors), "label": label, **bar_kwargs}
        self.bars_ = ax.bar(numbers, self.effect, **style)
        ax.set(xlabel="component", ylabel="change of the reconstruction")
        # Components are counted: no ticks between them, and not one for each of hundreds.
        ax.locator_params(axis="x", nbins=12, integer=True)
        entries = [self.bars_]
        if self.divergence is not None:
            # Nats and changes of the data have no common axis.
            right = ax.twinx()
            marks = {"marker": "D", "linestyle": "", "color": COLORS[2]}
            entries += right.plot(numbers, self.divergence, label="divergence", **marks)
            right.set_ylabel("divergence from the prior, nats")
            # A divergence is never negative, and near zero is what collapse looks like.
            right.set_ylim(bottom=0)
        # Above the axes: inside it would lie over bars and dots.
        ax.legend(
            handles=entries, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self


class DisentanglementDisplay:
    """How much each component of a code determines each known factor, as a table of colors.

    Build it by :meth:`from_codes`.

    Parameters
    ----------
    found : Bunch
        The result of :func:`skae.inspection.disentanglement`.
    factor_names : sequence of str
        Names of the factors.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The picture.
    ax_ : matplotlib Axes
        The axes it is drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.plotting import DisentanglementDisplay
    >>> factors = np.random.default_rng(0).uniform(size=(500, 2))
    >>> display = DisentanglementDisplay.from_codes(factors, factors, factor_names=["x", "y"])
    >>> display.found.mutual_information.shape
    (2, 2)
    """

    def __init__(self, *, found: Bunch, factor_names: Sequence[str]) -> None:
        self.found = found
        self.factor_names = factor_names

    @classmethod
    def from_codes(
        cls,
        codes: ArrayLike,
        factors: ArrayLike,
        *,
        factor_names: Sequence[str] | None = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Compute the mutual information and draw it.

        Parameters
        ----------
        codes : array-like of shape (n_samples, n_components)
            Latent codes.
        factors : array-like of shape (n_samples, n_factors)
            Known factors of the samples; numbers.
        factor_names : sequence of str, default=None
            Names of the factors. If None, those of the columns of a frame, or numbers.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        DisentanglementDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there are not as many names as factors.
        """
        found = disentanglement(codes, factors)
        n_factors = found.mutual_information.shape[1]
        numbered = [f"factor {i + 1}" for i in range(n_factors)]
        names = list(
            getattr(factors, "columns", numbered) if factor_names is None else factor_names
        )
        if len(names) != n_factors:
            raise ValueError(
                f"factor_names must have a name for each of {n_factors} factors, got {len(names)}."
            )
        return cls(found=found, factor_names=[str(each) for each in names]).plot(
            ax=ax, **imshow_kwargs
        )

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> Self:
        """Draw the table.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        DisentanglementDisplay
            The display itself.
        """
        information = self.found.mutual_information
        # A fraction: tables of different codes are compared at one scale of colors.
        style = {"vmax": 1, **imshow_kwargs}
        self.im_ = draw_heatmap(
            information,
            _component_names(len(information)),
            self.factor_names,
            "fraction of the factor's entropy",
            ax=ax,
            **style,
        )
        self.ax_, self.figure_ = self.im_.axes, self.im_.figure
        values = (
            f"{name} {self.found[name]:.2f}" for name in ("mig", "modularity", "completeness")
        )
        self.ax_.set_xlabel(", ".join(values))
        return self
