"""Training steps whose layers compute in another way: in bfloat16, or compiled."""

from functools import partial

import torch
from torch import nn

PRECISIONS = ("float32", "bfloat16")


class ChangedLayers:
    """Within it, the parts of a network, such as its encoder, compute by other functions.

    It belongs to training steps: validation and inference do without it. The modules stay the
    same, with their names, hooks and copies.

    Parameters
    ----------
    network : Network
    changes : list of callable
        Each returns a function in place of the ``forward`` that it gets.
    """

    def __init__(self, network, changes):
        self.parts = []
        for part in _parts(network):
            forward = part.forward
            for change in changes:
                forward = change(forward)
            # Hooks of other libraries, and torch.compile, leave one on the module itself.
            self.parts.append((part, forward, vars(part).get("forward")))

    def __enter__(self):
        # In place of hooks: what they would open stays open where a layer raises an error.
        for part, forward, _ in self.parts:
            part.forward = forward

    def __exit__(self, *error):
        for part, _, own in self.parts:
            del part.forward
            if own is not None:
                part.forward = own


def _parts(network):
    """Yield the modules with weights that the network calls as a whole, such as its encoder."""
    for part in network.children():
        if isinstance(part, nn.ModuleList | nn.ModuleDict):
            yield from _parts(part)
        elif any(True for _ in part.parameters()):
            yield part


def lowered(device):
    """Return a change to layers that compute in bfloat16 and return float32.

    Losses, statistics and what lies between the parts of the network see only float32, and so do
    the weights: each call rounds a copy of them.
    """
    # No inner function: nets are copied and pickled.
    return partial(partial, _lowered, device.type)


def _lowered(device_type, forward, *args, **kwargs):
    with torch.autocast(device_type, torch.bfloat16):
        output = forward(*args, **kwargs)
    return _single(output)


def _single(output):
    """Return tensors in float32, also those in tuples, as of recurrent layers."""
    if isinstance(output, torch.Tensor):
        return output.float() if output.dtype == torch.bfloat16 else output
    return tuple(map(_single, output)) if isinstance(output, tuple) else output


def check_bfloat16(device):
    """Raise a ValueError unless the device multiplies in bfloat16."""
    ones = torch.ones(2, 2, device=device)
    try:
        # Asked of none but the device itself: support depends on its driver, too.
        with torch.autocast(device.type, torch.bfloat16):
            is_lowered = (ones @ ones).dtype == torch.bfloat16
    except RuntimeError as error:
        raise ValueError(_REFUSAL.format(device)) from error
    if not is_lowered:
        raise ValueError(_REFUSAL.format(device))


_REFUSAL = (
    "precision='bfloat16' needs a device that computes in it, got device='{}': set "
    "precision='float32'."
)


def has_fast_bfloat16(device):
    """Return whether a CUDA device multiplies faster in bfloat16 than in float32."""
    return torch.cuda.get_device_capability(device) >= (8, 0)
