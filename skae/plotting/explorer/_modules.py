"""Torch modules as steps of a program: one function a module, found by a table."""

from collections.abc import Callable
from typing import Any

from torch import nn

from ...networks.blocks import Dropout, LinearSkip
from ...networks.conv import ResidualBlock, Resize
from ...networks.layout import ImagesToRows, RowsToImages
from ...networks.standardization import DecodesToData
from ._program import NotExpressible, Program


def add_module(program: Program, module: nn.Module, path: str = "decoder") -> None:
    """Append the steps of a module in evaluation mode.

    Parameters
    ----------
    program : Program
    module : Module
    path : str
        Its name, for errors.

    Raises
    ------
    NotExpressible
        If the page cannot run it, or a module within.
    """
    forward = type(module).forward
    for kind in type(module).__mro__:
        # A subclass computes the same unless it has a forward of its own.
        if kind in _MODULES and getattr(kind, "forward", None) is forward:
            _MODULES[kind](program, module, path)
            return
    name = type(module).__name__
    raise NotExpressible(
        f"the page cannot run the module {name} (at {path}); it knows "
        f"{', '.join(sorted(kind.__name__ for kind in _MODULES))}. Build the decoder from these, "
        "or give decode=False for a page that does not decode."
    )


# -- layers with weights -------------------------------------------------------------------


def _linear(program: Program, module: Any, path: str) -> None:
    program.add("linear", weight=program.keep(module.weight), bias=program.keep(module.bias))


def _convolution(program: Program, module: Any, path: str) -> None:
    # Other modes fill the border with copies of the image.
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise NotExpressible(
            f"the page cannot run the padding of {path}, {module.padding_mode!r} by "
            f"{module.padding!r}: pad with zeros, by a number of pixels, or give decode=False."
        )
    weight, bias = program.keep(module.weight), program.keep(module.bias)
    sizes: dict[str, Any] = {
        name: list(getattr(module, name)) for name in ("stride", "padding", "dilation")
    }
    op = "conv"
    if isinstance(module, nn.ConvTranspose2d):
        op, sizes["output_padding"] = "conv_transpose", list(module.output_padding)
    program.add(op, weight=weight, bias=bias, groups=module.groups, **sizes)


# -- normalization -------------------------------------------------------------------------


def _batch_norm(program: Program, module: Any, path: str) -> None:
    if module.running_mean is None:
        raise NotExpressible(
            f"the page cannot run {path}, a batch normalization without running statistics: what "
            "it returns depends on the other rows of a batch. Give decode=False."
        )
    # As it is in evaluation: an affine map, folded in float64 so that rounding comes once.
    mean, variance = (each.double() for each in (module.running_mean, module.running_var))
    scale = (variance + module.eps).rsqrt()
    if module.affine:
        scale = scale * module.weight.detach().double()
    shift = -mean * scale
    if module.affine:
        shift = shift + module.bias.detach().double()
    program.add_affine(scale.numpy(force=True), shift.numpy(force=True))


def _group_norm(program: Program, module: Any, path: str) -> None:
    _add_normalization(program, module, module.num_groups)


def _layer_norm(program: Program, module: Any, path: str) -> None:
    if len(module.normalized_shape) != 1:
        raise NotExpressible(
            f"the page cannot run {path}, a layer normalization of more than one dimension. Use "
            "GroupNorm(1, n_channels), or give decode=False."
        )
    # Of a row of units these are the channels of a single group.
    _add_normalization(program, module, 1)


def _add_normalization(program: Program, module: Any, groups: int) -> None:
    weight, bias = (program.keep(getattr(module, name)) for name in ("weight", "bias"))
    program.add("normalize", groups=groups, eps=module.eps, weight=weight, bias=bias)


# -- modules that hold others --------------------------------------------------------------


def _sequence(program: Program, module: Any, path: str) -> None:
    for name, part in module.named_children():
        add_module(program, part, f"{path}.{name}")


def _add_sum(program: Program, parts: list[tuple[Any, str]]) -> None:
    # They share the arrays, whose positions count through the whole program.
    branches = [program.branch() for _ in parts]
    for branch, (part, path) in zip(branches, parts, strict=True):
        add_module(branch, part, path)
    program.add("sum", branches=[branch.steps for branch in branches])


def _linear_skip(program: Program, module: Any, path: str) -> None:
    names = ("linear", "nonlinear")
    _add_sum(program, [(getattr(module, name), f"{path}.{name}") for name in names])


def _residual_block(program: Program, module: Any, path: str) -> None:
    # A branch without steps returns its input.
    _add_sum(program, [(nn.Identity(), path), (module.body, f"{path}.body")])
    add_module(program, module.activation, f"{path}.activation")


def _in_data_units(program: Program, module: Any, path: str) -> None:
    add_module(program, module.decoder, f"{path}.decoder")
    units = module.standardization
    if not units.sigmoid:
        # What follows leads back to the data, whatever the module.
        program.add_affine(1 / units.scale.item(), -(units.center / units.scale).numpy(force=True))


# -- shapes --------------------------------------------------------------------------------


def _nothing(program: Program, module: Any, path: str) -> None:
    pass


def _to_images(program: Program, module: Any, path: str) -> None:
    program.add("to_images", shape=list(module.shape))


def _to_rows(program: Program, module: Any, path: str) -> None:
    program.add("to_rows")


def _resize(program: Program, module: Any, path: str) -> None:
    program.add("resize", size=list(module.size))


def _upsample(program: Program, module: Any, path: str) -> None:
    if module.mode != "nearest":
        raise NotExpressible(
            f"the page cannot run {path}, upsampling of mode {module.mode!r}: use 'nearest', or "
            "give decode=False."
        )
    if module.size is not None:
        size = module.size
        program.add("resize", size=[size, size] if isinstance(size, int) else list(size))
        return
    # Kept as a factor: rounded to a size it would lead to other pixels.
    factor = module.scale_factor
    factors = [factor, factor] if isinstance(factor, (int, float)) else list(factor)
    program.add("resize", factors=[float(each) for each in factors])


def _flatten(program: Program, module: Any, path: str) -> None:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise NotExpressible(
            f"the page cannot run {path}, which flattens a part of the dimensions: flatten all, "
            "or give decode=False."
        )
    # Without the axis of rows: the page decodes one code at a time.
    program.add("reshape", shape=[-1])


def _unflatten(program: Program, module: Any, path: str) -> None:
    if module.dim not in (1, -1):
        raise NotExpressible(
            f"the page cannot run {path}: unflatten dimension 1, or give decode=False."
        )
    program.add("reshape", shape=list(module.unflattened_size))


def _activation(name: str, *parameters: str) -> Callable[[Program, Any, str], None]:
    """Return what adds an activation, with those of the module's attributes that it needs."""

    def add(program: Program, module: Any, path: str) -> None:
        values = [float(getattr(module, parameter)) for parameter in parameters]
        program.add("activation", name=name, parameters=values)

    return add


def _gelu(program: Program, module: Any, path: str) -> None:
    name = "gelu_tanh" if module.approximate == "tanh" else "gelu"
    program.add("activation", name=name, parameters=[])


_MODULES: dict[type, Callable[[Program, Any, str], None]] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _convolution,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.Sequential: _sequence,
    LinearSkip: _linear_skip,
    ResidualBlock: _residual_block,
    DecodesToData: _in_data_units,
    nn.Identity: _nothing,
    Dropout: _nothing,
    nn.Dropout: _nothing,
    nn.Dropout2d: _nothing,
    RowsToImages: _to_images,
    ImagesToRows: _to_rows,
    Resize: _resize,
    nn.Upsample: _upsample,
    nn.Flatten: _flatten,
    nn.Unflatten: _unflatten,
    nn.ReLU: _activation("relu"),
    nn.LeakyReLU: _activation("leaky_relu", "negative_slope"),
    nn.ELU: _activation("elu", "alpha"),
    nn.SELU: _activation("selu"),
    nn.GELU: _gelu,
    nn.SiLU: _activation("silu"),
    nn.Tanh: _activation("tanh"),
    nn.Sigmoid: _activation("sigmoid"),
    nn.Softplus: _activation("softplus", "beta"),
}
