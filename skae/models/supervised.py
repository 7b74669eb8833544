"""Joint reconstruction and supervision: a head that predicts from the code."""

import torch
from torch import nn
from torch.nn import functional as F

from ..losses import weighted_mean
from ..networks.blocks import multilayer_perceptron, zero_init_last_layer
from ..networks.parts import mean_of_batch
from ._linear import safe_deviations
from .autoencoder import AutoencoderNetwork

# Rows from which the standard deviations of the codes are estimated before training.
_DEVIATION_ROWS = 1000
# Added to losses that are balanced: otherwise one that is zero from the start, such as that of a
# code as long as the row, would take all the weight.
_MIN_LOSS = 1e-3


def cross_entropy(prediction, labels):
    """Return the cross-entropy of each row's logits (n_samples, n_classes)."""
    return F.cross_entropy(prediction, labels[:, 0], reduction="none")


def squared_error(prediction, labels):
    """Return the squared error of each row, the mean over targets."""
    return F.mse_loss(prediction, labels, reduction="none").mean(dim=1)


class SupervisedNetwork(AutoencoderNetwork):
    """Encoder and decoder, and a head that predicts from the code.

    Parameters
    ----------
    encoder, decoder : Module
    standardization : Standardization
    n_components : int
    head_sizes : tuple of int
        Units of the head's hidden layers, and its number of outputs.
    prediction_loss : callable
        ``prediction_loss(prediction, labels)`` gives the loss of each row.
    reconstruction_weight : float in [0, 1] or 'balanced'
        Weight of the reconstruction in the loss; see `balanced`. A part without weight is not
        computed, so that its layers stay as they are.
    zero_init_code : bool, default=False
        Whether codes start at zero, as far as hidden layers make them.
    mask_missing : bool, default=False
        Whether missing values (NaN) may come in.
    """

    def __init__(
        self,
        encoder,
        decoder,
        standardization,
        *,
        n_components,
        head_sizes,
        prediction_loss,
        reconstruction_weight,
        zero_init_code=False,
        mask_missing=False,
    ):
        super().__init__(encoder, decoder, standardization, mask_missing=mask_missing)
        self.head = multilayer_perceptron((n_components, *head_sizes), activation="silu")
        self.prediction_loss = prediction_loss
        self.reconstruction_weight = reconstruction_weight
        self.zero_init_code = zero_init_code

    # Whether it starts from another network; validation then judges only the prediction.
    is_pretrained = False

    @property
    def needs_labels(self):
        """Return whether the prediction has a weight in the loss."""
        return self.reconstruction_weight != 1

    def predict(self, x):
        """Map rows (n_samples, n_features) to the head's outputs (n_samples, n_outputs)."""
        return self.head(self.encode(x))

    @torch.no_grad()
    def change_targets(self, factor, shift):
        """Predict the same of targets whose center has moved by ``shift`` and scale by ``factor``.

        Parameters
        ----------
        factor, shift : ndarray of shape (n_targets,)
            In units of the old scale.
        """
        last = self.head[-1]
        factor, shift = (torch.from_numpy(of).to(last.weight) for of in (factor, shift))
        # The inverse of the change of the scaler, so that predictions in the units of y stay.
        last.bias.sub_(shift).div_(factor)
        last.weight.div_(factor[:, None])

    def training_loss(self, inputs, target, criterion):
        """Return the joint loss of a batch, and both parts where both have a weight."""
        # A part without weight is not computed: its layers get no gradient, not even weight decay.
        weight, code = self.reconstruction_weight, self._code(inputs)
        if weight == 1:
            # Without parts: the one there is would be recorded twice.
            return self.reconstruction_loss(code, target, criterion), {}
        losses = self.prediction_loss(self.head(code), target.labels)
        prediction = weighted_mean(losses, target.weights)
        if weight == 0:
            return prediction, {}
        reconstruction = self.reconstruction_loss(code, target, criterion)
        parts = {"reconstruction": reconstruction.detach(), "prediction": prediction.detach()}
        if self.is_pretrained and not self.training:
            return prediction, parts
        if weight == "balanced":
            if not criterion.is_builtin:
                _check_not_negative(reconstruction)
            return balanced(reconstruction, prediction), parts
        # Weights that sum to one: `tol` and divergence mean the same whatever they are.
        return weight * reconstruction + (1 - weight) * prediction, parts

    def code_parameters(self):
        makers, readers = super().code_parameters()
        return makers, [*readers, self.head[0].weight]

    @torch.no_grad()
    def start(self, sample, seed):
        """Start at PCA, with a head that sees codes of unit variance."""
        super().start(sample, seed)
        self._fit_head(sample)
        if self.zero_init_code:
            _zero_init_code(self.encoder)

    def take_over(self, network, sample):
        """Start from the encoder and the decoder of another network in the same units.

        Parameters
        ----------
        network : AutoencoderNetwork
        sample : Sample
        """
        for own, other in ((self.encoder, network.encoder), (self.decoder, network.decoder)):
            own.load_state_dict(other.state_dict())
        self._fit_head(sample)
        # The reconstruction can only get worse on few rows: with it in the loss of validation, the
        # untrained head would be the best.
        self.is_pretrained = True

    @torch.no_grad()
    def _fit_head(self, sample):
        """Let the head see codes of unit variance."""
        rows = sample.X[:: max(len(sample.X) // _DEVIATION_ROWS, 1)]
        # Not by `encode`: in single precision nothing may be left of rows far from zero.
        rows = self.standardization.standardize_exactly(torch.from_numpy(rows))
        # In evaluation mode: neither dropout nor the statistics of this sample belong in them.
        deviations = self.eval().encoder(rows).std(dim=0, correction=0)
        self.head[0].weight /= safe_deviations(deviations)


def _zero_init_code(encoder):
    """Let the hidden layers contribute nothing to the code yet.

    A code that only has to predict then learns to hold what predicts, and none of what random
    initial weights would put there. A linear skip connection stays as it is, and so does an encoder
    whose last layer is not a linear one: behind an activation zeros would stay zeros.
    """
    *_, last = encoder.modules()
    if isinstance(last, nn.Linear):
        zero_init_last_layer(encoder)


def _check_not_negative(loss):
    if loss.item() <= -_MIN_LOSS:
        raise ValueError(
            "reconstruction_weight='balanced' expects losses that are not negative, got "
            f"{loss.item():.6g}: change the loss, or give the weight as a number."
        )


def balanced(first, second):
    """Weigh each of two losses by the other's fraction of their sum.

    A relative gain of either then counts the same: steps descend the product of the two. The
    gradient is that of the sum so weighed, with the weights held fixed. The value is the
    geometric mean of the losses, which falls where their product does; the sum itself would
    hardly depend on the larger loss.

    Parameters
    ----------
    first, second : Tensor of shape ()
        Not negative.

    Returns
    -------
    Tensor of shape ()
    """
    # Detached: the weights are constants of the step.
    a, b = (mean_of_batch(loss.detach()) + _MIN_LOSS for loss in (first, second))
    weighted = (b * first + a * second) / (a + b)
    # The value of one, with the gradient of the other.
    return torch.sqrt(a * b) + weighted - weighted.detach()
