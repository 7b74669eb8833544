"""How many threads training computes with: one alone where steps are short."""

from contextlib import nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController
from torch import nn

# Multiplications of a forward pass up to which two threads gain nothing on two idle cores. On busy
# ones threads wait for each other, several times a step, until the machine gives each its turn.
_SHORT_STEP = 20e6


def one_thread_if_short(network, batch_size):
    """Keep the calling thread from sharing its work with others, if steps are short.

    Parameters
    ----------
    network : Module
    batch_size : int

    Returns
    -------
    limit : context manager
        Within it the limit holds, for torch and for this thread alone.
    """
    if batch_size * _weights_per_row(network) > _SHORT_STEP:
        return nullcontext()
    return _controller().limit(limits=1, user_api="openmp")


def _weights_per_row(network):
    """Weights by which the values of a row are multiplied; no limit if not each of them once."""
    dense = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Linear))
    matrices = sum(weight.numel() for weight in network.parameters() if weight.dim() > 1)
    return dense if dense == matrices else float("inf")


@cache
def _controller():
    return ThreadpoolController()  # looks for libraries, which takes a while
