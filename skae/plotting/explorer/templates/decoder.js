// The decoder of the page: runs a list of steps from a code to a row. It touches no part of the
// page, and is the counterpart of skae/plotting/explorer/_run.py.
//
// A value is {data, shape}: Float64Array in row-major order, [n] for rows, [channels, height,
// width] for images. Every step takes a value, its own description and the arrays of the program,
// and returns a new value.
"use strict";

const skaeDecoder = (() => {
  // Abramowitz and Stegun's 7.1.26 errs by 1.5e-7: far below what weights of 16 bits lose.
  function erf(x) {
    const t = 1 / (1 + 0.3275911 * Math.abs(x));
    const polynomial =
      ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return Math.sign(x) * (1 - polynomial * Math.exp(-x * x));
  }

  // torch's constants.
  const SELU_SCALE = 1.0507009873554804934193349852946;
  const SELU_ALPHA = 1.6732632423543772848170429916717;

  const ACTIVATIONS = {
    relu: (x) => (x > 0 ? x : 0),
    leaky_relu: (x, slope) => (x > 0 ? x : slope * x),
    elu: (x, alpha) => (x > 0 ? x : alpha * Math.expm1(x)),
    selu: (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x)),
    gelu: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
    gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    silu: (x) => x / (1 + Math.exp(-x)),
    tanh: Math.tanh,
    sigmoid: (x) => 1 / (1 + Math.exp(-x)),
    softplus: (x, beta) => (beta * x > 20 ? x : Math.log1p(Math.exp(beta * x)) / beta),
  };

  function linear(x, step, arrays) {
    const weight = arrays[step.weight].data;
    const [nOutputs, nInputs] = arrays[step.weight].shape;
    const bias = step.bias === null ? null : arrays[step.bias].data;
    const data = new Float64Array(nOutputs);
    for (let i = 0; i < nOutputs; i++) {
      let total = bias ? bias[i] : 0;
      for (let j = 0, k = i * nInputs; j < nInputs; j++, k++) total += weight[k] * x.data[j];
      data[i] = total;
    }
    return { data, shape: [nOutputs] };
  }

  function withBias(step, arrays, channels, height, width) {
    const data = new Float64Array(channels * height * width);
    if (step.bias !== null) {
      const bias = arrays[step.bias].data;
      for (let c = 0; c < channels; c++) data.fill(bias[c], c * height * width, (c + 1) * height * width);
    }
    return data;
  }

  // The first and the last position i for which 0 <= i * stride + offset < size.
  function range(n, stride, offset, size) {
    const first = Math.max(0, Math.ceil(-offset / stride));
    const last = Math.min(n - 1, Math.floor((size - 1 - offset) / stride));
    return [first, last];
  }

  // A kernel's value at a time: the innermost loop runs along a row of pixels.
  function conv(x, step, arrays) {
    const kernel = arrays[step.weight].data;
    const [nOutputs, nInputs, kh, kw] = arrays[step.weight].shape; // nInputs of one group
    const [, height, width] = x.shape;
    const [sy, sx] = step.stride, [py, px] = step.padding, [dy, dx] = step.dilation;
    const outHeight = Math.floor((height + 2 * py - dy * (kh - 1) - 1) / sy) + 1;
    const outWidth = Math.floor((width + 2 * px - dx * (kw - 1) - 1) / sx) + 1;
    const data = withBias(step, arrays, nOutputs, outHeight, outWidth);
    for (let o = 0; o < nOutputs; o++) {
      const group = Math.floor((o * step.groups) / nOutputs);
      for (let i = 0; i < nInputs; i++) {
        const input = (group * nInputs + i) * height * width;
        for (let u = 0; u < kh; u++) {
          const [top, bottom] = range(outHeight, sy, u * dy - py, height);
          for (let v = 0; v < kw; v++) {
            const weight = kernel[((o * nInputs + i) * kh + u) * kw + v];
            const [left, right] = range(outWidth, sx, v * dx - px, width);
            for (let r = top; r <= bottom; r++) {
              let to = (o * outHeight + r) * outWidth + left;
              let from = input + (r * sy + u * dy - py) * width + left * sx + v * dx - px;
              for (let c = left; c <= right; c++, to++, from += sx) data[to] += weight * x.data[from];
            }
          }
        }
      }
    }
    return { data, shape: [nOutputs, outHeight, outWidth] };
  }

  function convTranspose(x, step, arrays) {
    const kernel = arrays[step.weight].data;
    const [nInputs, nOutputs, kh, kw] = arrays[step.weight].shape; // nOutputs of one group
    const [, height, width] = x.shape;
    const [sy, sx] = step.stride, [py, px] = step.padding, [dy, dx] = step.dilation;
    const [ey, ex] = step.output_padding;
    const outHeight = (height - 1) * sy - 2 * py + dy * (kh - 1) + ey + 1;
    const outWidth = (width - 1) * sx - 2 * px + dx * (kw - 1) + ex + 1;
    const data = withBias(step, arrays, nOutputs * step.groups, outHeight, outWidth);
    for (let i = 0; i < nInputs; i++) {
      const group = Math.floor((i * step.groups) / nInputs);
      for (let o = 0; o < nOutputs; o++) {
        const output = (group * nOutputs + o) * outHeight * outWidth;
        for (let u = 0; u < kh; u++) {
          const [top, bottom] = range(height, sy, u * dy - py, outHeight);
          for (let v = 0; v < kw; v++) {
            const weight = kernel[((i * nOutputs + o) * kh + u) * kw + v];
            const [left, right] = range(width, sx, v * dx - px, outWidth);
            for (let r = top; r <= bottom; r++) {
              let from = (i * height + r) * width + left;
              let to = output + (r * sy + u * dy - py) * outWidth + left * sx + v * dx - px;
              for (let c = left; c <= right; c++, from++, to += sx) data[to] += weight * x.data[from];
            }
          }
        }
      }
    }
    return { data, shape: [nOutputs * step.groups, outHeight, outWidth] };
  }

  // scale * x + shift, with one entry for all, for each feature or for each channel.
  function affine(x, step, arrays) {
    const scale = arrays[step.scale].data, shift = arrays[step.shift].data;
    const each = x.data.length / scale.length;
    const data = x.data.map((value, i) => {
      const c = Math.floor(i / each);
      return scale[c] * value + shift[c];
    });
    return { data, shape: x.shape };
  }

  function normalize(x, step, arrays) {
    const channels = x.shape[0];
    const size = x.data.length / step.groups, each = x.data.length / channels;
    const weight = step.weight === null ? null : arrays[step.weight].data;
    const bias = step.bias === null ? null : arrays[step.bias].data;
    const data = new Float64Array(x.data.length);
    for (let start = 0; start < data.length; start += size) {
      const group = x.data.subarray(start, start + size);
      const mean = group.reduce((total, value) => total + value, 0) / size;
      const variance = group.reduce((total, value) => total + (value - mean) ** 2, 0) / size;
      const factor = 1 / Math.sqrt(variance + step.eps);
      for (let i = start; i < start + size; i++) {
        const c = Math.floor(i / each);
        data[i] = (x.data[i] - mean) * factor * (weight ? weight[c] : 1) + (bias ? bias[c] : 0);
      }
    }
    return { data, shape: x.shape };
  }

  function activation(x, step) {
    const compute = ACTIVATIONS[step.name];
    const [parameter] = step.parameters;
    return { data: x.data.map((value) => compute(value, parameter)), shape: x.shape };
  }

  function sum(x, step, arrays) {
    const values = step.branches.map((branch) => run(branch, arrays, x));
    const data = values[0].data.slice();
    for (const other of values.slice(1)) for (let i = 0; i < data.length; i++) data[i] += other.data[i];
    return { data, shape: values[0].shape };
  }

  // Rows hold pixels in the order (height, width, channels).
  function toImages(x, step) {
    const [height, width, channels] = step.shape;
    const data = new Float64Array(x.data.length), area = height * width;
    for (let p = 0; p < area; p++)
      for (let c = 0; c < channels; c++) data[c * area + p] = x.data[p * channels + c];
    return { data, shape: [channels, height, width] };
  }

  function toRows(x) {
    const [channels, height, width] = x.shape;
    const data = new Float64Array(x.data.length), area = height * width;
    for (let p = 0; p < area; p++)
      for (let c = 0; c < channels; c++) data[p * channels + c] = x.data[c * area + p];
    return { data, shape: [data.length] };
  }

  function reshape(x, step) {
    const known = step.shape.reduce((product, size) => (size < 0 ? product : product * size), 1);
    return { data: x.data, shape: step.shape.map((size) => (size < 0 ? x.data.length / known : size)) };
  }

  function resize(x, step) {
    const [channels, height, width] = x.shape;
    const size = step.size || [height, width].map((side, i) => Math.floor(side * step.factors[i]));
    // Nearest neighbors as torch has them: by the given factor where there is one.
    const ratios = [height, width].map((side, i) => (step.size ? side / size[i] : 1 / step.factors[i]));
    const data = new Float64Array(channels * size[0] * size[1]);
    let to = 0;
    for (let c = 0; c < channels; c++)
      for (let r = 0; r < size[0]; r++) {
        const row = (c * height + Math.min(Math.floor(r * ratios[0]), height - 1)) * width;
        for (let k = 0; k < size[1]; k++)
          data[to++] = x.data[row + Math.min(Math.floor(k * ratios[1]), width - 1)];
      }
    return { data, shape: [channels, ...size] };
  }

  function pad(x, step) {
    const data = new Float64Array(x.data.length + step.size);
    data.set(x.data);
    return { data, shape: [data.length] };
  }

  // Ordered components: after the code, ones up to its last component that is not zero.
  function presence(x) {
    const n = x.data.length, data = new Float64Array(2 * n);
    data.set(x.data);
    const last = x.data.findLastIndex((value) => value !== 0);
    data.fill(1, n, n + last + 1);
    return { data, shape: [2 * n] };
  }

  // One entry for all features, or one for each.
  const entry = (values, i) => values[values.length === 1 ? 0 : i];

  function clamp(x, step, arrays) {
    const low = arrays[step.low].data, high = arrays[step.high].data;
    return { data: x.data.map((v, i) => Math.min(Math.max(v, entry(low, i)), entry(high, i))), shape: x.shape };
  }

  function sigmoidWhere(x, step, arrays) {
    const mask = arrays[step.mask].data;
    return { data: x.data.map((v, i) => (mask[i] ? ACTIVATIONS.sigmoid(v) : v)), shape: x.shape };
  }

  // -- columns of tables -----------------------------------------------------------------

  // As numpy rounds: halves to the even neighbor.
  function rint(x) {
    const rounded = Math.round(x);
    return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
  }

  // The value below which a fraction of the data lies.
  function quantile(fraction, quantiles) {
    const place = fraction * (quantiles.length - 1);
    const first = Math.min(Math.max(Math.floor(place), 0), quantiles.length - 2);
    const part = Math.min(Math.max(place - first, 0), 1);
    return (1 - part) * quantiles[first] + part * quantiles[first + 1];
  }

  function unscaled(raw, column, arrays) {
    const value = raw[column.at];
    if (column.shape === "quantiles")
      return quantile((1 + erf(value * Math.SQRT1_2)) / 2, arrays[column.quantiles].data);
    return column.scale * (column.shape === "sinh" ? Math.sinh(value) : value) + column.shift;
  }

  const turn = (sine, cosine) => Math.atan2(sine, cosine) / (2 * Math.PI);

  const READOUTS = {
    constant: (raw, column) => column.value ?? NaN,
    largest(raw, { at, size }) {
      let best = 0;
      for (let i = 1; i < size; i++) if (raw[at + i] > raw[at + best]) best = i;
      return best;
    },
    steps: (raw, { at, size }) => raw.subarray(at, at + size).reduce((n, value) => n + (value > 0.5), 0),
    number(raw, column, arrays) {
      const value = unscaled(raw, column, arrays);
      return (column.whole ? rint(value) : value) / column.unit;
    },
    // Milliseconds: the trend, moved to the nearest moment with the phase of each cycle.
    date(raw, column, arrays) {
      let moment = unscaled(raw, column, arrays);
      column.cycles.forEach((length, i) => {
        const sine = raw[column.at + 1 + 2 * i], cosine = raw[column.at + 2 + 2 * i];
        let difference = turn(sine, cosine) - moment / length;
        difference -= rint(difference);
        moment += difference * length * Math.min(Math.hypot(sine, cosine), 1);
      });
      return (rint(moment / column.step) * column.step) / 1000;
    },
    time(raw, { at }) {
      const fraction = turn(raw[at], raw[at + 1]);
      return rint((fraction - Math.floor(fraction)) * 86400) % 86400;
    },
  };

  function columns(x, step, arrays) {
    const data = Float64Array.from(step.columns, (column) => READOUTS[column.kind](x.data, column, arrays));
    return { data, shape: [data.length] };
  }

  const STEPS = {
    linear, conv, conv_transpose: convTranspose, affine, normalize, activation, sum,
    to_images: toImages, to_rows: toRows, reshape, resize, pad, presence,
    clamp, sigmoid_where: sigmoidWhere, columns,
  };

  function run(steps, arrays, x) {
    for (const step of steps) x = STEPS[step.op](x, step, arrays);
    return x;
  }

  // Return the row (Float64Array) that a code stands for, in the units of the data.
  function decode(program, code) {
    const x = { data: Float64Array.from(code), shape: [code.length] };
    return run(program.steps, program.arrays, x).data;
  }

  return { decode };
})();
