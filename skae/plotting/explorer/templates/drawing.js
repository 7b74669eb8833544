// Pictures, tables of features, sliders and legends: they show what they are given, and know
// nothing of the plot.
"use strict";

const skaeDrawing = (() => {
  const MISSING = [158, 201, 224]; // light blue, as in the displays
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // Four digits, and no more characters than they need.
  function shown(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (typeof value !== "number") return String(value);
    if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
    return String(Number(value.toPrecision(4)));
  }

  const twoDigits = (n) => String(n).padStart(2, "0");
  const asClock = (s) => [Math.floor(s / 3600), Math.floor(s / 60) % 60, Math.round(s % 60)].map(twoDigits).join(":");
  const FORMATS = {
    number: shown,
    day: (ms) => new Date(ms).toISOString().slice(0, 10),
    moment: (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " "),
    time: asClock,
    duration: (seconds) => `${shown(seconds)} s`,
  };

  // The text of a column's number; columns of a plain table have no format.
  function written(value, format) {
    if (!format || value === null || Number.isNaN(value)) return shown(value);
    return format.labels ? format.labels[value] : FORMATS[format.kind](value);
  }

  // Draw a row of pixels in the order (height, width, channels); limits are black and white.
  function drawPicture(canvas, row, [height, width, channels], [low, high]) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (let p = 0; p < height * width; p++) {
      const values = Array.from(row.subarray(p * channels, (p + 1) * channels));
      // All but colors are averaged.
      const gray = values.reduce((total, value) => total + value, 0) / channels;
      const rgb = channels === 3 ? values : [gray, gray, gray];
      const bytes = Number.isNaN(gray) ? MISSING : rgb.map((v) => (255 * (v - low)) / (high - low));
      image.data.set([...bytes, 255], 4 * p); // clamped and rounded by its type
    }
    context.putImageData(image, 0, 0);
  }

  function clearPicture(canvas, [height, width]) {
    canvas.width = width;
    canvas.height = height;
  }

  // A table with a row for each shown feature, and columns that are filled later.
  class FeatureTable {
    constructor(table, names, features, limits, formats, onName) {
      this.formats = formats;
      this.features = features;
      this.limits = limits;
      this.head = table.tHead.rows[0];
      this.head.append(element("th"));
      this.rows = features.map((feature) => {
        const name = element("th", { textContent: names[feature], title: names[feature] });
        name.onclick = () => onName(feature);
        const row = element("tr", {}, name);
        table.tBodies[0].append(row);
        return row;
      });
      this.n = 0;
    }

    addColumn(title) {
      this.head.append(element("th", { textContent: title }));
      for (const row of this.rows) row.append(element("td"));
      return ++this.n;
    }

    // Show a row in a column; null empties it.
    fill(column, row, title) {
      if (title !== undefined) this.head.cells[column].textContent = title;
      this.rows.forEach((cells, i) => {
        const cell = cells.cells[column], value = row === null ? null : row[this.features[i]];
        const [low, high] = this.limits(this.features[i]);
        const format = this.formats[this.features[i]];
        cell.textContent = row === null ? "" : written(value, format);
        // Where the value lies between the smallest and the largest of the data.
        const hasBar = row !== null && high > low && !format?.labels;
        const filled = !hasBar ? 0 : (100 * (value - low)) / (high - low);
        cell.style.setProperty("--filled", `${Math.min(Math.max(filled || 0, 0), 100)}%`);
      });
    }
  }

  // A slider for each listed component; onChange(component, value).
  function makeSliders(box, components, code, limits, onChange) {
    box.replaceChildren(
      ...components.map((component) => {
        const [low, high] = limits[component];
        const output = element("output", { textContent: shown(code[component]) });
        const range = element("input", { type: "range", min: low, max: high, step: "any" });
        range.value = code[component];
        range.dataset.component = component;
        range.oninput = () => {
          output.textContent = shown(Number(range.value));
          onChange(component, Number(range.value));
        };
        return element("label", {}, `code ${component + 1}`, range, output);
      }),
    );
  }

  function drawClasses(box, classes, rest, palette, missing, onClass) {
    const entries = classes.map((label, i) => [label, palette[i], i]);
    if (rest) entries.push([rest, missing, NaN]);
    box.replaceChildren(
      ...entries.map(([label, color, value]) => {
        const swatch = element("i");
        swatch.style.background = color;
        const title = "select these rows";
        const button = element("button", { type: "button", title }, swatch, label);
        button.onclick = () => onClass(value);
        return button;
      }),
    );
  }

  function drawRamp(box, [low, high], palette) {
    const ramp = element("span", { className: "ramp" });
    const colors = palette.filter((_, i) => i % 16 === 0 || i === palette.length - 1);
    ramp.style.background = `linear-gradient(90deg, ${colors.join(", ")})`;
    box.replaceChildren(shown(low), ramp, shown(high));
  }

  return { element, shown, drawPicture, clearPicture, FeatureTable, makeSliders, drawClasses, drawRamp };
})();
