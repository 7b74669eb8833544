"""A program run in Python: what the page will compute, to compare it with the estimator."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.special import ndtr
from torch.nn import functional as F

from ._program import Program, Step

_Arrays = list[torch.Tensor]


def run(program: Program, codes: np.ndarray) -> np.ndarray:
    """Return what a program makes of codes (n_samples, n_components), in float64."""
    arrays = [torch.from_numpy(each.astype(np.float64)) for each in program.arrays]
    # Without gradients, and in double precision as numbers of JavaScript are.
    with torch.no_grad():
        rows = _run(program.steps, arrays, torch.from_numpy(codes.astype(np.float64)))
    decoded: np.ndarray = rows.flatten(1).numpy()
    return decoded


def _run(steps: list[Step], arrays: _Arrays, x: torch.Tensor) -> torch.Tensor:
    for step in steps:
        x = _STEPS[step["op"]](x, step, arrays)
    return x


def _array(step: Step, name: str, arrays: _Arrays) -> torch.Tensor | None:
    position = step[name]
    # Layers without a bias, or normalization without weights, have None in its place.
    return None if position is None else arrays[position]


def _linear(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    # (n_samples, n_inputs) to (n_samples, n_outputs)
    return F.linear(x, arrays[step["weight"]], _array(step, "bias", arrays))


def _convolution(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    sizes = {name: step[name] for name in ("stride", "padding", "dilation", "groups")}
    weight, bias = arrays[step["weight"]], _array(step, "bias", arrays)
    if step["op"] == "conv":
        return F.conv2d(x, weight, bias, **sizes)
    return F.conv_transpose2d(x, weight, bias, **sizes, output_padding=step["output_padding"])


def _along_channels(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return values of channels, or of all, in a shape that broadcasts with (n_samples, ...)."""
    # Of rows the entries are those of features, of images (n_samples, channels, height, width)
    # those of channels.
    return values.reshape(-1, *[1] * (x.ndim - 2))


def _affine(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    scale, shift = (_along_channels(arrays[step[name]], x) for name in ("scale", "shift"))
    return x * scale + shift


def _normalize(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    # In one group this is layer normalization, of rows of units as well.
    weight, bias = _array(step, "weight", arrays), _array(step, "bias", arrays)
    return F.group_norm(x, step["groups"], weight, bias, step["eps"])


def _sum(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    # Every branch gets the same input, as the two paths of a skip connection.
    return torch.stack([_run(branch, arrays, x) for branch in step["branches"]]).sum(dim=0)


def _activation(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    activated: torch.Tensor = _ACTIVATIONS[step["name"]](x, *step["parameters"])
    return activated


def _to_images(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    # Rows hold pixels in the order (height, width, channels), and torch has channels first.
    return x.reshape(-1, *step["shape"]).permute(0, 3, 1, 2)


def _to_rows(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    return x.permute(0, 2, 3, 1).flatten(1)


def _reshape(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    return x.reshape(len(x), *step["shape"])


def _resize(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    # By factors torch takes the pixels from places divided by the given factor, not by the ratio of
    # the rounded sizes: decoder.js has to do the same.
    return F.interpolate(x, size=step.get("size"), scale_factor=step.get("factors"))


def _pad(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    # Components that training had and codes leave out are zero for the decoder.
    return F.pad(x, (0, step["size"]))


def _presence(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    # From the last component on: one where it or a later one is not zero. The decoder was trained
    # with these beside the code, (n_samples, 2 * n_components).
    present = (x != 0).to(x).flip(1).cummax(dim=1).values.flip(1)
    return torch.cat([x, present], dim=1)


def _clamp(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    return torch.minimum(torch.maximum(x, arrays[step["low"]]), arrays[step["high"]])


def _sigmoid_where(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    return torch.where(arrays[step["mask"]] > 0, torch.sigmoid(x), x)


def _columns(x: torch.Tensor, step: Step, arrays: _Arrays) -> torch.Tensor:
    raw = x.numpy()
    numbers = [_READOUTS[each["kind"]](raw, each, arrays) for each in step["columns"]]
    return torch.from_numpy(np.column_stack(numbers).astype(np.float64))


# -- columns of tables ---------------------------------------------------------------------


def _constant(raw: np.ndarray, column: Step, arrays: _Arrays) -> np.ndarray:
    return np.full(len(raw), np.nan if column["value"] is None else column["value"])


def _group(raw: np.ndarray, column: Step) -> np.ndarray:
    return raw[:, column["at"] : column["at"] + column["size"]]


def _largest(raw: np.ndarray, column: Step, arrays: _Arrays) -> np.ndarray:
    # Of equal ones the first, here and in decoder.js.
    positions: np.ndarray = _group(raw, column).argmax(axis=1)
    return positions


def _reached_steps(raw: np.ndarray, column: Step, arrays: _Arrays) -> np.ndarray:
    # Truth values are such a column of a single step.
    count: np.ndarray = (_group(raw, column) > 0.5).sum(axis=1)
    return count


def _unscaled(raw: np.ndarray, column: Step, arrays: _Arrays) -> np.ndarray:
    values = raw[:, column["at"]]
    if column["shape"] == "quantiles":
        quantiles = arrays[column["quantiles"]].numpy()
        # What QuantileTransformer inverts: from a normal score to a fraction, and to its quantile.
        return np.asarray(np.interp(ndtr(values), np.linspace(0, 1, len(quantiles)), quantiles))
    values = np.sinh(values) if column["shape"] == "sinh" else values
    unscaled: np.ndarray = column["scale"] * values + column["shift"]
    return unscaled


def _number(raw: np.ndarray, column: Step, arrays: _Arrays) -> np.ndarray:
    values = _unscaled(raw, column, arrays)
    # Halves to the even neighbor, which Math.round of JavaScript does not do.
    values = np.rint(values) if column["whole"] else values
    return np.asarray(values / column["unit"])


def _date(raw: np.ndarray, column: Step, arrays: _Arrays) -> np.ndarray:
    """Return milliseconds: the trend, moved to the nearest moment with the phase of each cycle."""
    moments = _unscaled(raw, column, arrays)
    for i, length in enumerate(column["cycles"]):
        sine, cosine = (raw[:, column["at"] + 1 + 2 * i + part] for part in (0, 1))
        difference = np.arctan2(sine, cosine) / (2 * np.pi) - moments / length
        # At most half a cycle, as in `DateColumn.values`: the nearest moment with that phase.
        difference -= np.rint(difference)
        moments = moments + difference * length * np.minimum(np.hypot(sine, cosine), 1)
    rounded: np.ndarray = np.rint(moments / column["step"]) * column["step"] / 1000
    return rounded


def _time(raw: np.ndarray, column: Step, arrays: _Arrays) -> np.ndarray:
    sine, cosine = (raw[:, column["at"] + part] for part in (0, 1))
    # Once more at the end: the last half second is rounded up to midnight, which is zero.
    seconds: np.ndarray = np.rint(np.arctan2(sine, cosine) / (2 * np.pi) % 1 * 86400) % 86400
    return seconds


_READOUTS: dict[str, Callable[[np.ndarray, Step, _Arrays], np.ndarray]] = {
    "constant": _constant,
    "largest": _largest,
    "steps": _reached_steps,
    "number": _number,
    "date": _date,
    "time": _time,
}


def _gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    return F.gelu(x, approximate="tanh")


# The keys are those of STEPS in decoder.js: a program that runs here has to run there.
_STEPS: dict[str, Callable[[torch.Tensor, Step, _Arrays], torch.Tensor]] = {
    "linear": _linear,
    "conv": _convolution,
    "conv_transpose": _convolution,
    "affine": _affine,
    "normalize": _normalize,
    "sum": _sum,
    "activation": _activation,
    "to_images": _to_images,
    "to_rows": _to_rows,
    "reshape": _reshape,
    "resize": _resize,
    "pad": _pad,
    "presence": _presence,
    "clamp": _clamp,
    "sigmoid_where": _sigmoid_where,
    "columns": _columns,
}

# Parameters of modules follow by position: the slope, alpha or beta of torch's functions.
_ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
}
