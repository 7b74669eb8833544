"""What training asks of every network, and the autoencoder, which starts at PCA's solution."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..losses import weighted_mean
from ..networks.blocks import FAN_IN, LinearSkip
from ..networks.generators import spread, uniform
from ..networks.parts import mean_of_batch
from ._linear import start_at_pca
from ._refinement import refine
from ._units import change_inputs, change_outputs, end_layers, layers_of_both

# Ordered components: the whole code is decoded in this fraction of all cases, since the last
# component learns only from these; the first k < n components with a probability proportional to
# a power of k. Found by searching on digits, MNIST and Fashion-MNIST, see benchmarks/NOTES.md.
_WHOLE_CODE_FRACTION, _TRUNCATION_POWER = 0.25, -0.2
# Inputs of a layer up to which the default learning rate was chosen: networks of rows have no wider
# layers. Behind convolutions of 28×28 pixels there are 1,568, which hardly matters: with 1600 here
# the error on Fashion-MNIST is 1.004 times as large.
_MAX_FAN_IN = 400
# Root mean square of codes up to which the same holds. It grows with the root of the number of
# features: 2.6 for the digits of MNIST, 18 for images of 128×128 pixels.
_MAX_CODE_SCALE = 5.0
# Codes that are all alike have no cycles to compare.
_MIN_CODE_VARIANCE = 1e-12
# Truncations of each code that a step decodes: gradients are less noisy, and codes computed once.
_TRUNCATIONS_PER_STEP = 2


class Network(nn.Module):
    """A network that maps data in their own units, and has a training loss.

    A family defines ``forward`` (data to data), `training_loss` and `start`; encoder-only
    families leave out the decoder, and the other way round.

    Parameters
    ----------
    standardization : Standardization
        Of the rows that are reconstructed.
    """

    # Whether its loss needs `Target.labels`.
    needs_labels = False
    # What draws rows that come with those of a batch, given their indices and a device (see
    # `models.umap.NeighborGraph`); it is set for the time of training.
    companions: Any = None

    # Whether missing values (NaN) may come in.
    mask_missing = False

    # Attributes of which several networks may have several values when they are trained together:
    # `training_loss` computes with these numbers, and does not decide by them.
    varying: tuple[str, ...] = ()

    # Epochs over which a term of the loss rises, set by the plan; most families have none.
    n_warmup = 0

    def __init__(self, standardization):
        super().__init__()
        self.standardization = standardization

    def __getstate__(self):
        # Inference keeps copies in other precisions here: they can be made again.
        return {k: v for k, v in super().__getstate__().items() if k != "_kept_conversions"}

    @property
    def input_standardization(self):
        """Return how inputs are standardized: once, before `training_loss` gets them."""
        return self.standardization

    def seen(self, rows):
        """Return standardized rows as an encoder gets them: zero, the mean, for missing values."""
        return rows.masked_fill(rows.isnan(), 0.0) if self.mask_missing else rows

    def training_loss(self, inputs, target, criterion):
        """Return the loss of a batch and its named parts.

        In training mode the network may update its buffers, as batch normalization does.

        Parameters
        ----------
        inputs : Tensor of shape (n_samples, n_inputs)
            Standardized, and corrupted where training adds noise.
        target : Target
        criterion : Criterion

        Returns
        -------
        loss : Tensor of shape ()
        parts : dict of str to Tensor of shape ()
            Detached; empty where the loss has one part.
        """
        raise NotImplementedError

    def start(self, sample, seed):
        """Set the initial weights that depend on the data.

        Parameters
        ----------
        sample : Sample
            (Part of) the training data, dense and in float64.
        seed : int
        """

    def begin_epoch(self, n_finished):
        """Prepare for the next epoch, given the number of finished ones."""

    def refine(self, codes_and_rows, n_steps):
        """Refine codes, which stand before the rows (n_samples, n_components + n_features)."""
        n_features = len(self.standardization.center)
        codes, rows = codes_and_rows[:, :-n_features], codes_and_rows[:, -n_features:]
        standardize = self.standardization.standardize
        # In standardized units, and along the subspace that the network sees, if there is one.
        return refine(
            lambda codes: standardize(self.decode(codes)), codes, standardize(rows), n_steps
        )

    def rate_factors(self):
        """Return factors of learning rates by parameter, where they are not one.

        Optimizers like Adam change every weight by about the rate, so that the output of a layer
        changes by the rate times the number of its inputs. Beyond the number for which the rate was
        chosen it is lower in proportion, and training is as stable for wide rows as for others.

        References
        ----------
        Yang et al. (2022). Tensor Programs V: Tuning large neural networks via zero-shot
        hyperparameter transfer. arXiv:2203.03466.
        """
        layers = [layer for layer in self.modules() if type(layer) in FAN_IN]
        sizes = {layer.weight: FAN_IN[type(layer)](layer) for layer in layers}
        return {weight: _MAX_FAN_IN / n for weight, n in sizes.items() if n > _MAX_FAN_IN}

    def undecayed_parameters(self):
        """List the parameters that weight decay leaves alone.

        These are the linear skip connections: they stay where PCA would have them, not nearer to
        zero.
        """
        skips = [module.linear for module in self.modules() if isinstance(module, LinearSkip)]
        return [parameter for linear in skips for parameter in linear.parameters()]

    def data_layers(self):
        """Return the layers that meet standardized rows, and those that give them.

        Returns
        -------
        layers : tuple of list of Module, or None
            None if the network cannot take other units of the data.
        """

    def change_units(self, factor, shift):
        """Compute the same of data whose center has moved by ``shift`` and scale by ``factor``.

        The weights are changed, and `standardization` is not.
        """
        inputs, outputs = self.data_layers()
        change_inputs(inputs, factor, shift)
        change_outputs(outputs, factor, shift)

    def constants(self):
        """List the tensors of `state_dict` that training does not change."""
        return list(self.standardization.buffers())


class AutoencoderNetwork(Network):
    """Encoder and decoder between rows of data and latent codes.

    ``forward``, `encode` and `decode` map data in their own units. Training calls
    `training_loss` with rows that are standardized already, so that this is done once and not in
    every epoch.

    Labels are places: codes that those of the rows are drawn to, if `place_weight` is set for the
    time of training.

    Parameters
    ----------
    encoder, decoder : Module
        Between standardized rows and codes.
    standardization : Standardization
    mask_missing : bool, default=False
        Whether missing values (NaN) may come in: the encoder sees zero in their place, which is
        the feature's mean where data are centered.
    ordered : bool, default=False
        Whether training decodes only the first components of each code, at random how many
        (see `truncated`), and the decoder is given which ones these are (see `with_presence`).
    n_left_out : int, default=0
        Number of ordered components that are trained and that codes leave out: the last ones.
    cycle_weight : float, default=0.0
        Weight of `cycle_loss` in the training loss.
    """

    place_weight = 0.0

    def __init__(
        self,
        encoder,
        decoder,
        standardization,
        *,
        mask_missing=False,
        ordered=False,
        n_left_out=0,
        cycle_weight=0.0,
    ):
        super().__init__(standardization)
        self.encoder = encoder
        self.decoder = decoder
        self.mask_missing = mask_missing
        self.ordered = ordered
        self.n_left_out = n_left_out
        self.cycle_weight = cycle_weight
        # Root mean square of the codes at the start, in standardized units.
        self.register_buffer("code_scale", torch.tensor(1.0))

    def leave_out(self, n_components):
        """Leave this many of the last components out of codes."""
        self.n_left_out = n_components
        self.__dict__.pop("_kept_conversions", None)  # copies that inference has made

    # -- data to data ----------------------------------------------------------------------

    def forward(self, x):
        """Map rows (n_samples, n_features) to their reconstructions, in the units of the data."""
        return self.decode(self.encode(x))

    def encode(self, x):
        """Map rows (n_samples, n_features) to codes (n_samples, n_components)."""
        code = self._code(self.standardization.standardize(x))
        return code[:, : -self.n_left_out] if self.n_left_out else code

    def decode(self, code):
        """Map codes (n_samples, n_components) to rows (n_samples, n_features)."""
        return self._as_data(F.pad(code, (0, self.n_left_out)) if self.n_left_out else code)

    def _code(self, rows):
        return self.encoder(self.seen(rows))

    def _decoded(self, code):
        return self.decoder(with_presence(code) if self.ordered else code)

    # -- training --------------------------------------------------------------------------

    def data_layers(self):
        return layers_of_both(self.encoder, self.decoder, self.standardization)

    def training_loss(self, inputs, target, criterion):
        """Return the reconstruction loss of a batch, and what else it has parts of."""
        code = self._code(inputs)
        loss = self.reconstruction_loss(code, target, criterion)
        more = {}
        if self.cycle_weight:
            more["cycle"] = self.cycle_weight, self.cycle_loss(code, target.weights)
        if self.place_weight:
            more["places"] = self.place_weight, _place_loss(code, target)
        if not more:
            return loss, {}
        parts = {"reconstruction": loss, **{name: part for name, (_, part) in more.items()}}
        total = loss + sum(weight * part for weight, part in more.values())
        return total, {name: part.detach() for name, part in parts.items()}

    def cycle_loss(self, code, weights):
        """Return how far codes are from the codes of what they decode to, as `cycle_error` squared.

        Half of them are those of the batch, the others lie between two of these. They are goals
        that stay: decoder and encoder learn, codes of data do not move together.
        """
        code = code.detach()
        variance = (code - code.mean(0)).square().sum(1).mean()
        # Rows come in random order.
        fractions = uniform(len(code), code.device)[:, None]
        between = (torch.arange(len(code), device=code.device) % 2)[:, None]
        wanted = code + between * fractions * (code.roll(1, dims=0) - code)
        back = self._code(self.standardization.standardize(self._as_data(wanted)))
        distances = (back - wanted).square().sum(1) / variance.clamp(min=_MIN_CODE_VARIANCE)
        return weighted_mean(distances, weights)

    def _as_data(self, code):
        return self.standardization.to_data(self._decoded(code))

    def reconstruction_loss(self, code, target, criterion):
        """Return the reconstruction loss of codes (n_samples, n_components)."""
        if self.ordered:
            # Several truncations of one code share the work of the encoder.
            code = truncated(code.repeat(_TRUNCATIONS_PER_STEP, 1))
            target = target.repeated(_TRUNCATIONS_PER_STEP)
        return criterion(self._decoded(code), target, self.standardization)

    def start(self, sample, seed):
        """Start linear skip connections at the solution of PCA."""
        self.start_at_pca(sample.rows, sample.weights, seed)

    def start_at_pca(self, rows, weights, seed):
        """Do the same, given the rows (n_samples, n_features) in the units of the data."""
        scale = start_at_pca(self.encoder, self.decoder, self.standardization, rows, weights, seed)
        self.code_scale.fill_(scale)

    @torch.no_grad()
    def turn(self, rotation, shift):
        """Let codes be ``code @ rotation + shift``, and decode such codes as before.

        Parameters
        ----------
        rotation : ndarray of shape (n_components, n_components)
            Orthogonal.
        shift : ndarray of shape (n_components,)

        Returns
        -------
        is_done : bool
            Whether the layers around the code are linear, so that they can be turned.
        """
        makers, readers = end_layers(self.encoder, last=True), end_layers(self.decoder, last=False)
        if not makers or not readers or {type(layer) for layer in makers + readers} != {nn.Linear}:
            return False
        rotation, shift = (makers[0].weight.new_tensor(each) for each in (rotation, shift))
        for i, layer in enumerate(makers):
            layer.weight.copy_(rotation.T @ layer.weight)
            layer.bias.copy_(layer.bias @ rotation + (shift if i == 0 else 0))
        for layer in readers:
            layer.weight.copy_(layer.weight @ rotation)
            layer.bias.sub_(layer.weight @ shift)
        self.__dict__.pop("_kept_conversions", None)  # copies that inference has made
        return True

    def constants(self):
        return [*super().constants(), self.code_scale]

    def rate_factors(self):
        """Return factors of learning rates by parameter, for steps in proportion to large codes."""
        factors = super().rate_factors()
        ratio = self.code_scale.item() / _MAX_CODE_SCALE
        if ratio > 1:
            makers, readers = self.code_parameters()
            factors |= {parameter: factors.get(parameter, 1.0) * ratio for parameter in makers}
            factors |= {parameter: factors.get(parameter, 1.0) / ratio for parameter in readers}
        return factors

    def code_parameters(self):
        """Return the parameters that add up to codes, and the weights that codes are multiplied by.

        A user's own modules have none: their scale of codes is not known.
        """
        last = end_layers(self.encoder, last=True) or []
        first = end_layers(self.decoder, last=False) or []
        return [p for layer in last for p in layer.parameters()], [layer.weight for layer in first]


def _place_loss(code, target):
    """Return the squared distance of codes from their places, as a fraction of these's variance."""
    places = target.labels.to(code.dtype)
    deviations = places - mean_of_batch(places.mean(0))
    variance = mean_of_batch(deviations.square().sum(1).mean()).clamp(min=_MIN_CODE_VARIANCE)
    return weighted_mean((code - places).square().sum(1) / variance, target.weights)


def truncated(code):
    """Set the last components of each code to zero, at random how many.

    This is the nested dropout of Rippel, Gelbart and Adams (2014). The numbers of components
    kept are spread evenly over their distribution: each batch holds about the same of them.

    Parameters
    ----------
    code : Tensor of shape (n_samples, n_components)
        Rows in random order.

    Returns
    -------
    Tensor of shape (n_samples, n_components)
    """
    n_samples, n_components = code.shape
    places = torch.arange(n_components, device=code.device)
    powers = (places + 1.0) ** _TRUNCATION_POWER
    # Cumulative probabilities of keeping 1, 2, ... components; the rest is that of the whole code.
    bounds = (1 - _WHOLE_CODE_FRACTION) * powers.cumsum(0)[:-1] / powers.sum()
    # Systematic sampling: one random offset, so that batches differ little in their lengths.
    last = torch.bucketize(spread(n_samples, code.device), bounds)
    return code * (places <= last[:, None])


def with_presence(code):
    """Append to each code which components are present: its last zeros stand for absent ones.

    Parameters
    ----------
    code : Tensor of shape (n_samples, n_components)

    Returns
    -------
    Tensor of shape (n_samples, 2 * n_components)
        The code, then ones up to its last component that is not zero.
    """
    # The number of entries from each component on that are not zero: it or a later one is present.
    ones = torch.ones(code.shape[1], code.shape[1], dtype=code.dtype, device=code.device)
    n_later = (code != 0).to(code.dtype) @ ones.tril()
    return torch.cat([code, n_later.clamp(max=1)], dim=1)
