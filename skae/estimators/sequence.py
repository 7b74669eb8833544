"""The next frame of a sequence: encoder, recurrence, decoder."""

import warnings
from numbers import Integral
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from .._engine.inference import map_rows
from .._typing import MatrixLike
from .._utils import lookup
from ..metrics import explained_variance, mean_squares, reconstruction_error
from ._input import read_codes
from ._recurrent import SequenceEstimator


class SequencePredictor(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SequenceEstimator):
    """Prediction of the next frame of a sequence, through a code of it.

    An encoder maps each frame to a code, an LSTM or GRU carries the code on to that of the next
    frame, and a decoder maps that to the frame. Training predicts every frame of a sequence
    from those before it. It begins by repeating the last frame, as far as PCA can rebuild it
    from a code of this size; the weights with the lowest error on held-out sequences are kept.

    Parameters
    ----------
    n_components : int, default=64
        Size of the code of a frame. What it cannot hold of a frame is not predicted.
    frame_shape : tuple of int, default=None
        Shape of a frame where X has two dimensions: ``(n_features,)``, ``(height, width)`` or
        ``(height, width, channels)``. None takes each column of a two-dimensional X as a time
        step of a series of numbers. Not needed where X has more dimensions.
    cell : {'lstm', 'gru'}, default='lstm'
        The recurrence: long short-term memory (Hochreiter and Schmidhuber, 1997) or gated
        recurrent units (Cho et al., 2014).
    hidden_size : int, default=256
        Size of the state that the recurrence carries along.
    architecture : {'auto', 'dense', 'conv'} or architecture, default='auto'
        Encoder and decoder of a frame: a name, or a `Dense`, `Conv` or `Custom` of
        `skae.architectures`. ``'auto'`` is convolutional where frames are images and dense
        otherwise, with fewer units where a frame has fewer than 64 values.
    loss : {'mse', 'l1', 'huber', 'bce', 'ssim'}, callable or Module, default='mse'
        Distance of a predicted frame from the true one, see :class:`~skae.Autoencoder`.
    noise : {'gaussian', 'masking', 'salt_pepper'} or callable, default=None
        What the frames that are shown are corrupted with in training, while those to be
        predicted stay clean. A callable gets all frames of a batch at once: tensors
        ``(n, channels, height, width)``, or ``(n, n_timesteps, n_features)`` where frames are
        no images.
    noise_level : float, default=0.1
        Standard deviation of gaussian noise, in units of the data's overall standard
        deviation; share of values that masking and salt-and-pepper noise change.
    batch_size : int or 'auto', default='auto'
        Sequences in a batch; ``'auto'`` is 32.
    optimizer, learning_rate_init, learning_rate, alpha, max_iter, early_stopping, \
            validation_fraction, n_iter_no_change, tol, warm_start, callbacks, checkpoint, \
            device, verbose, random_state
        As for :class:`~skae.Autoencoder`.

    Attributes
    ----------
    frame_shape_ : tuple of int
        Shape of a frame; ``()`` where it is a number.
    n_components_ : int
        Size of the code.
    n_features_in_ : int
        Number of time steps in `fit` times number of values in a frame.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.
    image_shape_ : tuple or None
        (height, width, channels) of the frames, where they are images.
    architecture_ : architecture
        The description that encoder and decoder were built from.
    n_iter_ : int
        Epochs that were run.
    loss_curve_ : list of float
        Training loss of each epoch.
    history_ : list of dict
        What skorch recorded of each epoch: ``train_loss``, ``valid_loss``, ``dur`` (seconds)
        and more.
    reconstruction_err_ : float
        Mean squared error of the predicted last frames of the training sequences, up to 20,000
        frames of them, in the units of X squared.
    module_ : torch.nn.Module
        The trained network.
    net_ : skorch.NeuralNet
        The net that trained it. It is not kept by pickle.

    See Also
    --------
    skae.datasets.make_healing_sequences : Sequences of images that turn.

    Notes
    -----
    The history may be shorter or longer than in `fit` where X has more than two dimensions or
    ``frame_shape`` is given; otherwise a two-dimensional X has the width that it had in `fit`,
    as everywhere in scikit-learn. Where all sequences in `fit` begin alike, with upright digits
    for example, the network learns that too, and histories should begin so as well.

    References
    ----------
    Srivastava, Mansimov and Salakhutdinov (2015). Unsupervised learning of video
    representations using LSTMs. ICML.

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
        n_components=64,
        *,
        frame_shape=None,
        cell="lstm",
        hidden_size=256,
        architecture="auto",
        loss="mse",
        noise=None,
        noise_level=0.1,
        optimizer="adamw",
        learning_rate_init=0.006,
        learning_rate="one_cycle",
        alpha="auto",
        batch_size="auto",
        max_iter="auto",
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        callbacks=None,
        checkpoint=None,
        device="auto",
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.frame_shape = frame_shape
        self.cell = cell
        self.hidden_size = hidden_size
        self.architecture = architecture
        self.loss = loss
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
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn to predict every next frame of the sequences.

        Parameters
        ----------
        X : array-like of shape (n, n_timesteps, *frame_shape) or (n, n_timesteps * frame size)
            At least two frames each. uint8 and memmaps are converted a batch at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n,), default=None
            How much each sequence counts.

        Returns
        -------
        self : SequencePredictor

        Raises
        ------
        ValueError, TypeError
            Where data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight)

    def partial_fit(
        self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Pass once over a batch of sequences, from where the calls before have come to.

        The first call builds the network and takes centre, scale and starting point from its
        data; later ones go on at a constant learning rate. Nothing is held out.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`; later batches may have sequences of another length, see Notes.

        Returns
        -------
        self : SequencePredictor
        """
        return self._fit(X, y, sample_weight, partial=True)

    def transform(self, X: MatrixLike) -> np.ndarray:
        """Encode the next frame.

        Parameters
        ----------
        X : array-like of shape (n, n_timesteps, *frame_shape) or (n, n_timesteps * frame size)

        Returns
        -------
        codes : ndarray of shape (n, n_components)
            Codes of the frames that are expected after the last ones.
        """
        return self._encode(self._read(X)[0])

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n, n_components)
            Codes.

        Returns
        -------
        frames : ndarray of shape (n, *frame_shape), or (n, frame size) where X was flat in `fit`
        """
        check_is_fitted(self)
        return self._decode(read_codes(self, X)).reshape(-1, *self.sample_shape_)

    def predict(self, X: MatrixLike) -> np.ndarray:
        """Predict the next frame: the code that `transform` gives, decoded.

        Parameters
        ----------
        X : array-like of shape (n, n_timesteps, *frame_shape) or (n, n_timesteps * frame size)

        Returns
        -------
        frames : ndarray of shape (n, *frame_shape), or (n, frame size) where X is flat
            Of shape (n,) where a frame is a number.
        """
        sequences, is_flat = self._read(X)
        return self._to_frames(self._predict(sequences), is_flat)

    def forecast(self, X: MatrixLike, n_steps: int) -> np.ndarray:
        """Predict the next frames, each from the ones before it, predicted ones included.

        Parameters
        ----------
        X : array-like of shape (n, n_timesteps, *frame_shape) or (n, n_timesteps * frame size)
        n_steps : int
            Number of frames.

        Returns
        -------
        frames : ndarray of shape (n, n_steps, *frame_shape), or (n, n_steps * frame size)
            The sequences go on in the layout of X.
        """
        sequences, is_flat = self._read(X)
        check_scalar(n_steps, "n_steps", Integral, min_val=1)
        n_values = n_steps * self._n_outputs
        frames = map_rows(self.module_, "forecast", sequences, n_values, n_steps)
        return frames if is_flat else frames.reshape(-1, n_steps, *self.frame_shape_)

    def score(self, X: MatrixLike, y: object = None, *, baseline: str = "mean") -> float:
        """Compare the last frames with what is predicted from the frames before: 1 is perfect.

        Parameters
        ----------
        X : array-like of shape (n, n_timesteps, *frame_shape) or (n, n_timesteps * frame size)
            At least two frames each.
        y : None
            Ignored.
        baseline : {'mean', 'last'}, default='mean'
            What gets a score of 0: the mean of the true frames, so that the score is the share
            of their variance that is explained; or repeating the frame before, so that the
            score is one minus the ratio of the two squared errors.

        Returns
        -------
        score : float
            Not a number, with an ``UndefinedMetricWarning``, where the baseline makes no error.
        """
        score = lookup("baseline", baseline, _SCORES)
        return score(*self._compare(X))

    def score_samples(self, X: MatrixLike) -> np.ndarray:
        """Minus the mean squared error of each predicted last frame: higher is more normal.

        Parameters
        ----------
        X : array-like of shape (n, n_timesteps, *frame_shape) or (n, n_timesteps * frame size)
            At least two frames each.

        Returns
        -------
        scores : ndarray of shape (n,)
            In the units of X squared, float64.
        """
        _, truth, predicted = self._compare(X)
        return -mean_squares(truth, predicted)

    def _compare(self, X):
        """Frames before the last, the last, and their prediction, as rows."""
        sequences, _ = self._read(X, min_timesteps=2)
        predicted = self._predict(sequences[:, :-1])
        return sequences[:, -2], sequences[:, -1], predicted

    @property
    def _n_features_out(self):
        return self.n_components_


def _explained_variance(before, truth, predicted):
    return explained_variance(truth, predicted)


def _gain_on_repetition(before, truth, predicted):
    repetition = reconstruction_error(truth, before)
    if repetition == 0:
        warnings.warn(
            "The score against repeating the last frame is undefined: no frame differs from the "
            "one before.",
            UndefinedMetricWarning,
            stacklevel=3,
        )
        return float("nan")
    return 1 - reconstruction_error(truth, predicted) / repetition


_SCORES = {"mean": _explained_variance, "last": _gain_on_repetition}
