"""The autoencoder: a transformer that stands where PCA stood."""

import math
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from .._sklearn_compat import StrOptions
from .._typing import MatrixLike
from ..models.autoencoder import AutoencoderNetwork
from ._base import NetworkEstimator
from ._mixins import AUGMENT_CONSTRAINTS, ROWS_CONSTRAINTS, ReconstructionMixin
from ._plan import Traits

# Rows on which it is measured what each component adds.
_MEASURED_ROWS = 2000


class Autoencoder(ReconstructionMixin, NetworkEstimator):
    """Nonlinear dimensionality reduction by a network that reconstructs its input.

    An encoder maps each sample to a code of ``n_components`` numbers and a decoder maps the
    code back. Beside the hidden layers runs a linear path that starts at the solution of PCA,
    so that training begins where PCA ends; the weights with the lowest error on held-out rows
    are kept. Data are centred and divided by one global scale, whatever their units. `fit` ends
    with the mean of the weights over the last steps, which is better than any of them.

    Parameters
    ----------
    n_components : int, default=2
        Size of the code.
    ordered : bool, default=False
        Order the components by importance, as PCA's are: the first k of a code decode nearly as
        well as a code of size k would, so that one fit serves for every size:
        ``inverse_transform(codes[:, :k])`` decodes them, as it does codes with zeros in place
        of the others. Training decodes only the first components of each row, at random how
        many (nested dropout; Rippel et al., 2014), twice at each step. ``max_iter='auto'``
        allows three times the epochs, and as many more without improvement. The decoder gets
        ``2 * n_components`` numbers: the code, then ones and zeros that say which components
        are there. On digits, MNIST and Fashion-MNIST the first k of 8 come within about 1.15
        times the error of a code of size k.
    architecture : {'auto', 'dense', 'conv'} or architecture, default='auto'
        The network: a name, or a `Dense`, `Conv` or `Custom` of `skae.architectures`.
        ``'auto'`` is convolutional where images are given and dense otherwise.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of the images that the rows of X are,
        channels last. Not needed where X is given as images.
    loss : {'mse', 'l1', 'huber', 'bce', 'ssim'}, callable or Module, default='mse'
        What is minimised. ``'mse'``, ``'l1'`` and ``'huber'`` compare centred and scaled data.
        ``'bce'`` (binary cross-entropy) needs data in [0, 1] and ends the decoder in a
        sigmoid. ``'ssim'`` is one minus the structural similarity of images. A callable
        ``loss(reconstruction, target)`` gets tensors in the units of the data, rows or
        ``(n, channels, height, width)``.
    missing_values : {None, 'mask'}, default=None
        ``'mask'`` takes NaN in X as values that are missing, here and in every method.
        Training looks at what is there alone, and hides 30 % of that from the encoder at
        random, so that it learns to do without; `reconstruct` fills the gaps. The encoder sees
        the feature's mean in their place (zero with a `Custom` architecture). Any loss of
        single values will do, which ``'ssim'`` is not; a callable sees zeros on both sides of a
        gap. None refuses NaN.
    noise : {'gaussian', 'masking', 'salt_pepper'} or callable, default=None
        What the input is corrupted with in training, while the clean data are to be
        reconstructed. ``'masking'`` sets values to zero, ``'salt_pepper'`` to the smallest or
        largest of the feature (of all pixels, for images). A callable gets a batch in the units
        of the data, rows or ``(n, channels, height, width)``, and returns it corrupted.
    noise_level : float, default=0.1
        Standard deviation of gaussian noise, in units of the data's overall standard deviation;
        share of values that masking and salt-and-pepper noise change.
    augment : callable, default=None
        Function of a batch, as for ``noise``, that changes input and target alike, such as the
        transforms of torchvision's v2.
    optimizer : {'adam', 'adamw', 'nadam', 'rmsprop', 'sgd'} or class, default='adamw'
        Optimizer of `torch.optim`.
    learning_rate_init : float, default=0.006
        Learning rate, or its peak under a schedule.
    learning_rate : {'constant', 'adaptive', 'cosine', 'one_cycle'}, default='one_cycle'
        Schedule: ``'adaptive'`` divides by 5 where the loss stalls, ``'cosine'`` falls to zero
        over ``max_iter`` epochs, ``'one_cycle'`` rises first (Smith and Topin, 2018).
    alpha : float or 'auto', default='auto'
        Weight decay, of which linear paths are free; ``'auto'`` is 1.0 with ``'adamw'``, where a
        step shrinks weights by ``alpha`` times the learning rate, and 0.01 with optimizers that
        add it to the gradient; 0.5 times that for ordered components.
    batch_size : int or 'auto', default='auto'
        Rows in a batch; ``'auto'`` is a sixteenth of the rows, but at least 24 and at most 192.
    max_iter : int or 'auto', default='auto'
        Epochs at most; ``'auto'`` makes about 2,000 updates in 30 to 60 epochs, and with less than
        540 rows one for every nine of them, but at least 15. Estimators that predict make no
        fewer for few rows.
    early_stopping : bool, default=True
        Hold out rows, stop where their loss no longer falls, and restore the best weights.
        If False, all rows train, and training stops where the training loss no longer falls.
    validation_fraction : float in (0, 1), default=0.1
        Share of rows held out for early stopping.
    n_iter_no_change : int or inf, default=10
        Epochs without improvement after which training stops.
    tol : float, default=1e-4
        Share of the loss that counts as an improvement.
    warm_start : bool, default=False
        Go on from the weights of the previous ``fit``.
    callbacks : list of skorch callbacks, default=None
        As for `skorch.NeuralNet`: Checkpoint, EarlyStopping, TensorBoard and so on.
    checkpoint : str or path-like, default=None
        File to which `fit` writes its state after each epoch. The same call in a new process
        goes on from there, and ends with the weights, bit for bit, of a fit that was never
        killed; the file is removed then. Each fit needs a file of its own. The file of a fit
        of other data or parameters is refused. `callbacks` start anew, but for skorch's
        EarlyStopping and LRScheduler.
    device : str or torch.device, default='auto'
        Where to compute; ``'auto'`` is CUDA where there is one.
    verbose : int, default=0
        1 shows a progress bar with the losses and the time left.
    random_state : int, RandomState or None, default=None
        Seed of weights, validation rows, batches and noise. The global generators of numpy
        and torch are never touched.

    Attributes
    ----------
    n_components_ : int
        Size of the code.
    n_features_in_ : int
        Number of features; of an image, pixels times channels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.
    image_shape_ : tuple or None
        (height, width, channels) of the images.
    architecture_ : architecture
        The description that the network was built from.
    n_iter_ : int
        Epochs that were run.
    loss_curve_ : list of float
        Training loss of each epoch.
    history_ : list of dict
        What skorch recorded of each epoch: ``train_loss``, ``valid_loss``, ``dur`` (seconds)
        and more.
    reconstruction_err_ : float
        Mean squared error of the reconstruction of (at most 10,000 of) the training rows, in
        the units of X squared.
    explained_variance_ratio_ : ndarray of shape (n_components,) or None
        Share of the variance that each component adds to what those before it explain, on (at
        most 2,000 of) the training rows; None where components are not ordered.
    module_ : torch.nn.Module
        The trained network; its ``encode`` and ``decode`` speak the units of X.
    net_ : skorch.NeuralNet
        The net that trained it. It is not kept by pickle.

    See Also
    --------
    sklearn.decomposition.PCA : The best linear code.

    Notes
    -----
    Codes and reconstructions are computed in the dtype of X: float64 gives float64, float32
    and uint8 give float32.

    A dense network that is to reconstruct rows of 100 to 1,200 features by squared error sees
    and gives coordinates along their leading principal directions: a quarter of all, or more
    until at most a tenth of what PCA's code of the same size leaves is left out. `fit` does so
    where these are at most half of the directions and there are two rows or more for each
    feature, without noise, augmentation or gaps. Losses are then those along these directions.

    On up to 1,000 rows a sample weight of two is exactly the same as a
    row that is there twice; on more rows weights multiply the loss.

    References
    ----------
    Hinton and Salakhutdinov (2006). Reducing the dimensionality of data with neural networks.
    Science 313.

    Polyak and Juditsky (1992). Acceleration of stochastic approximation by averaging. SIAM
    Journal on Control and Optimization 30(4).

    Rippel, Gelbart and Adams (2014). Learning ordered representations with nested dropout. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(8, max_iter=10, random_state=0)
    >>> codes = autoencoder.fit_transform(X)
    >>> codes.shape
    (1797, 8)
    >>> autoencoder.inverse_transform(codes).shape
    (1797, 64)

    Half of the pixels are lost and come back:

    >>> rng = np.random.default_rng(0)
    >>> X_lost = np.where(rng.random(X.shape) < 0.5, np.nan, X)
    >>> autoencoder = Autoencoder(8, missing_values="mask", max_iter=20, random_state=0)
    >>> X_found = autoencoder.fit(X_lost).reconstruct(X_lost)
    >>> bool(np.mean((X_found - X)[np.isnan(X_lost)] ** 2) < 0.5 * X.var(axis=0).mean())
    True
    """

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        **ROWS_CONSTRAINTS,
        **AUGMENT_CONSTRAINTS,
        "ordered": ["boolean"],
        "missing_values": [StrOptions({"mask"}), None],
    }

    def __init__(
        self,
        n_components=2,
        *,
        ordered=False,
        architecture="auto",
        image_shape=None,
        loss="mse",
        missing_values=None,
        noise=None,
        noise_level=0.1,
        augment=None,
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
        self.ordered = ordered
        self.architecture = architecture
        self.image_shape = image_shape
        self.loss = loss
        self.missing_values = missing_values
        self.noise = noise
        self.noise_level = noise_level
        self.augment = augment
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

    def fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
    ) -> Self:
        """Learn a code for X.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images of shape \
                (n, height, width) or (n, height, width, channels)
            uint8 and memmaps are converted a batch at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n,), default=None
            How much each row counts.
        X_target : array-like of the shape of X, default=None
            What is to be reconstructed in place of X: clean data where X are noisy.

        Returns
        -------
        self : Autoencoder

        Raises
        ------
        ValueError, TypeError
            Where data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target)

    def partial_fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
    ) -> Self:
        """Pass once over a batch of data, from where the calls before have come to.

        The first call builds the network and takes centre, scale and starting point from its
        data; later ones go on at a constant learning rate. Nothing is held out.

        Parameters
        ----------
        X, y, sample_weight, X_target
            As for `fit`.

        Returns
        -------
        self : Autoencoder
        """
        return self._fit(X, y, sample_weight, X_target, partial=True)

    def _traits(self):
        return Traits(ordered=self.network_options_["ordered"])

    def _network_options(self):
        return {"ordered": bool(self.ordered), "mask_missing": self.missing_values == "mask"}

    def _build_network(self, standardization):
        shape = self._data_shape(standardization)
        encoder = self.architecture_.build_encoder(shape, self.n_components_)
        # Of ordered components the decoder sees the code, and which of them are present.
        n_inputs = (2 if self.network_options_["ordered"] else 1) * self.n_components_
        decoder = self.architecture_.build_decoder(shape, n_inputs)
        return AutoencoderNetwork(encoder, decoder, standardization, **self.network_options_)

    def _finish(self, training_set, sample, mode):
        super()._finish(training_set, sample, mode)
        if self.network_options_["ordered"]:
            self.explained_variance_ratio_ = self._added_fractions(sample)

    def _added_fractions(self, sample):
        """Return the fraction of the variance that each component adds."""
        step = math.ceil(len(sample.X) / _MEASURED_ROWS)
        codes, rows = self._encode(sample.X[::step]), np.ma.masked_invalid(sample.rows[::step])
        left = [np.mean((rows - rows.mean(axis=0)) ** 2)]
        for k in range(self.n_components_):
            first = np.where(np.arange(self.n_components_) <= k, codes, 0)
            left.append(np.mean((rows - self._decode(first)) ** 2))
        return -np.diff(left) / (left[0] or 1.0)
