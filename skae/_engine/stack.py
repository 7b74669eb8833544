"""Training of many networks of one shape as one: a stack along a leading model axis.

Each network keeps its own order of rows, random numbers, learning rates, callbacks and history;
a step computes for all of them at once.
"""

import copy
import math

import torch
from skorch.callbacks import LRScheduler
from torch import nn
from torch.func import functional_call

from ..losses import Target
from ..networks.generators import GeneratorStack, use_generator
from .callbacks import StopTraining, WeightAverage, by_dtype, names_of_averaged
from .data import TrainingData
from .environment import compute_threads
from .stacked_optimizers import StackedOptimizer
from .training import OPTIMIZERS

# Weights of a network, and of a stack, up to which it pays on a CPU: more take their time in
# computations, and moments and gradients of so many leave the cache. Speed beside single fits with
# 12 networks of 150 rows: 2.5 times with 9,000 weights, 1.8 with 20,000, 0.6 with 75,000.
_MAX_WEIGHTS, _MAX_STACK_WEIGHTS = 2**15, 2**19
_MAX_NETWORKS = 64
# Values of one pass over the training rows that a network may have in a stack: they are gathered
# once an epoch, a copy for each network.
_MAX_EPOCH_VALUES = 2**22
_KNOWN_PACKAGES = ("skae.", "torch.nn.")
# What every module has; the rest are the parameters of its class.
_OF_EVERY_MODULE = set(vars(nn.Module()))
# Two ways to compute a loss differ by rounding: float32 has seven digits, and long sums lose two.
_ROUNDING = {"rtol": 1e-4, "atol": 1e-6}


def stack_key(net, data, isolate_seed):
    """Return what networks must have in common to be trained together, None if one cannot be.

    Parameters
    ----------
    net : Net
    data : TrainingData
    isolate_seed : int or None
        As for `train`.

    Returns
    -------
    key : tuple or None
        Equal for networks that `train_together` takes.
    """
    if not _is_stackable(net, data, isolate_seed):
        return None
    plan, criterion = net.plan, net.criterion_
    state = tuple((k, v.shape, v.dtype) for k, v in net.module_.state_dict().items())
    n_validation = 0 if net.validation_data is None else len(net.validation_data)
    return (
        _structure(net.module_),
        state,
        (criterion.loss, criterion.image_shape, criterion.observed_only),
        criterion.data_range if criterion.loss.needs_images else None,
        (plan.optimizer, plan.learning_rate, plan.batch_size, plan.max_iter),
        (len(data), n_validation),
        (data.targets is None, data.labels is None, data.weights is None),
        net.corruption is None,
        data.device,
    )


def _is_stackable(net, data, isolate_seed):
    """Return whether every part of training is known here and acts on one network only."""
    plan, network = net.plan, net.module_
    return (
        # Code of users may do anything.
        isolate_seed is None
        and all(_is_known(module) for module in network.modules())
        and not plan.callbacks
        and plan.precision == "float32"
        and not plan.compile
        and plan.optimizer in OPTIMIZERS
        and net.criterion_.is_builtin
        # Bars, files, rows that come with others, streams.
        and not plan.verbose
        and not any(name == "checkpoint" for name, _ in net.callbacks_)
        and data.companions is None
        and (count_weights(network) <= _MAX_WEIGHTS or data.device.type != "cpu")
        and len({parameter.dtype for parameter in network.parameters()}) == 1
        and net.stream is None
        and net.ranks is None
        # Rows at hand, of one dimension.
        and type(data) is TrainingData
        and len(data) > 1
        and data.training_set.X.ndim == 2
        and math.prod(data.training_set.X.shape) <= _MAX_EPOCH_VALUES
    )


def _is_known(module):
    # `torch.vmap` has no rule for recurrences.
    is_recurrent = isinstance(module, nn.RNNBase)
    return type(module).__module__.startswith(_KNOWN_PACKAGES) and not is_recurrent


def count_weights(network):
    """Return the number of weights that are trained."""
    return sum(parameter.numel() for parameter in network.parameters())


def stack_size(network):
    """Return how many networks like this one are best trained together."""
    return min(max(_MAX_STACK_WEIGHTS // max(count_weights(network), 1), 1), _MAX_NETWORKS)


def _structure(network):
    """Return classes and parameters of all modules, but for those that may differ in a stack."""
    return tuple(
        (name, type(module), _parameters_of(module)) for name, module in network.named_modules()
    )


def _parameters_of(module):
    left_out = _OF_EVERY_MODULE.union(getattr(module, "varying", ()))
    return repr(sorted((k, v) for k, v in vars(module).items() if k not in left_out))


def train_together(nets, datas):
    """Train networks with the same `stack_key` as `train_alone` would train each of them.

    The optimizers' moments are not handed back.

    Parameters
    ----------
    nets : list of Net
    datas : list of TrainingData
    """
    row_shape = datas[0].training_set.X.shape[1:]
    with compute_threads(nets[0].module_, nets[0].batch_size, row_shape):
        stack = _Stack(nets, datas)
        for net, data in stack.members():
            net.interrupt, net.draws_globally = None, False
            # The stack averages for all of them.
            net.leave_out([c for c in net.callbacks_ if isinstance(c[1], WeightAverage)])
            net.notify("on_train_begin", X=data, y=None)
        while stack.nets:
            _run_epoch(stack)


def _run_epoch(stack):
    stack.begin_epoch()
    _run_pass(stack, _Pass(stack, training=True), stack.step)
    # From here on callbacks see the mean of the weights, as `WeightAverage` has it.
    stack.average.on_epoch_end(None)
    if stack.nets[0].validation_data is not None:
        _run_pass(stack, _Pass(stack, training=False), stack.losses)
    _end_epoch(stack)


def _end_epoch(stack):
    """Let the callbacks of each network decide; those that are done leave the stack."""
    done = []
    for place, (net, data) in enumerate(stack.members()):
        try:
            net.notify("on_epoch_end", dataset_train=data, dataset_valid=net.validation_data)
            is_done = len(net.history) == net.max_epochs
        except StopTraining:
            is_done = True
        if is_done:
            done.append(place)
            net.notify("on_train_end", X=data, y=None)
            net.module_.eval()
    if done:
        stack.drop(done)


def _run_pass(stack, batches, compute):
    """Do what `Net.run_single_epoch` does for one network."""
    prefix = "train" if batches.training else "valid"
    losses, sizes = [], []
    for inputs, target in batches:
        loss, parts = compute(inputs, target, batches.generators)
        losses.append(loss)
        sizes.append(inputs.shape[1])
        _note_parts(stack.nets, inputs, batches.training, parts)
    # One transfer from the device for all.
    for net, values in zip(stack.nets, torch.stack(losses, dim=1).tolist(), strict=True):
        net.history[-1]["batches"] += [
            {f"{prefix}_loss": value, f"{prefix}_batch_size": size}
            for value, size in zip(values, sizes, strict=True)
        ]
        net.history.record(f"{prefix}_batch_count", len(values))


def _note_parts(nets, inputs, training, parts):
    if not parts:
        return
    for place, net in enumerate(nets):
        own = {name: values[place] for name, values in parts.items()}
        dict(net.callbacks_)["LossParts"].on_batch_end(
            net, batch=(inputs[place],), training=training, parts=own
        )


class _Pass:
    """Batches of a pass over the data of each network, side by side.

    Parameters
    ----------
    stack : _Stack
    training : bool
        Whether these are batches to train on, in a new order of each network.
    """

    def __init__(self, stack, *, training):
        self.stack = stack
        self.training = training
        self.generators = [
            net.drawing if training else net.validation_noise() for net in stack.nets
        ]
        self.datas = stack.datas if training else [net.validation_data for net in stack.nets]

    def __iter__(self):
        iterators = [
            net.get_iterator(data, training=self.training)
            for net, data in zip(self.stack.nets, self.datas, strict=True)
        ]
        splits = [iterator.index_batches() for iterator in iterators]
        # All rows at once, in the order of the batches: one call a network and epoch.
        inputs, target = _stacked(
            [data.batch(torch.cat(some)) for data, some in zip(self.datas, splits, strict=True)]
        )
        stop = 0
        for batch in splits[0]:
            start, stop = stop, stop + len(batch)
            some = {name: part[:, start:stop] for name, part in target.items()}
            yield self._corrupted(inputs[:, start:stop], some)

    def _corrupted(self, inputs, target):
        changes = [net.corruption_in(self.training) for net in self.stack.nets]
        if changes[0] is None:
            return inputs, target
        changed = []
        for place, change in enumerate(changes):
            own = Target(**{name: part[place] for name, part in target.items()})
            with use_generator(self.generators[place]):
                changed.append(self.datas[place].corrupted(inputs[place], own, change))
        return _stacked(changed)


def _stacked(batches):
    """Return inputs (n_models, n_samples, n_inputs), and the parts of the targets by name."""
    inputs, targets = zip(*batches, strict=True)
    together = torch.stack(inputs)
    parts = {}
    for name, first in zip(Target._fields, targets[0], strict=True):
        if first is inputs[0]:
            parts[name] = together
        elif first is not None:
            parts[name] = torch.stack([getattr(target, name) for target in targets])
    return together, parts


class _Stack:
    """Weights of several networks in one tensor (n_models, n_weights), of which theirs are views.

    Attributes
    ----------
    nets, datas : list of Net, list of TrainingData
        Those that are still trained.
    """

    def __init__(self, nets, datas):
        self.nets, self.datas = list(nets), list(datas)
        self.loss = _Loss(copy.deepcopy(nets[0].module_), nets[0].criterion_)
        self.averaged = names_of_averaged(nets[0].module_)
        self._gather()
        own = [list(net.module_.parameters()) for net in nets]
        self.optimizer = StackedOptimizer([net.optimizer_ for net in nets], own, self.weights)
        self.rates = _Rates(nets, datas)
        self.average = WeightAverage()
        self.average.begin(self._averaged_weights())

    def members(self):
        """List networks with their data."""
        return list(zip(self.nets, self.datas, strict=True))

    def _gather(self):
        """Move the weights of the networks into common memory."""
        modules = [net.module_ for net in self.nets]
        self.weights = torch.stack(
            [torch.cat([p.detach().reshape(-1) for p in m.parameters()]) for m in modules]
        )
        self.buffers = _gathered_buffers(modules)
        self.parameters, stop = {}, 0
        for name, parameter in modules[0].named_parameters():
            start, stop = stop, stop + parameter.numel()
            # (n_models, *shape), with gradients of its own.
            view = self.weights[:, start:stop].view(-1, *parameter.shape)
            self.parameters[name] = view.detach().requires_grad_()
            _set([module.get_parameter(name) for module in modules], view)
        self.varying = {
            name: self.weights.new_tensor([getattr(module, name) for module in modules])
            for name in self.loss.network.varying
        }

    def _averaged_weights(self):
        # As a whole, since all parameters are trained.
        buffers = [self.buffers[name] for name in self.averaged if name in self.buffers]
        return by_dtype([self.weights, *buffers])

    def begin_epoch(self):
        """Prepare each network, and the common one."""
        for net, data in self.members():
            net.notify("on_epoch_begin", dataset_train=data, dataset_valid=net.validation_data)
        self.loss.network.begin_epoch(len(self.nets[0].history) - 1)
        self.rates.begin_epoch(self.nets)
        self.average.on_epoch_begin(None)

    def drop(self, places):
        """Continue without some networks, which get memory of their own."""
        for place in places:
            module = self.nets[place].module_
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.data = tensor.data.clone()
        left = [place for place in range(len(self.nets)) if place not in places]
        self.nets, self.datas = ([each[p] for p in left] for each in (self.nets, self.datas))
        if left:
            self._gather()
            self.optimizer.keep(left)
            self.rates.keep(left)
            self.average.move(self._averaged_weights(), left)

    def losses(self, inputs, target, generators):
        """Return the losses (n_models,) of a batch in evaluation mode, and their parts."""
        self.loss.eval()
        with torch.no_grad():
            return self._losses(inputs, target, generators)

    def step(self, inputs, target, generators):
        """Take a step with each network, and return the same as it was before."""
        self.loss.train()
        losses, parts = self._losses(inputs, target, generators)
        parameters = list(self.parameters.values())
        gradients = torch.autograd.grad(losses.sum(), parameters, allow_unused=True)
        self.optimizer.step(self.weights, *_flat(gradients, parameters), self.rates.next())
        self.average.on_batch_end(None, training=True)
        return losses.detach(), parts

    def _losses(self, inputs, target, generators):
        numbers = torch.arange(len(inputs), device=inputs.device)
        state = {f"network.{k}": v for k, v in (self.parameters | self.buffers).items()}

        def loss(state, varying, inputs, target, number):
            with use_generator(GeneratorStack(generators, number)):
                return functional_call(self.loss, state, (varying, inputs, target))

        # Random numbers of other sources are an error: they would not be those of a single fit.
        return torch.vmap(loss)(state, self.varying, inputs, target, numbers)


def _gathered_buffers(modules):
    """Stack the buffers of the same name, and let the modules have views of them."""
    buffers = {}
    for entries in zip(*(module.named_buffers() for module in modules), strict=True):
        name, tensors = entries[0][0], [tensor for _, tensor in entries]
        buffers[name] = torch.stack(tensors)
        _set(tensors, buffers[name])
    return buffers


def _set(tensors, stacked):
    for tensor, view in zip(tensors, stacked.unbind(), strict=True):
        tensor.data = view


def _flat(gradients, parameters):
    """Return gradients (n_models, n_weights), and which weights have any (n_weights,)."""
    pairs = list(zip(gradients, parameters, strict=True))
    filled = [torch.zeros_like(p) if g is None else g for g, p in pairs]
    is_used = [p.new_full((p[0].numel(),), g is not None) for g, p in pairs]
    return torch.cat([each.flatten(1) for each in filled], dim=1), torch.cat(is_used)


class _Rates:
    """Learning rates of the networks, step by step."""

    def __init__(self, nets, datas):
        self.n_steps = 0
        n_batches = len(nets[0].get_iterator(datas[0], training=True))
        self.of_steps = _scheduled(nets, nets[0].max_epochs * n_batches)

    def begin_epoch(self, nets):
        """Read the rates that callbacks have set."""
        if self.of_steps is None:
            groups = [net.optimizer_.param_groups[0] for net in nets]
            self.now = torch.tensor([g["lr"] / g.get("rate_factor", 1.0) for g in groups])

    def next(self):
        """Return the rates (n_models,) of the next step."""
        if self.of_steps is not None:
            self.now = self.of_steps[:, self.n_steps]
        self.n_steps += 1
        return self.now

    def keep(self, places):
        """Forget all networks but these."""
        if self.of_steps is not None:
            self.of_steps = self.of_steps[places]


def _scheduled(nets, n_steps):
    """Return the rates (n_models, n_steps) of schedules by steps, None if there are none."""
    rows, known = [], {}
    for net in nets:
        schedules = [c for _, c in net.callbacks_ if isinstance(c, LRScheduler)]
        if not schedules or schedules[0].step_every != "batch":
            return None
        rate = net.plan.learning_rate_init
        if rate not in known:
            known[rate] = torch.tensor(schedules[0].simulate(n_steps, rate))
        rows.append(known[rate])
    return torch.stack(rows).float().to(nets[0].device)


class _Loss(nn.Module):
    """The loss of a network as a function of its weights, varying attributes and a batch."""

    def __init__(self, network, criterion):
        super().__init__()
        self.network = network
        self.criterion = criterion

    def forward(self, varying, inputs, target):
        for name, value in varying.items():
            setattr(self.network, name, value)
        return self.network.training_loss(inputs, Target(**target), self.criterion)
