"""A network whose encoder gives a normal distribution over codes."""

import torch

from .generators import standard_normal_like
from .wiring import AutoencoderNetwork, NetworkOutput

# The noise has at least this share of the data's variance, so that the likelihood of data
# that can be reconstructed exactly is bounded.
_LEAST_NOISE = 1e-6
# Running statistics are those of about so many rows.
_RUNNING_ROWS = 1000


class VariationalNetwork(AutoencoderNetwork):
    """Draw codes from the encoder's distribution in training; use its mean ever after.

    The encoder gives mean and log-variance of each component in turn. (Interleaved, so that an
    encoder that ends in feature maps keeps means and log-variances in channels of their own.)
    Codes are centred and scaled by running statistics to mean zero and variance one over the
    training rows, and back before they are decoded: of all scales this one is nearest to the
    standard normal prior, and the layers need not find it.

    Attributes
    ----------
    noise_variance : Tensor of shape ()
        Variance of what the decoder leaves open in each feature, in the network's units.
    least_noise_variance : Tensor of shape ()
        What it may not fall below.
    code_mean, code_variance : Tensor of shape (n_components,)
        Of the encoder's own codes, the spread of each row's distribution included.
    """

    def __init__(self, encoder, decoder, standardization, n_components):
        super().__init__(encoder, decoder, standardization)
        self.register_buffer("noise_variance", torch.ones(()))
        self.register_buffer("least_noise_variance", torch.full((), _LEAST_NOISE))
        self.register_buffer("code_mean", torch.zeros(n_components))
        self.register_buffer("code_variance", torch.ones(n_components))

    def forward(self, x):
        mean, log_variance = self.distribution(x)
        return self.decode_draw(mean, log_variance, standard_normal_like(mean))

    def distribution(self, x):
        """Standardised rows to mean and log-variance, each (n, n_components)."""
        mean, log_variance = self.encoder(x).unflatten(1, (-1, 2)).unbind(2)
        mean = (mean - self.code_mean) / self.code_variance.sqrt()
        return mean, log_variance - self.code_variance.log()

    def decode_draw(self, mean, log_variance, draw):
        """Decode the codes that lie ``draw`` standard deviations from the mean."""
        code = mean + torch.exp(log_variance / 2) * draw
        reconstruction = self.decoder(self._own_code(code))
        return NetworkOutput(reconstruction, code, mean, log_variance)

    def encode(self, x):
        """Rows (n, n_features) to the means of their codes (n, n_components)."""
        return self.distribution(self.standardization.standardize(x))[0]

    def decode(self, code):
        """Codes (n, n_components) to rows (n, n_features)."""
        return super().decode(self._own_code(code))

    def posterior(self, x):
        """Rows (n, n_features) to means and, beside them, deviations (n, 2 * n_components)."""
        mean, log_variance = self.distribution(self.standardization.standardize(x))
        return torch.cat([mean, torch.exp(log_variance / 2)], dim=1)

    def _own_code(self, code):
        return self.code_mean + self.code_variance.sqrt() * code

    @torch.no_grad()
    def start_noise(self, variance, data_variance):
        """Set the noise variance from which training starts, and its lower limit."""
        self.least_noise_variance.fill_(_LEAST_NOISE * data_variance)
        self.noise_variance.fill_(variance).clamp_(min=self.least_noise_variance)

    @torch.no_grad()
    def follow_noise(self, errors, weights):
        """Let the noise variance follow the squared errors (n,) of a batch."""
        share, weights = _share(weights)
        self.noise_variance.lerp_(weights @ errors, share).clamp_(min=self.least_noise_variance)

    @torch.no_grad()
    def follow_codes(self, output, weights):
        """Let mean and variance of the codes follow a batch."""
        share, weights = _share(weights)
        # In units of the statistics that are to follow.
        mean = weights @ output.mean
        variance = weights @ ((output.mean - mean).square() + output.log_variance.exp())
        self.code_mean.add_(share * self.code_variance.sqrt() * mean)
        self.code_variance.mul_(1 + share * (variance - 1))


def _share(weights):
    """How far running statistics go towards a batch, and its weights with a sum of one."""
    total = weights.sum()
    return (total / _RUNNING_ROWS).clamp(max=1.0), weights / total.clamp(min=1e-12)
