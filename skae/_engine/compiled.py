"""Steps of training that are compiled: by torch.compile on a CPU, as a CUDA graph on a GPU.

Both take batches of one shape. Others, such as a short last one, are computed as without them.
"""

import warnings
from contextlib import suppress
from importlib import import_module

import torch

from ..losses import Target
from .layers import ChangedLayers
from .steps import loss_and_gradients

# Steps before anything is compiled. Errors of the user's own code are then raised as such, and
# libraries and the optimizer have allocated what they need.
_PLAIN_STEPS = 2
# Shapes do not vary, and code for one shape is faster.
_COMPILER = {"backend": "inductor", "dynamic": False}


class CompileError(RuntimeError):
    """A step could not be compiled."""


def _compile_error(error):
    return CompileError(
        "compile=True: the step of training could not be compiled. torch.compile needs a C++ "
        "compiler on the PATH, and a CUDA graph needs losses and layers that do not wait for the "
        f"device. Set compile=False, or remove the cause: {type(error).__name__}: {error}"
    )


class _Compiled:
    """Steps for batches of the shape of the first one, which is a full one."""

    def __init__(self):
        self.shape = None
        self.n_plain = 0
        self.is_compiled = False
        self.settings = None
        self.is_settled = True

    def begin_epoch(self, net):
        """Forget what is compiled where numbers have changed that it holds as constants."""
        settings = _settings(net)
        # Not compiled anew before they stay the same: a factor may rise for some epochs.
        self.is_settled = self.settings is None or settings == self.settings
        if not self.is_settled:
            self.is_compiled, self.n_plain = False, 0
        self.settings = settings

    def _is_ready(self, batch):
        """Return whether the step for this batch is compiled, or to be compiled now."""
        shape = [None if part is None else part.shape for part in (batch[0], *batch[1])]
        if self.shape is None:
            self.shape = shape
        if shape != self.shape or not self.is_settled:
            return False
        self.n_plain += not self.is_compiled
        return self.is_compiled or self.n_plain > _PLAIN_STEPS

    def _compiled_once(self, make, *args):
        """Return what ``make`` returns; its first error is one of compiling."""
        if self.is_compiled:
            return make(*args)
        try:
            made = make(*args)
        # Compilers, and code of users that they run, may raise anything.
        except Exception as error:
            raise _compile_error(error) from error
        self.is_compiled = True
        return made

    def take_step(self, net, batch):
        """Take a whole step and return its loss and parts, or None if that is not compiled."""
        return None


class CompiledSteps(_Compiled):
    """Steps whose layers `torch.compile` has compiled.

    Not losses: they take no time, and networks update statistics between their layers.

    Parameters
    ----------
    net : Net
    """

    def __init__(self, net):
        super().__init__()
        _import_deprecated_parts()
        self.layers = ChangedLayers(net.module_, [_compiled, *net.changes])

    def loss_and_gradients(self, net, batch):
        """Return loss and parts of a batch, whose gradients are then in the parameters."""
        if not self._is_ready(batch):
            return loss_and_gradients(net, batch)
        return self._compiled_once(loss_and_gradients, net, batch, self.layers)


def _import_deprecated_parts():
    """Import in silence what torch.compile imports first, and decorates in torch's own old way.

    Otherwise the first fit of a process would give 14 warnings that nobody but torch can act on.
    """
    with warnings.catch_warnings(), suppress(ImportError):
        warnings.filterwarnings("ignore", r"`torch\.jit\.script_method` is deprecated")
        import_module("torch.utils.mkldnn")


def _compiled(forward):
    def call(*args, **kwargs):
        return forward(*args, **kwargs)

    # What is compiled is kept with the code: code of its own is forgotten with the net, and many
    # fits do not reach the limit of versions of one function.
    call.__code__ = call.__code__.replace()
    return torch.compile(call, **_COMPILER)


class RecordedSteps(_Compiled):
    """Steps as a CUDA graph: the same kernels on the same addresses, in one launch.

    It holds the optimizer's part as well where nothing looks at the gradients in between.

    Parameters
    ----------
    net : Net
    """

    def __init__(self, net):
        super().__init__()
        self.stream = torch.cuda.Stream(net.device)
        # Fused optimizers read learning rates from the device, and count steps there.
        is_whole = not net.listeners["on_grad_computed"]
        self.optimizer = net.optimizer_ if is_whole and _is_fused(net.optimizer_) else None

    def take_step(self, net, batch):
        if self.optimizer is None or not self._is_ready(batch):
            return None
        return self._compiled_once(self._replayed, net, batch)

    def loss_and_gradients(self, net, batch):
        """Return loss and parts of a batch, whose gradients are then in the parameters."""
        if self.optimizer is not None or not self._is_ready(batch):
            return self._aside(loss_and_gradients, net, batch)
        made = self._compiled_once(self._replayed, net, batch)
        for parameter, gradient in self.gradients:
            parameter.grad = gradient
        return made

    def _aside(self, function, *args):
        """Call a function on the stream that records: autograd remembers where it has run."""
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = function(*args)
        current.wait_stream(self.stream)
        return result

    def _replayed(self, net, batch):
        if not self.is_compiled:
            self._record(net, batch)
        for place, part in zip(self.places, _distinct(batch), strict=True):
            place.copy_(part)
        if self.optimizer is not None:
            self._set_rates()
        self.graph.replay()
        # A copy: the next step writes to the same place.
        loss, *values = self.values.clone().unbind()
        return loss, dict(zip(self.names, values, strict=True))

    def _record(self, net, batch):
        inputs, target = batch
        own = {id(part): part.clone() for part in _distinct(batch)}
        self.places = list(own.values())
        batch = own[id(inputs)], Target(*(None if p is None else own[id(p)] for p in target))
        # Outside of the graph, which would set them to zero at each step.
        self.rates = [torch.zeros((), device=net.device) for _ in net.optimizer_.param_groups]
        self.rates_now = [0.0] * len(self.rates)
        self.graph = torch.cuda.CUDAGraph()
        # Each replay then draws what the next step would draw.
        self.graph.register_generator_state(net.drawing)
        net._zero_grad_optimizer()
        with torch.cuda.graph(self.graph, stream=self.stream):
            loss, parts = loss_and_gradients(net, batch)
            if self.optimizer is not None:
                self._record_optimizer()
            self.values = torch.stack([loss, *parts.values()])
        self.names = list(parts)
        parameters = [p for group in net.optimizer_.param_groups for p in group["params"]]
        self.gradients = [(p, p.grad) for p in parameters if p.grad is not None]

    def _set_rates(self):
        """Write the learning rates that a schedule has changed to the device."""
        for k, group in enumerate(self.optimizer.param_groups):
            if group["lr"] != self.rates_now[k]:
                self.rates[k].fill_(group["lr"])
                self.rates_now[k] = group["lr"]

    def _record_optimizer(self):
        groups = self.optimizer.param_groups
        before = [(group["lr"], group.get("capturable")) for group in groups]
        try:
            for group, rate in zip(groups, self.rates, strict=True):
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = True
            self.optimizer.step()
        finally:
            # Schedules and checkpoints read numbers.
            for group, (rate, capturable) in zip(groups, before, strict=True):
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = capturable


def _is_fused(optimizer):
    return all(group.get("fused") for group in optimizer.param_groups)


def _distinct(batch):
    """List the tensors of a batch, each once: inputs may be the target."""
    inputs, target = batch
    parts = [inputs, *(part for part in target if part is not None)]
    return list({id(part): part for part in parts}.values())


def _settings(net):
    """Return the numbers that are attributes of layers or of the optimizer, not tensors."""
    modules = [*net.module_.modules(), *net.criterion_.modules()]
    numbers = [
        (name, value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, bool | int | float) and name != "training"
    ]
    is_trained = [p.requires_grad for p in net.module_.parameters()]
    groups = [
        {k: v for k, v in group.items() if k not in ("params", "lr", "initial_lr")}
        for group in net.optimizer_.param_groups
    ]
    return numbers, is_trained, groups


def make_compiled(net):
    """Return what compiles the steps of a net on its device."""
    # Not torch.compile on a GPU: with 20e9 multiplications in a forward pass it takes 23 s, and
    # steps of a convolutional network are 1.07 times as long as plain ones.
    is_cuda = torch.device(net.device).type == "cuda"
    return RecordedSteps(net) if is_cuda else CompiledSteps(net)
