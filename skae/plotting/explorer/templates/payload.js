// Reading of the arrays in the page: compressed bytes in base64, as _payload.py packs them.
"use strict";

const skaePayload = (() => {
  const TYPES = {
    uint8: Uint8Array, int32: Int32Array, float16: Uint16Array,
    float32: Float32Array, float64: Float64Array,
  };

  function bytesOf(text) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const binary = atob(text), bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  }

  // Numbers of 16 bits (IEEE 754), one by one: not all browsers have an array of them.
  function fromHalf(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }

  // Return the promise of {data, shape}.
  async function unpack(packed) {
    const stream = new Blob([bytesOf(packed.data)]).stream();
    const inflated = stream.pipeThrough(new DecompressionStream("deflate"));
    let data = new TYPES[packed.dtype](await new Response(inflated).arrayBuffer());
    if (packed.dtype === "float16") data = Float32Array.from(data, fromHalf);
    return { data, shape: packed.shape };
  }

  async function unpackProgram(packed) {
    return { steps: packed.steps, arrays: await Promise.all(packed.arrays.map(unpack)) };
  }

  return { unpack, unpackProgram };
})();
