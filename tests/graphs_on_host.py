"""CUDA graphs made of operations on the host: recorded without effect, and repeated in place."""

import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

# Its schema does not say that it writes running statistics.
_BATCH_NORM, _RUNNING = "aten::native_batch_norm", slice(3, 5)
_WAITING = ("aten::_local_scalar_dense", "aten::is_nonzero")


def _tensors(values):
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]


def _alias(value):
    return value.detach() if isinstance(value, torch.Tensor) else value


def _storage(tensor):
    return tensor.untyped_storage().data_ptr()


class Graph(TorchDispatchMode):
    """What `torch.cuda.CUDAGraph` is, and what records into it."""

    def __init__(self):
        super().__init__()
        self.calls, self.before, self.generators = [], {}, []
        self.n_replays = 0

    def register_generator_state(self, generator):
        self.generators.append(generator)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func._schema.name in _WAITING:
            raise RuntimeError("The device would be waited for.")
        generator = kwargs.get("generator")
        # Objects differ, and what they stand for is the same.
        states = [each.get_state() for each in self.generators]
        assert generator is None or any(map(generator.get_state().equal, states))
        written = self._written(func, args, kwargs)
        for tensor in written:
            self.before.setdefault(_storage(tensor), (tensor.detach(), tensor.clone()))
        # Others of the same memory: operations in place may change the shape of these.
        args, kwargs, own = *tree_map(_alias, (args, kwargs)), (args, kwargs)
        result = func(*own[0], **own[1])
        given = {_storage(tensor) for tensor in _tensors([args, kwargs])}
        made = {
            place: tensor.detach()
            for place, tensor in enumerate(tree_leaves(result))
            if isinstance(tensor, torch.Tensor) and _storage(tensor) not in given
        }
        if written or made:  # and no view
            self.calls.append((func, args, kwargs, made))
        return result

    @staticmethod
    def _written(func, args, kwargs):
        pairs = zip(func._schema.arguments, args, strict=False)
        values = [value for argument, value in pairs if _is_written(argument)]
        values += [
            kwargs[argument.name]
            for argument in func._schema.arguments
            if argument.name in kwargs and _is_written(argument)
        ]
        values += args[_RUNNING] if func._schema.name == _BATCH_NORM else []
        return _tensors(values)

    def __enter__(self):
        self.states = [generator.get_state() for generator in self.generators]
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        # Recording computes nothing.
        for tensor, before in self.before.values():
            with torch.no_grad():
                tensor.copy_(before)
        for generator, state in zip(self.generators, self.states, strict=True):
            generator.set_state(state)
        # Whoever expects values at once finds none.
        for _, _, _, made in self.calls:
            for tensor in made.values():
                if tensor.is_floating_point():
                    tensor.fill_(torch.nan)

    def replay(self):
        self.n_replays += 1
        for func, args, kwargs, made in self.calls:
            # Recurrences keep what their backward pass needs only where gradients are on.
            with torch.enable_grad():
                result = tree_leaves(func(*args, **kwargs))
            for place, tensor in made.items():
                tensor.copy_(result[place])


def _is_written(argument):
    return argument.alias_info is not None and argument.alias_info.is_write


class Stream:
    """A stream of the only device there is."""

    def __init__(self, device=None):
        self.device = device

    def wait_stream(self, other):
        pass


def use_host(monkeypatch):
    """Replace what `RecordedSteps` uses of `torch.cuda`; return the graphs that it makes."""
    graphs = []

    def make():
        graphs.append(Graph())
        return graphs[-1]

    monkeypatch.setattr(torch.cuda, "CUDAGraph", make)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: graph)
    return graphs
