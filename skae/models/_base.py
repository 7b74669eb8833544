"""What training asks of a network, whichever family it is of."""

from torch import nn

from ..networks.blocks import LinearSkip


class Network(nn.Module):
    """A network that maps data in their own units, and has a training loss.

    A family defines ``forward`` (data to data), `training_loss` and `start`; encoder-only
    families leave out the decoder, and the other way round.

    Parameters
    ----------
    standardization : Standardization
        Of the rows that are reconstructed.
    """

    def __init__(self, standardization):
        super().__init__()
        self.standardization = standardization

    @property
    def input_standardization(self):
        """Return how inputs are standardized, once, before `training_loss` gets them."""
        return self.standardization

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
        """Set where training starts.

        Parameters
        ----------
        sample : TrainingSet
            (Part of) the training data, dense and in float64.
        seed : int
        """

    def begin_epoch(self, n_finished):
        """Prepare for the next epoch, given the number of finished ones."""

    def undecayed_parameters(self):
        """List the parameters that weight decay leaves alone.

        These are the linear skip connections: they stay where PCA would have them, not nearer to
        zero.
        """
        skips = [module.linear for module in self.modules() if isinstance(module, LinearSkip)]
        return [parameter for linear in skips for parameter in linear.parameters()]

    def constants(self):
        """List the tensors of `state_dict` that training does not change."""
        return list(self.standardization.buffers())
