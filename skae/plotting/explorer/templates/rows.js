// The data of the page: codes, rows of X, and columns that color the points. It touches no part of
// the page.
"use strict";

const skaeRows = (() => {
  const settings = JSON.parse(document.getElementById("settings").textContent);
  const nComponents = settings.limits.length;
  const isPicture = settings.imageShape !== null;
  const data = {}; // arrays, read once

  const codeOf = (row) => data.codes.data.subarray(row * nComponents, (row + 1) * nComponents);

  // The place of a row among those that the page holds, -1 if it does not.
  const placeOf = (row) => (data.places ? data.places[row] : row);

  // The row of X, in the units of the data, or null if the page does not hold it.
  function sampleOf(row) {
    const place = data.samples ? placeOf(row) : -1;
    if (place < 0) return null;
    const n = data.samples.shape[1];
    const stored = data.samples.data.subarray(place * n, (place + 1) * n);
    if (!isPicture) return stored;
    return Float64Array.from(stored, inUnits);
  }

  const limitsOf = (feature) => {
    const at = isPicture ? 0 : 2 * feature;
    return [data.featureLimits.data[at], data.featureLimits.data[at + 1]];
  };

  // The value of a stored pixel; 255 stands for a missing one.
  function inUnits(byte) {
    const [low, high] = limitsOf(0);
    return byte === 255 ? NaN : low + (byte / 254) * (high - low);
  }

  // The k rows, of those that the page holds, whose codes are nearest to a code.
  function nearestRows(code, k) {
    const best = []; // [squared distance, row], the nearest first
    const codes = data.codes.data;
    const rows = data.kept ? data.kept.data : null;
    const n = rows ? rows.length : settings.nRows;
    for (let i = 0; i < n; i++) {
      const row = rows ? rows[i] : i;
      const limit = best.length < k ? Infinity : best[k - 1][0];
      let distance = 0;
      for (let c = 0, at = row * nComponents; c < nComponents && distance < limit; c++, at++)
        distance += (codes[at] - code[c]) ** 2;
      if (distance >= limit) continue;
      let place = best.findIndex((other) => other[0] > distance);
      if (place < 0) place = best.length;
      best.splice(place, 0, [distance, row]);
      best.length = Math.min(best.length, k);
    }
    return best.map(([, row]) => row);
  }

  // -- columns -----------------------------------------------------------------------------

  // Values of a feature, NaN for rows that the page does not hold.
  function featureColumn(feature, name) {
    const [nKept, n] = data.samples.shape;
    const values = new Float32Array(settings.nRows).fill(NaN);
    for (let i = 0; i < nKept; i++) {
      const value = data.samples.data[i * n + feature];
      values[data.kept ? data.kept.data[i] : i] = isPicture ? inUnits(value) : value;
    }
    const labels = settings.formats[feature]?.labels;
    // Of more categories than colors there are, colors are those of their positions.
    if (labels && labels.length <= settings.palette.length)
      return { name, data: values, classes: labels, rest: "missing" };
    return rangeColumn(name, values);
  }

  function rangeColumn(name, values) {
    let low = Infinity, high = -Infinity;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return { name, data: values, limits: low > high ? [0, 1] : [low, high] };
  }

  function componentColumn(component) {
    const values = new Float32Array(settings.nRows);
    for (let i = 0; i < values.length; i++) values[i] = data.codes.data[i * nComponents + component];
    return { name: `code ${component + 1}`, data: values, limits: settings.limits[component] };
  }

  // -- start -------------------------------------------------------------------------------

  async function readArrays() {
    const read = skaePayload.unpack;
    data.codes = await read(settings.codes);
    data.featureLimits = settings.featureLimits && (await read(settings.featureLimits));
    data.samples = settings.samples && (await read(settings.samples));
    data.kept = settings.kept && (await read(settings.kept));
    if (data.kept) {
      data.places = new Int32Array(settings.nRows).fill(-1);
      data.kept.data.forEach((row, place) => { data.places[row] = place; });
    }
    data.columns = [];
    for (const column of settings.columns)
      data.columns.push({ ...column, data: (await read(column.values)).data });
    data.program = settings.decoder && (await skaePayload.unpackProgram(settings.decoder.program));
  }

  return {
    settings, nComponents, isPicture, data, read: readArrays,
    codeOf, sampleOf, limitsOf, nearestRows, featureColumn, componentColumn,
  };
})();
