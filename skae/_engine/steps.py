"""Loss and gradients of a batch: what every step of training computes."""


def loss_and_gradients(net, batch, layers=None):
    """Compute the gradients of a batch, in the parameters, and return its loss and named parts.

    Both are detached: whoever keeps them does not keep the graph of the step.

    Parameters
    ----------
    net : Net
    batch : tuple of Tensor and Target
    layers : ChangedLayers, default=None
        How layers compute; None stands for those of the net.
    """
    with net.layers if layers is None else layers:
        loss, parts = net.module_.training_loss(*batch, net.criterion_)
    loss.backward()
    return loss.detach(), parts
