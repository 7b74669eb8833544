"""What the documentation of estimators shares: descriptions, each written once, and links."""

import inspect
import re
from typing import TypeVar

Class = TypeVar("Class", bound=type)

# The API reference has a page for each public name.
_PAGES = "https://skae-dev.github.io/skae/generated/skae.{estimator_name}.html"

_SHARED = """
n_components : int, float in (0, 1) or 'auto', default=2
    Size of the latent code. A float is a fraction of the variance: the code has as many
    components as :class:`~sklearn.decomposition.PCA` needs to explain it on the training rows
    (at most 20,000 of them). ``'auto'`` is 0.9. `partial_fit` needs an integer, or `fit` first.
refine_steps : int, default=0
    Number of steps that improve the code of each row after the encoder: damped Gauss-Newton steps
    on the squared error of its reconstruction, in `transform` and in everything computed from it.
    Each takes as long as decoding the row ``n_components`` times. No code gets worse, and none
    depends on other rows. It may be set after `fit`; calling `module_` does not refine.
architecture : {'auto', 'dense', 'conv'} or Architecture, default='auto'
    The networks: a name, or an object of `skae.architectures`: `Dense`, `Conv`, your own
    modules as `Custom` (the encoder, the decoder or both; the missing side is the default one),
    or your own subclass of `Architecture`. ``'auto'`` is convolutional if images are given and
    dense otherwise.
image_shape : tuple of int, default=None
    (height, width) or (height, width, channels) of the images that the rows of X hold, channels
    last. Not needed if X is given as images. Without it, convolutions run along the features of a
    row, as of spectra; ``(1, n_features)`` says that this is meant.
loss : {'mse', 'l1', 'huber', 'bce', 'ssim'}, Loss, callable or Module, default='mse'
    Reconstruction loss to minimize. ``'mse'``, ``'l1'`` and ``'huber'`` compare centered and
    scaled data. ``'bce'`` (binary cross-entropy) needs data in [0, 1] and ends the decoder in a
    sigmoid. ``'ssim'`` is one minus the structural similarity of images. A callable
    ``loss(reconstruction, target)`` or a module gets tensors in the units of the data: rows, or
    images of shape (n_samples, n_channels, height, width). A :class:`~skae.losses.Loss` says in
    addition which units its function expects.
cycle_weight : float, default=0.0
    Weight of the cycle loss: the mean squared distance between a code and the code of what it is
    decoded to, divided by the variance of the codes, for codes of training rows and for codes
    between two of them. With it the decoder also knows what to return between the data, see
    :func:`~skae.metrics.cycle_error`. Each step decodes and encodes once more.
missing_values : {None, 'mask'}, default=None
    If ``'mask'``, NaN in X is a missing value, here and in every method, and `impute` replaces it.
    The loss is then that of the observed values. Training hides another 30 % of them from the
    encoder at random, so that it learns to cope with missing values. The encoder sees the mean of
    the feature in place of a missing value (zero with a `Custom` architecture). Every loss of
    single values works, which ``'ssim'`` is not; a callable gets zeros on both sides for a missing
    value. If None, NaN is refused.
noise : {'gaussian', 'masking', 'salt_pepper'}, Noise or callable, default=None
    Corruption of the input during training, while the clean data are the target. ``'gaussian'``
    adds normal noise, ``'masking'`` sets values to zero, ``'salt_pepper'`` sets them to the
    smallest or largest value of the feature (of all pixels, for images). A callable gets a
    batch in the units of the data, rows or images of shape (n_samples, n_channels, height,
    width), and returns its corrupted version. A :class:`~skae.noises.Noise` gets the level, too.
    If None, the input is not corrupted.
noise_level : float, default=0.1
    Standard deviation of gaussian noise, in units of the data's overall standard deviation;
    fraction of the values that masking and salt-and-pepper noise change.
init : estimator, default=None
    A fitted `Autoencoder`, classifier or regressor whose encoder and decoder training starts from,
    for example one fitted on rows without labels. Size of the code, architecture and units are
    then its own. `clone`, and with it every search, returns it unfitted: wrap it by
    :class:`~sklearn.frozen.FrozenEstimator` there. If None, training starts at PCA.
reconstruction_weight : float in [0, 1] or 'balanced', default='balanced'
    Weight λ of the reconstruction in the loss. Zero is a plain classifier or regressor: the
    decoder is not trained, and `reconstruct` is meaningless. One is a plain autoencoder: the
    head is not trained, and `predict` is meaningless. ``'balanced'`` weighs each loss by the
    other's current fraction of their sum, so that a relative improvement of either counts the
    same; the loss must then not be negative.
head_hidden_layer_sizes : tuple of int, default=(64,)
    Number of units of the hidden layers between code and prediction. ``()`` makes the
    prediction linear in the code.
augment : callable, default=None
    Function of a batch, as for `noise`, that changes input and target alike, such as the
    transforms of torchvision's v2. Rows that are held out to validate on stay as they are. It
    cannot be combined with ``X_target``.
optimizer : {'adam', 'adamw', 'nadam', 'rmsprop', 'sgd'} or class, default='adamw'
    Optimizer: a name, or a class as those of `torch.optim`.
learning_rate_init : float, default=0.006
    Learning rate, or its largest value under a schedule.
learning_rate : {'constant', 'adaptive', 'cosine', 'one_cycle'}, default='one_cycle'
    Schedule of the learning rate. ``'adaptive'`` divides it by 5 when the loss stalls,
    ``'cosine'`` lowers it to zero over ``max_iter`` epochs, ``'one_cycle'`` raises it first
    (Smith and Topin, 2018).
alpha : float or 'auto', default='auto'
    Weight decay of the optimizer, not the L2 penalty on the loss that ``alpha`` is in
    :class:`~sklearn.neural_network.MLPRegressor`: values are not comparable. With ``'adamw'``
    each step shrinks the weights by ``alpha`` times the learning rate; other optimizers add it
    to the gradient. Linear skip connections are not decayed. ``'auto'`` is 1.0 with ``'adamw'``
    and 0.01 otherwise.
batch_size : int or 'auto', default='auto'
    Number of samples in a batch. ``'auto'`` is a sixteenth of the training rows, but at least 24
    and at most 192, or what makes 160,000 updates an epoch if that is more; of images in a
    convolutional network at most 150,528 pixels in all, if these are 24 images or more.
max_iter : int or 'auto', default='auto'
    Largest number of epochs. ``'auto'`` is what makes about 2,000 updates, within 30 to 60. With
    fewer than 540 rows it is one epoch for every nine of them, but at least 15; estimators that
    predict do not take fewer for few rows. With more than a million rows it is what makes up to
    160,000 updates, but at least one.
early_stopping : bool, default=True
    Whether to hold out rows and stop when their loss stops improving, which is the default
    here, unlike in :class:`~sklearn.neural_network.MLPRegressor`, where a score decides. The
    weights with the lowest held-out loss are restored. If False, all rows are trained on, and
    training stops when the training loss stops improving.
validation_fraction : float in (0, 1), default=0.1
    Fraction of the rows to hold out for early stopping.
n_iter_no_change : int or inf, default=10
    Number of epochs without improvement after which training stops. They count from the middle
    of a schedule that anneals the learning rate (``'one_cycle'``, ``'cosine'``), before which
    losses may rise for a while.
tol : float, default=1e-4
    Smallest decrease of the loss that counts as an improvement, as a fraction of the loss.
warm_start : bool, default=False
    Whether `fit` continues training from the weights of the previous call.
callbacks : list of skorch callbacks, default=None
    Callbacks as for `skorch.NeuralNet`: Checkpoint, EarlyStopping, TensorBoard and so on.
checkpoint : str or path-like, default=None
    File to which `fit` writes its state after each epoch. The same call in a new process
    continues training from there, and ends with the weights, bit for bit, of a fit that was
    never interrupted; the file is then removed. Each fit needs its own file. A file from a fit
    of other data or parameters is refused. `callbacks` start anew, except skorch's
    EarlyStopping and LRScheduler.
device : str or torch.device, default='auto'
    Device to compute on. ``'auto'`` is CUDA if available, and the CPU otherwise.
precision : {'auto', 'float32', 'bfloat16'}, default='auto'
    Precision in which training computes layers. With ``'bfloat16'`` they multiply in it, as
    :class:`torch.autocast` does, while weights, losses, running statistics and validation stay in
    float32, as does everything after training. ``'auto'`` is ``'bfloat16'`` on a CUDA device that
    computes in it (compute capability 8 or higher), if the forward pass of a batch makes 4e11
    multiplications or more: smaller networks are no faster with it. Otherwise it is ``'float32'``.
compile : bool, default=False
    Whether to compile the steps of training. On a CUDA device a step is recorded as a CUDA graph,
    which takes one launch in place of one for each operation: small networks train five to seven
    times as fast, with the same results. On a CPU :func:`torch.compile` compiles the layers, which
    takes up to a minute and a C++ compiler, with the same results up to rounding. User-supplied
    losses and layers may not wait for the device, and what they do besides computing with tensors
    is done once. Batches of another size, such as a short last one, are not compiled.
verbose : int, default=0
    If 1 or more, a progress bar shows the losses and the remaining time.
random_state : int, RandomState instance or None, default=None
    Seed of weights, validation rows, batches and noise. The global generators of numpy and
    torch are never used.
n_components_ : int
    Size of the latent code.
n_features_in_ : int
    Number of features in `fit`; for images, the number of pixels times channels.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Names of the features in `fit`. Only available if X has names that are all strings.
image_shape_ : tuple of int
    (height, width, channels) of the images. Only available if images are given.
sample_shape_ : tuple of int
    Shape of a sample in `fit`, which `inverse_transform` returns.
architecture_ : Architecture
    The architecture from which the network was built.
network_options_ : dict
    The parameters, besides the architecture, with which the network was built.
n_iter_ : int
    Number of epochs that were run.
best_n_iter_ : int
    Number of epochs after which the validation loss was lowest: their weights are kept. Zero if
    no epoch was better than the start, with a ``ConvergenceWarning`` after five or more. Only with
    ``early_stopping``, and not after `partial_fit`.
n_samples_seen_ : int
    Number of samples in the call of `fit`, or in all calls of `partial_fit` and of the `fit`
    before them.
loss_curve_ : list of float
    Training loss of each epoch.
history_ : list of dict
    What skorch recorded of each epoch: ``train_loss``, ``valid_loss``, ``dur`` (seconds) and
    more. If the loss has several parts, each of them as well, such as ``train_reconstruction``
    and ``valid_prediction``.
reconstruction_err_ : float
    Mean squared error of the reconstruction of the training rows (at most 10,000 of them), in
    the units of X squared.
module_ : torch.nn.Module
    The trained network. Called on a tensor of rows, in the units of X, it returns their
    reconstruction; its ``encode`` and ``decode`` are the two halves.
net_ : skorch.NeuralNet
    The skorch net that trained `module_`. Pickling leaves it out.
"""

# A line without an indent, followed by lines with one.
_ENTRY = re.compile(r"^(\w+)( : .*\n(?:    .*\n)+)", re.MULTILINE)
# The same without a type: only names, which stand for the entries above.
_NAMES = re.compile(r"^(\w+(?:, +\w+)*)\n(?:    .*\n)+", re.MULTILINE)
_ENTRIES = {name: name + rest for name, rest in _ENTRY.findall(_SHARED)}


class DocLinkMixin:
    """Let the HTML view of an estimator link to its page in the documentation of skae.

    scikit-learn reads both attributes. Subclasses defined elsewhere get no link.
    """

    _doc_link_module = "skae"
    _doc_link_template = _PAGES


def shared_docs(cls: Class) -> Class:
    """Replace lists of names in the docstring of an estimator by their shared descriptions.

    Parameters
    ----------
    cls : type
        A class in whose docstring some entries of "Parameters" or "Attributes" hold names
        without a type, such as ``tol, verbose``. Their text is for readers of the source.

    Returns
    -------
    cls : type
        The same class.
    """
    if cls.__doc__ is not None:  # as it is under python -OO
        # Up to Python 3.12 docstrings keep their indent, and the patterns find names at the start
        # of a line. They need the end of the last line as well, which cleandoc drops.
        cls.__doc__ = _NAMES.sub(_described, inspect.cleandoc(cls.__doc__) + "\n")
    return cls


def _described(names: re.Match[str]) -> str:
    # A name without an entry is a KeyError when skae is imported: no page lacks a parameter.
    return "".join(_ENTRIES[name] for name in re.split(", +", names[1]))
