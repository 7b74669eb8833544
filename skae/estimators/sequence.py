"""The predictor of the next frame of a sequence."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from .._typing import MatrixLike, Seed
from ..metrics._reconstruction import mean_squares
from ._blocks import by_blocks
from ._docs import shared_docs
from ._forecast_intervals import ForecastIntervalMixin
from ._input import read_codes
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
from ._recurrent import SequenceEstimator
from ._sequence_input import Sequences
from ._sequence_scores import score_prediction


@shared_docs
class SequencePredictor(
    ForecastIntervalMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, SequenceEstimator
):
    """Prediction of the next frame of a sequence, from its latent code.

    An encoder maps each frame to a latent code, a recurrence, convolution in time or transformer
    predicts the code of the next frame, and a decoder maps it to the frame. Training predicts every
    frame of a sequence from the frames before it. It begins at linear autoregression: ridge
    regression of the next of PCA's codes on the last ones. The weights with the lowest error on
    held-out sequences are kept.

    Parameters
    ----------
    n_components : int, float in (0, 1) or 'auto', default=64
        Size of the latent code of a frame. What the code does not hold cannot be predicted. A
        float is the fraction of the variance of frames that PCA's code of this size explains,
        ``'auto'`` is 0.9.
    frame_shape : tuple of int, default=None
        Shape of a frame if X has two dimensions: ``(n_features,)``, ``(height, width)`` or
        ``(height, width, channels)``, ``()`` for numbers. If None, each column of such an X is a
        time step of a series of numbers. Not needed if X has more dimensions.
    cell : {'lstm', 'gru', 'tcn', 'transformer'}, default='lstm'
        What predicts from the codes so far. ``'lstm'`` and ``'gru'`` are recurrences: long
        short-term memory (Hochreiter and Schmidhuber, 1997) and gated recurrent units (Cho et al.,
        2014). ``'tcn'`` is a temporal convolution, causal and dilated, which sees the last 31
        frames (Bai, Kolter and Koltun, 2018). ``'transformer'`` is two blocks of causal attention
        to all frames (Vaswani et al., 2017).
    hidden_size : int, default=256
        Size of the hidden state at each time step.
    n_steps : int, default=1
        Number of next frames that are predicted, and trained, at once. `forecast` of more steps
        than that continues from its own predictions.
    min_history : int, default=1
        Number of frames before the first one that training predicts. Larger numbers suit
        predictors that will always see as many.
    architecture : {'auto', 'dense', 'conv'} or Architecture, default='auto'
        Encoder and decoder of a frame: a name, or an object of `skae.architectures`: `Dense`,
        `Conv`, your own modules as `Custom` (the encoder, the decoder or both; the missing side is
        the default one), or your own subclass of `Architecture`. ``'auto'`` is convolutional if
        frames are images and dense otherwise, with fewer units for frames of fewer than 64 values.
    loss : {'mse', 'l1', 'huber', 'bce', 'ssim'}, Loss, callable or Module, default='mse'
        Loss of the predicted frames, to be minimized. ``'mse'``, ``'l1'`` and ``'huber'`` compare
        centered and scaled data. ``'bce'`` (binary cross-entropy) needs data in [0, 1] and ends the
        decoder in a sigmoid. ``'ssim'`` is one minus the structural similarity of images. A
        callable ``loss(prediction, target)`` or a module gets the frames of a batch as tensors in
        the units of the data: rows, or images of shape (n_frames, n_channels, height, width). A
        :class:`~skae.losses.Loss` says in addition which units its function expects.
    missing_values : {None, 'mask'}, default=None
        If ``'mask'``, NaN within a sequence is a missing value, here and in every method. The
        encoder sees the mean of the feature in its place, and the loss is that of the observed
        values. Training hides another 30 % of them from the encoder at random. If None, such NaN is
        refused.
    noise : {'gaussian', 'masking', 'salt_pepper'}, Noise or callable, default=None
        Corruption of the input frames during training; the frames to predict stay clean.
        ``'gaussian'`` adds normal noise, ``'masking'`` sets values to zero, ``'salt_pepper'`` sets
        them to the smallest or largest value of the feature (of all pixels, for images). A callable
        gets all frames of a batch at once, in the units of the data, and returns their corrupted
        version: a tensor of shape (n_frames, n_channels, height, width), or (n_samples,
        n_timesteps, n_features) if frames are not images. A :class:`~skae.noises.Noise` gets the
        level, too. If None, the input is not corrupted.
    noise_level
        Shared with the other estimators, as all entries without a type: see `_docs`.
    optimizer, learning_rate_init, learning_rate, alpha
        Shared.
    batch_size : int or 'auto', default='auto'
        Number of sequences in a batch. ``'auto'`` is 32.
    max_iter
        Shared.
    early_stopping : bool, default=True
        Whether to hold out sequences and stop when their loss stops improving, which is the default
        here, unlike in :class:`~sklearn.neural_network.MLPRegressor`, where a score decides. The
        weights with the lowest held-out loss are restored. If False, all sequences are trained on,
        and training stops when the training loss stops improving.
    validation_fraction : float in (0, 1), default=0.1
        Fraction of the sequences to hold out for early stopping.
    n_iter_no_change, tol, warm_start, callbacks, checkpoint, device, precision, compile, verbose
        Shared.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, validation sequences, batches and noise. The global generators of numpy and
        torch are never used.

    Attributes
    ----------
    frame_shape_ : tuple of int
        Shape of a frame; ``()`` if it is a number.
    n_features_in_ : int
        Number of time steps in `fit` times number of values in a frame.
    image_shape_ : tuple of int
        (height, width, channels) of the frames. Only available if frames are images.
    sample_shape_ : tuple of int
        Shape of a frame, which `inverse_transform` returns; (n_features,) if X was flat in `fit`.
    reconstruction_err_ : float
        Mean squared error of the predicted last frames of the training sequences (of at most 20,000
        frames of them), in the units of X squared.
    calibration_errors_ : ndarray of shape (n_samples, n_steps * frame size)
        Absolute errors of the sequences of `calibrate`, sorted for each step and value. Only
        available after that.
    module_ : torch.nn.Module
        The trained network. Called on a tensor of shape (n_samples, n_timesteps, n_features), in
        the units of X, it returns the next frames, of shape (n_samples, n_features).
    n_components_, feature_names_in_, architecture_, network_options_, n_iter_, \
            best_n_iter_, n_samples_seen_, loss_curve_, history_, net_
        Shared.

    See Also
    --------
    skae.datasets.make_healing_sequences : Sequences of rotating images.

    Notes
    -----
    Sequences may be shorter or longer than in `fit` if X has more than two dimensions, is a list,
    or ``frame_shape`` is given; otherwise a two-dimensional X has the width that it had in `fit`,
    as everywhere in scikit-learn. X itself holds the lengths of its sequences, so that every
    method, pipeline and search knows them. Of sequences padded with zeros, give ``[x[:n] for x, n
    in zip(X, lengths)]``, of concatenated ones ``np.split(X, np.cumsum(lengths)[:-1])``. In a list,
    frames of NaN at the end of a sequence are missing values, in an array they are padding.

    If all sequences in `fit` begin alike, with upright digits for example, the network learns this,
    too, and new sequences should begin the same way.

    References
    ----------
    Srivastava, Mansimov and Salakhutdinov (2015). Unsupervised learning of video representations
    using LSTMs. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import SequencePredictor
    >>> phases = np.random.RandomState(0).uniform(0, 2 * np.pi, (200, 1))
    >>> waves = np.sin(phases + np.arange(12) / 2)
    >>> predictor = SequencePredictor(4, hidden_size=32, max_iter=50, random_state=0).fit(waves)
    >>> predictor.predict(waves).shape
    (200,)
    >>> predictor.forecast(waves, n_steps=3).shape
    (200, 3)
    >>> bool(predictor.score(waves, baseline="last") > 0.9)
    True
    """

    def __init__(
        self,
        n_components: float | str = 64,
        *,
        frame_shape: ImageShape = None,
        cell: str = "lstm",
        hidden_size: int = 256,
        n_steps: int = 1,
        min_history: int = 1,
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
        self.cell = cell
        self.hidden_size = hidden_size
        self.n_steps = n_steps
        self.min_history = min_history
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

    def fit(self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn to predict every next frame of the sequences.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Training sequences, of at least two frames each. Flat ones have shape (n_samples,
            n_timesteps * frame size). uint8 and memmaps are converted a batch at a time. Sequences
            of unequal length are a list of arrays of shape (n_timesteps, *frame_shape), or an array
            that is padded with frames of NaN at the end of each sequence.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sequence counts. If None, all count the same.

        Returns
        -------
        self : SequencePredictor
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight)

    def partial_fit(
        self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Continue training with one pass over a batch of sequences.

        A call may hold a single sequence. Without a `fit` before, training starts anew from all
        so far each time their number has doubled, until 500 have come: fewer determine neither
        scale nor principal directions. Later calls take one step for each 64 sequences and keep the
        mean of the weights over the last calls. The learning rate is constant: half of
        ``learning_rate_init``, or all of it with ``learning_rate='constant'``, times the root of
        the fraction of 64 that a smaller batch has. No sequences are held out.

        Center and scale follow the data, and the network computes the same in the new
        units. Convolutions follow only the scale, user-supplied modules and networks that see
        principal directions follow neither.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            The batch, as in `fit`. Later batches may have sequences of another length, see Notes.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sequence counts. If None, all count the same.

        Returns
        -------
        self : SequencePredictor
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, partial=True)

    @by_blocks
    def transform(self, X: MatrixLike) -> np.ndarray:
        """Return the latent code of the next frame.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences, in a layout that `fit` takes.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Latent codes of the predicted next frames; a DataFrame if `set_output` asks for one.
        """
        # Not of the last frame: only a code of the next one decodes to what `predict` returns.
        codes: np.ndarray = self._read(X).map(self._encode)
        return codes

    @by_blocks
    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Decode latent codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Latent codes.

        Returns
        -------
        frames : ndarray of shape (n_samples, *frame_shape)
            The frames; of shape (n_samples, frame size) if X was flat in `fit`. An array whatever
            `set_output` asks for: the values of a frame have no names.
        """
        check_is_fitted(self)
        frames: np.ndarray = self._decode(read_codes(self, X))
        return frames.reshape(-1, *self.sample_shape_)

    @by_blocks
    def predict(self, X: MatrixLike) -> np.ndarray:
        """Predict the next frame: the decoded code that `transform` returns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences, in a layout that `fit` takes.

        Returns
        -------
        frames : ndarray of shape (n_samples, *frame_shape)
            The frames; of shape (n_samples, frame size) if X is flat, and (n_samples,) if a frame
            is a number. An array whatever `set_output` asks for, here as in `forecast`.
        """
        sequences = self._read(X)
        frames: np.ndarray = self._to_frames(sequences.map(self._predict), sequences.is_flat)
        return frames

    def forecast(self, X: MatrixLike, n_steps: int | None = None) -> np.ndarray:
        """Predict several next frames.

        As many as the parameter `n_steps` are predicted at once; further ones from all frames
        before them, predicted ones included.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences, in a layout that `fit` takes.
        n_steps : int, default=None
            Number of frames to predict. If None, as many as are predicted at once.

        Returns
        -------
        frames : ndarray of shape (n_samples, n_steps, *frame_shape)
            The frames that continue the sequences; of shape (n_samples, n_steps * frame size) if X
            is flat.
        """
        sequences = self._read(X)
        n_steps = self._checked_steps(n_steps)
        return self._shaped(self._forecast(sequences, n_steps), n_steps, sequences.is_flat)

    def score(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        baseline: str | int | ArrayLike = "mean",
    ) -> float:
        """Compare the last frames with their predictions from the frames before: 1 is perfect.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences of at least two frames, in a layout that `fit` takes.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sequence, in the errors and in the mean.
        baseline : {'mean', 'last', 'linear'}, int or array-like, default='mean'
            Prediction that scores 0. ``'mean'`` is the mean of the true frames: the score is then
            the fraction of their variance that is explained. With all others it is one minus the
            ratio of the two squared errors: ``'last'`` repeats the frame before, ``'linear'`` is
            ridge autoregression that is fitted to the frames of X before the last ones, of large
            frames in 128 principal components, and needs many sequences or long ones. A number is a
            period, so that the frame as many time steps before is repeated (the seasonal naive
            forecast), and an array of shape (n_samples, *frame_shape) holds the predictions of
            another model.

        Returns
        -------
        score : float
            NaN, with an ``UndefinedMetricWarning``, if the baseline makes no error.
        """
        sequences, predicted = self._compare(X)
        return score_prediction(sequences, predicted, baseline, sample_weight)

    @by_blocks
    def score_samples(self, X: MatrixLike) -> np.ndarray:
        """Return minus the mean squared error of each predicted last frame: higher is more normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences of at least two frames, in a layout that `fit` takes.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            In the units of X squared, float64.
        """
        # The same scale as of autoencoders: a mean over the values of a frame.
        sequences, predicted = self._compare(X)
        return -mean_squares(sequences.last(), predicted)

    def _shaped(self, frames: np.ndarray, n_steps: int, is_flat: bool) -> np.ndarray:
        return frames if is_flat else frames.reshape(-1, n_steps, *self.frame_shape_)

    def _checked_steps(self, n_steps: int | None) -> int:
        if n_steps is None:
            return int(self.network_options_.get("n_steps", 1))
        check_scalar(n_steps, "n_steps", Integral, min_val=1)
        return int(n_steps)

    def _compare(self, X: Any) -> tuple[Sequences, np.ndarray]:
        """Return sequences, and the predictions of their last frames as rows."""
        sequences = self._read(X, min_timesteps=2)
        # As at the end of each sequence when it was one frame shorter. Only the last frame: the
        # score of a sequence then means the same as `predict` on it.
        return sequences, sequences.without_last().map(self._predict)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)
