"""The autoencoder of whole sequences: a code each, whatever their length."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from .._typing import MatrixLike, Seed
from ..metrics import explained_variance
from ..metrics._reconstruction import mean_squares
from ..series._stretching import from_grid
from ._blocks import by_blocks
from ._docs import shared_docs
from ._frames import in_output_container, single_row
from ._input import read_codes
from ._mixins import ADVICE_ON_SCORE, if_masking
from ._parameters import (
    ArchitectureLike,
    Callbacks,
    Device,
    FilePath,
    ImageShape,
    LossLike,
    NoiseLike,
    OptimizerLike,
)
from ._readings import warn_of_ignored_target
from ._sequence_rows import WholeSequenceEstimator

Sequences = MatrixLike | list[Any]


@shared_docs
class SequenceAutoencoder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, WholeSequenceEstimator
):
    """Nonlinear dimensionality reduction of whole sequences, of equal or unequal length.

    An encoder maps each sequence, such as a gesture or a heartbeat, to a latent code of
    ``n_components`` numbers, and a decoder maps the code back to a sequence. Both are convolutions
    in time, or recurrences. A linear skip connection around them starts at PCA's solution of the
    flattened sequences, so that training begins where PCA ends. Codes are rows of numbers: what
    clusters or classifies rows can follow in a Pipeline.

    Sequences of unequal length are given as a list. Each is stretched by linear interpolation to
    the number of time steps of the longest, and its length is one more value that is encoded and
    decoded: it counts as a tenth of the variance of the frames.

    Parameters
    ----------
    n_components
        Shared with the other estimators, as all entries without a type: see `_docs`.
    frame_shape : tuple of int, default=None
        Shape of a frame if X has two dimensions: ``(n_channels,)``, ``(height, width)`` or
        ``(height, width, channels)``. If None, each column of such an X is a time step of a series
        of numbers. Not needed if X has more dimensions, or is a list.
    architecture : {'auto', 'conv', 'recurrent', 'dense'} or Architecture, default='auto'
        The networks: a name, or an object of `skae.architectures`: `TemporalConv`, `Recurrent`,
        `Dense`, your own modules as `Custom`, or your own subclass of `Architecture`. ``'auto'`` is
        ``'conv'`` for 16 time steps or more and ``'dense'`` for fewer. Modules get the frames of
        a sequence one after the other, and its length behind them if lengths differ.
    loss : {'mse', 'l1', 'huber', 'bce'}, Loss, callable or Module, default='mse'
        Reconstruction loss to minimize. ``'mse'``, ``'l1'`` and ``'huber'`` compare centered and
        scaled data. ``'bce'`` (binary cross-entropy) needs data in [0, 1] and ends the decoder in a
        sigmoid. A callable ``loss(reconstruction, target)`` or a module gets tensors of shape
        (n_samples, n_timesteps, n_channels) in the units of the data. A
        :class:`~skae.losses.Loss` says in addition which units its function expects.
    missing_values : {None, 'mask'}, default=None
        If ``'mask'``, NaN in X is a missing value, here and in every method, and `impute` replaces
        it. The encoder sees the mean in its place, the loss is that of the observed values, and
        training hides another 30 % of them from the encoder at random. If None, frames of only NaN
        at the end of a sequence are padding, and all other NaN is refused.
    noise : {'gaussian', 'masking', 'salt_pepper'}, Noise or callable, default=None
        Corruption of the input during training, while the clean data are the target.
        ``'gaussian'`` adds normal noise, ``'masking'`` sets values to zero, ``'salt_pepper'`` sets
        them to the smallest or largest value of the channel at this time step. A callable gets a
        batch of shape (n_samples, n_timesteps, n_channels) in the units of the data and returns its
        corrupted version. A :class:`~skae.noises.Noise` gets the level, too. If None, the input is
        not corrupted.
    noise_level, optimizer, learning_rate_init, learning_rate, alpha, batch_size, max_iter, \
            early_stopping, validation_fraction, n_iter_no_change, tol, warm_start, callbacks, \
            checkpoint, device, precision, compile, verbose, random_state
        Shared.

    Attributes
    ----------
    frame_shape_ : tuple of int
        Shape of a frame; ``()`` if it is a number.
    n_timesteps_ : int
        Number of time steps that the network sees: that of the longest sequence in `fit`.
    length_range_ : tuple of int or None
        Smallest and largest length in `fit`, between which `inverse_transform` chooses. None if
        all were equal.
    length_scale_ : float
        Value of a time step in the last column of the rows that the network sees. Only available
        if lengths differ.
    is_list_ : bool
        Whether X was a list of sequences of unequal length in `fit`, as `inverse_transform`
        returns them.
    n_features_in_ : int
        Number of time steps of the longest sequence in `fit` times number of values in a frame.
    sample_shape_ : tuple of int
        Shape of the longest sequence in `fit`; ``(n_features_in_,)`` if X was flat.
    module_ : torch.nn.Module
        The trained network. Called on a tensor of rows, in the units of X, it returns their
        reconstruction. A row holds the frames of a sequence of ``n_timesteps_`` steps and, if
        lengths differ, ``length_scale_`` times the length.
    n_components_, feature_names_in_, architecture_, network_options_, n_iter_, best_n_iter_, \
            n_samples_seen_, loss_curve_, history_, reconstruction_err_, net_
        Shared.

    See Also
    --------
    SequencePredictor : Prediction of the frames that follow on a sequence.
    Autoencoder : The same for rows.
    Windows : Cuts one long series into sequences of equal length.

    Notes
    -----
    Channels count by their variance, as in PCA. If they have different units, divide each by its
    standard deviation before.

    `transform` takes sequences of other lengths than in `fit`, unless X is flat without a
    `frame_shape`; they are stretched to ``n_timesteps_``.

    References
    ----------
    Srivastava, Mansimov and Salakhutdinov (2015). Unsupervised learning of video representations
    using LSTMs. ICML.

    Examples
    --------
    Pulses at any time, of unequal length:

    >>> import numpy as np
    >>> from skae import SequenceAutoencoder
    >>> rng = np.random.default_rng(0)
    >>> pulses = [
    ...     np.exp(-20 * (np.linspace(-1, 1, rng.integers(20, 60)) - rng.uniform(-0.7, 0.7)) ** 2)
    ...     for _ in range(300)
    ... ]
    >>> autoencoder = SequenceAutoencoder(4, max_iter=15, random_state=0)
    >>> codes = autoencoder.fit_transform(pulses)
    >>> codes.shape
    (300, 4)
    >>> decoded = autoencoder.inverse_transform(codes)
    >>> bool(np.mean([abs(len(a) - len(b)) for a, b in zip(decoded, pulses)]) < 1)
    True
    >>> bool(autoencoder.score(pulses) > 0.99)
    True
    """

    def __init__(
        self,
        n_components: float | str = 2,
        *,
        frame_shape: ImageShape = None,
        architecture: ArchitectureLike = "auto",
        loss: LossLike = "mse",
        missing_values: str | None = None,
        noise: NoiseLike = None,
        noise_level: float = 0.1,
        optimizer: OptimizerLike = "adamw",
        learning_rate_init: float = 0.006,
        learning_rate: str = "one_cycle",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        callbacks: Callbacks = None,
        checkpoint: FilePath = None,
        device: Device = "auto",
        precision: str = "auto",
        compile: bool = False,
        verbose: int = 0,
        random_state: Seed = None,
    ) -> None:
        self.n_components = n_components
        self.frame_shape = frame_shape
        self.architecture = architecture
        self.loss = loss
        self.missing_values = missing_values
        self.noise = noise
        self.noise_level = noise_level
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.device = device
        self.precision = precision
        self.compile = compile
        self.verbose = verbose
        self.random_state = random_state

    def fit(
        self,
        X: Sequences,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: Sequences | None = None,
    ) -> Self:
        """Train encoder and decoder on sequences.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Training sequences. Flat ones have shape (n_samples, n_timesteps * frame size). Those of
            unequal length are a list of arrays of shape (n_timesteps, *frame_shape), or an array
            padded with frames of NaN behind their ends. uint8 and memmaps of sequences of equal
            length are converted a batch at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sequence counts. If None, all count the same.
        X_target : array-like or list of the shape of X, default=None
            The target of the reconstruction, such as clean data for noisy X. If None, it is X.

        Returns
        -------
        self : SequenceAutoencoder
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target)

    def partial_fit(
        self,
        X: Sequences,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: Sequences | None = None,
    ) -> Self:
        """Continue training with one pass over a batch of sequences.

        A call may hold a single sequence. Without a `fit` before, training starts anew from all
        so far each time their number has doubled, until 500 have come: fewer determine neither
        scale nor principal directions. Later calls take one step for each 64 sequences and keep the
        mean of the weights over the last calls. The learning rate is constant: half of
        ``learning_rate_init``, or all of it with ``learning_rate='constant'``, times the root of
        the fraction of 64 that a smaller batch has. No sequences are held out.

        The first batch determines the number of time steps, and whether lengths are encoded. Center
        and scale are those of the first 500 sequences; dense networks follow the data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            The batch, as in `fit`.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sequence counts. If None, all count the same.
        X_target : array-like or list of the shape of X, default=None
            The target of the reconstruction. If None, it is X.

        Returns
        -------
        self : SequenceAutoencoder
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target, partial=True)

    @by_blocks
    def transform(self, X: Sequences) -> np.ndarray:
        """Encode sequences.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences, in a form that `fit` takes.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Latent codes; a DataFrame if `set_output` asks for one.
        """
        codes: np.ndarray = self._encode(self._read(X)[0])
        return codes

    @by_blocks
    def inverse_transform(self, X: ArrayLike) -> Any:
        """Decode latent codes to sequences.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Latent codes.

        Returns
        -------
        sequences : ndarray of shape (n_samples, n_timesteps, *frame_shape), or list of ndarray
            Of shape ``(n_samples, n_features_in_)`` if X was flat in `fit`. If lengths differed
            there, each sequence has the length that its code holds: they are a list if `fit` got
            one, and an array padded with NaN otherwise.
        """
        check_is_fitted(self)
        rows = self._decode(read_codes(self, X))
        frames, lengths = self._to_frames(rows), self._decoded_lengths(rows)
        is_flat = len(self.sample_shape_) == 1
        if lengths is not None:
            frames = from_grid(frames, lengths, self.n_timesteps_)
            if self.is_list_:
                return self._as_list(frames, lengths, is_flat)
        return in_output_container(self, self._in_layout(frames, is_flat), X)

    @by_blocks
    def reconstruct(self, X: Sequences) -> Any:
        """Encode sequences and decode the codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences, in a form that `fit` takes.

        Returns
        -------
        sequences : ndarray of the shape of X, or list of ndarray
            The decoded codes, each as long as its sequence; a list if X is one.
        """
        rows, sequences = self._read(X)
        return self._like(self._as_long_as(self._reconstruct(rows), sequences), sequences, X)

    @if_masking
    def impute(self, X: Sequences) -> Any:
        """Replace missing values by what the codes decode to, if ``missing_values='mask'``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences, NaN where values are missing.

        Returns
        -------
        sequences : ndarray of the shape of X, or list of ndarray
            A copy of X without missing values. Observed values stay as they are, to the bit.
        """
        rows, sequences = self._read(X)
        decoded = self._as_long_as(self._reconstruct(rows), sequences)
        values = sequences.values
        imputed = np.where(np.isnan(values), decoded, values).astype(values.dtype)
        return self._like(imputed, sequences, X)

    def interpolate(self, a: ArrayLike, b: ArrayLike, n: int = 8) -> Any:
        """Decode the straight path between the codes of two sequences.

        Parameters
        ----------
        a : array-like of shape (n_timesteps, *frame_shape), or flat
            Where the path begins.
        b : array-like of shape (n_timesteps, *frame_shape), or flat
            Where the path ends.
        n : int, default=8
            Number of steps, both ends included.

        Returns
        -------
        path : ndarray of shape (n, n_timesteps, *frame_shape), or list of ndarray
            As `inverse_transform` returns sequences.
        """
        check_is_fitted(self)
        check_scalar(n, "n", Integral, min_val=2)
        # One by one, since they may be of unequal length.
        rows = (single_row(each, self.sample_shape_) for each in (a, b))
        ends = (self.transform(list(row) if type(row) is np.ndarray else row) for row in rows)
        # set_output may have made frames of the codes.
        start, end = (np.asarray(each) for each in ends)
        fractions = np.linspace(0, 1, n, dtype=start.dtype)[:, None]
        return self.inverse_transform((1 - fractions) * start + fractions * end)

    def score(
        self, X: Sequences, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the fraction of the variance of X that the reconstruction explains.

        Missing values are left out, and so is the length.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences, in a form that `fit` takes.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sequence, see :func:`~skae.metrics.explained_variance`.

        Returns
        -------
        score : float
            1 is perfect, 0 as good as the mean of X at each time step.
        """
        warn_of_ignored_target(X, y, ADVICE_ON_SCORE)
        return explained_variance(*self._compare(X), sample_weight=sample_weight)

    @by_blocks
    def score_samples(self, X: Sequences) -> np.ndarray:
        """Return minus the mean squared error of each sequence's reconstruction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences, in a form that `fit` takes.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Higher is more normal. In the units of X squared, float64. Missing values are left
            out; a sequence without observed values scores 0.
        """
        return -mean_squares(*self._compare(X))

    def _compare(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return sequences as rows, padded with NaN, and their reconstruction."""
        rows, sequences = self._read(X)
        values = sequences.values
        decoded = self._as_long_as(self._reconstruct(rows), sequences)
        return values.reshape(len(values), -1), decoded.reshape(len(values), -1)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)
