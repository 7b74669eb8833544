// The page: it connects Bokeh's plot, the decoder and what is drawn beside the plot.
"use strict";

const skaeExplorer = (() => {
  const HOVER_PIXELS = 14; // how near the mouse has to be to a point
  const N_NEAREST = 5;
  const N_NEAREST_IN_TABLE = 3; // each takes a column
  // A frame that takes longer is slow: then few points are drawn while the view moves, and all of
  // them once it has rested. Without a graphics card a hundred thousand take more than a second.
  const SLOW_MILLISECONDS = 60, REST_MILLISECONDS = 300, N_FEW = 3000;
  const { element, shown } = skaeDrawing;
  const byId = (id) => document.getElementById(id);
  const { settings, nComponents, isPicture, data } = skaeRows;
  const { codeOf, sampleOf, limitsOf, nearestRows, featureColumn, componentColumn } = skaeRows;

  // All that changes. `spot` is the code that is decoded, `decoded` its row in the units of the
  // data; `hovered` is the row under the mouse, -1 for none.
  const state = {
    mode: settings.decoder ? "decode" : "pan", axes: settings.axes,
    spot: settings.medians.slice(), decoded: null,
    hovered: -1, rebuilt: null, selected: [], nearest: [], column: null, difference: null,
    isSlow: false, isPressed: false,
  };
  const plot = {}; // Bokeh's models
  let table = null;
  const tableColumns = {};

  // The row whose point is nearest to a place in the plot, or -1 if all are too far.
  function rowAt(x, y) {
    const { x_range, y_range, inner_width, inner_height } = plot.figure;
    const perX = inner_width / (x_range.end - x_range.start);
    const perY = inner_height / (y_range.end - y_range.start);
    const { x: xs, y: ys } = plot.rows.data;
    let found = -1, least = HOVER_PIXELS ** 2;
    for (let i = 0; i < xs.length; i++) {
      const dx = (xs[i] - x) * perX, dy = (ys[i] - y) * perY;
      const distance = dx * dx + dy * dy;
      if (distance < least) [found, least] = [i, distance];
    }
    return found;
  }

  // -- drawing: once a frame at most -----------------------------------------------------

  const stale = new Set();
  function redraw(part) {
    if (!stale.size) requestAnimationFrame(draw);
    stale.add(part);
  }

  function draw() {
    const parts = [...stale];
    stale.clear();
    if (parts.includes("spot")) drawSpot();
    if (parts.includes("hovered")) drawHovered();
  }

  function positionOf(code) {
    const [first, second] = state.axes;
    return [code[first], second === null ? 0 : code[second]];
  }

  function drawSpot() {
    const [x, y] = positionOf(state.spot);
    plot.spot.data = { x: [x], y: [y] };
    if (data.program) {
      state.decoded = skaeDecoder.decode(data.program, state.spot);
      if (isPicture) skaeDrawing.drawPicture(byId("spot-picture"), state.decoded, settings.imageShape, limitsOf(0));
      else table.fill(tableColumns.spot, state.decoded);
    }
    drawNearest();
  }

  function drawNearest() {
    if (!data.samples) return;
    state.nearest = nearestRows(state.spot, isPicture ? N_NEAREST : N_NEAREST_IN_TABLE);
    if (!isPicture) {
      state.nearest.forEach((row, i) => table.fill(tableColumns.nearest[i], sampleOf(row), `row ${row}`));
      return;
    }
    byId("nearest-section").hidden = false;
    byId("nearest").replaceChildren(
      ...state.nearest.map((row) => {
        const canvas = element("canvas", { title: "decode the code of this row" });
        skaeDrawing.drawPicture(canvas, sampleOf(row), settings.imageShape, limitsOf(0));
        canvas.onclick = () => goTo(codeOf(row));
        return element("figure", {}, canvas, element("figcaption", { textContent: nameOf(row) }));
      }),
    );
  }

  // The number of a row, and its value in the column of the colors.
  function nameOf(row) {
    const column = state.column, value = column ? column.data[row] : NaN;
    if (!column || Number.isNaN(value)) return `row ${row}`;
    return `row ${row}: ${column.classes ? column.classes[value] : shown(value)}`;
  }

  function drawHovered() {
    const row = state.hovered;
    const [x, y] = row < 0 ? [[], []] : [[plot.rows.data.x[row]], [plot.rows.data.y[row]]];
    plot.hovered.data = { x, y };
    if (row < 0) return; // what was shown stays: one may want to look at it
    const sample = sampleOf(row);
    state.rebuilt = data.program ? skaeDecoder.decode(data.program, codeOf(row)) : null;
    byId("hovered").textContent = describe(row);
    if (!isPicture) {
      table.fill(tableColumns.sample, sample, `row ${row}`);
      if (state.rebuilt) table.fill(tableColumns.rebuilt, state.rebuilt);
      return;
    }
    byId("sample-name").textContent = sample ? `Row ${row}` : `Row ${row} is not in this page`;
    const [canvas, shape] = [byId("sample-picture"), settings.imageShape];
    if (sample) skaeDrawing.drawPicture(canvas, sample, shape, limitsOf(0));
    else skaeDrawing.clearPicture(canvas, shape);
    if (state.rebuilt) skaeDrawing.drawPicture(byId("rebuilt-picture"), state.rebuilt, shape, limitsOf(0));
  }

  function describe(row) {
    const values = data.columns.map(
      (column) => `${column.name} ${column.classes ? column.classes[column.data[row]] ?? column.rest : shown(column.data[row])}`,
    );
    return [`Row ${row}`, ...values].join(" · ");
  }

  // -- what the reader does --------------------------------------------------------------

  // Decode a code from now on; sliders follow.
  function goTo(code) {
    state.spot = Array.from(code);
    makeSliders();
    redraw("spot");
  }

  function decodeAt(x, y) {
    const [first, second] = state.axes;
    state.spot[first] = x;
    if (second !== null) state.spot[second] = y;
    redraw("spot");
  }

  const onTap = (event) => decodeAt(event.x, event.y);
  const onPress = (event) => { if (state.mode === "decode") decodeAt(event.x, event.y); };

  // Bokeh's own drags do not begin where the mouse has rested after it was pressed.
  function onMove(event) {
    if (state.isPressed && state.mode === "decode") decodeAt(event.x, event.y);
    const row = rowAt(event.x, event.y);
    if (row === state.hovered) return;
    state.hovered = row;
    redraw("hovered");
  }

  function onSelect(indices) {
    state.selected = Array.from(indices).sort((a, b) => a - b);
    byId("n-selected").textContent = state.selected.length;
    byId("selected").value = state.selected.join(", ");
    byId("copy").disabled = !state.selected.length;
  }

  async function copySelected() {
    try {
      await navigator.clipboard.writeText(byId("selected").value);
    } catch {
      // Files may not use the clipboard in every browser: the text stays selected, for Ctrl-C.
      byId("selected").select();
      document.execCommand("copy");
    }
  }

  function setMode(mode) {
    state.mode = mode;
    plot.pan.active = mode === "pan";
    plot.lasso.active = mode === "lasso";
  }

  // -- view ------------------------------------------------------------------------------

  function resetView() {
    const { x_range, y_range } = plot.figure;
    const [first, second] = state.axes;
    [x_range.start, x_range.end] = settings.limits[first];
    [y_range.start, y_range.end] = second === null ? [-3, 3] : settings.limits[second];
  }

  function setPoints(columns) {
    plot.rows.data = columns;
    const step = Math.ceil(settings.nRows / N_FEW);
    const few = ([name, values]) => [name, values.filter((_, i) => i % step === 0)];
    plot.few.data = Object.fromEntries(Object.entries(columns).map(few));
  }

  const moving = { isTimed: false, nSlow: 0, timer: null };

  // Called at every step of a move of the view.
  function onView() {
    if (state.isSlow) {
      showAll(false);
      clearTimeout(moving.timer);
      // From when it has been drawn on: a frame may take longer than the rest.
      requestAnimationFrame(() => {
        clearTimeout(moving.timer);
        moving.timer = setTimeout(() => showAll(true), REST_MILLISECONDS);
      });
    } else if (!moving.isTimed && settings.nRows > N_FEW) {
      moving.isTimed = true;
      const start = performance.now();
      requestAnimationFrame(() => setTimeout(() => {
        moving.isTimed = false;
        // Twice: a single frame may have waited for something else.
        moving.nSlow = performance.now() - start > SLOW_MILLISECONDS ? moving.nSlow + 1 : 0;
        state.isSlow = moving.nSlow > 1;
      }));
    }
  }

  function showAll(all) {
    plot["rows drawn"].visible = all;
    plot["few drawn"].visible = !all;
  }

  function setAxes(first, second) {
    state.axes = [first, second];
    const n = settings.nRows, codes = data.codes.data;
    const x = new Float64Array(n), y = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      x[i] = codes[i * nComponents + first];
      // A code of one component: points are spread by the golden ratio, so that they can be seen.
      y[i] = second === null ? ((i * 0.6180339887498949) % 1) * 2 - 1 : codes[i * nComponents + second];
    }
    setPoints({ x, y, color: state.column.data });
    plot.figure.below[0].axis_label = `code ${first + 1}`;
    plot.figure.left[0].axis_label = second === null ? "" : `code ${second + 1}`;
    plot.hovered.data = { x: [], y: [] };
    resetView();
    makeSliders();
    redraw("spot");
  }

  function makeSliders() {
    if (!data.program) return;
    const others = settings.limits.map((_, i) => i).filter((i) => !state.axes.includes(i));
    byId("sliders-section").hidden = !others.length;
    skaeDrawing.makeSliders(byId("sliders"), others, state.spot, settings.limits, (component, value) => {
      state.spot[component] = value;
      redraw("spot");
    });
  }

  // -- colors ----------------------------------------------------------------------------

  function setColumn(column) {
    state.column = column;
    const palette = column.classes ? settings.palette : settings.ramp;
    const [low, high] = column.classes ? [-0.5, palette.length - 0.5] : column.limits;
    // A constant has no range: any will do.
    plot.colors.setv({ palette, low, high: high > low ? high : low + 1 });
    setPoints({ ...plot.rows.data, color: column.data });
    const legend = byId("legend");
    if (column.classes) {
      const rest = column.data.some(Number.isNaN) ? column.rest : null;
      skaeDrawing.drawClasses(legend, column.classes, rest, palette, settings.missing, selectClass);
    } else skaeDrawing.drawRamp(legend, column.limits, palette);
  }

  function selectClass(value) {
    const indices = [];
    state.column.data.forEach((each, row) => { if (Object.is(each, value)) indices.push(row); });
    plot.rows.selected.indices = indices;
  }

  function colorByFeature(feature, name) {
    if (!data.samples) return;
    byId("color").value = "";
    setColumn(featureColumn(feature, name));
  }

  function colorByPixel(event) {
    const [, width, channels] = settings.imageShape;
    const box = event.target.getBoundingClientRect();
    const [height] = settings.imageShape;
    const column = Math.floor(((event.clientX - box.left) / box.width) * width);
    const row = Math.floor(((event.clientY - box.top) / box.height) * height);
    colorByFeature((row * width + column) * channels, `pixel (${row}, ${column})`);
  }

  function fillColors() {
    const select = byId("color");
    const add = (label, make) => {
      select.append(element("option", { textContent: label, value: String(choices.length) }));
      choices.push(make);
    };
    const choices = [];
    for (const column of data.columns) add(column.name, () => column);
    for (let i = 0; i < nComponents; i++) add(`code ${i + 1}`, () => componentColumn(i));
    if (data.samples) settings.features.forEach((name, i) => add(name, () => featureColumn(i, name)));
    select.onchange = () => setColumn(choices[select.value]());
    state.column = choices[0]();
  }

  // -- start -----------------------------------------------------------------------------

  // Decode codes of which Python has written down the rows: this browser has to agree.
  async function checkDecoder() {
    const codes = await skaePayload.unpack(settings.decoder.codes);
    const rows = await skaePayload.unpack(settings.decoder.rows);
    const { data: spread } = await skaePayload.unpack(settings.spread);
    const [n, nFeatures] = rows.shape;
    let largest = 0;
    for (let i = 0; i < n; i++) {
      const code = codes.data.subarray(i * nComponents, (i + 1) * nComponents);
      skaeDecoder.decode(data.program, code).forEach((value, j) => {
        const expected = rows.data[i * nFeatures + j];
        if (Number.isNaN(expected) && Number.isNaN(value)) return; // a column without any value
        const difference = Math.abs(value - expected) / spread[isPicture ? 0 : j];
        largest = Math.max(largest, difference); // NaN stays
      });
    }
    state.difference = largest;
    byId("checked").textContent =
      `Decoded in this page; the difference to inverse_transform is at most ${shown(largest)} of the range of the data.`;
    if (!(largest <= settings.decoder.tolerance))
      say(`This browser decodes otherwise than Python does, by ${shown(largest)} of the range of the data: do not trust what is decoded.`);
  }

  function say(text) {
    byId("message").hidden = false;
    byId("message").textContent = text;
  }

  function makeTable() {
    const { features, shownFeatures } = settings;
    table = new skaeDrawing.FeatureTable(
      byId("features"), features, shownFeatures, limitsOf, settings.formats,
      (feature) => colorByFeature(feature, features[feature]),
    );
    if (data.program) tableColumns.spot = table.addColumn("decoded at +");
    tableColumns.sample = table.addColumn("under the mouse");
    if (data.program) tableColumns.rebuilt = table.addColumn("rebuilt");
    const nNearest = data.samples ? Math.min(N_NEAREST_IN_TABLE, data.samples.shape[0]) : 0;
    tableColumns.nearest = Array.from({ length: nNearest }, () => table.addColumn("near +"));
    if (shownFeatures.length < features.length) {
      byId("features-note").hidden = false;
      byId("features-note").textContent =
        `The ${shownFeatures.length} of ${features.length} features that vary most.`;
    }
  }

  async function embed() {
    const before = Bokeh.documents.length;
    await Bokeh.embed.embed_item(JSON.parse(byId("figure").textContent), "plot");
    const made = Bokeh.documents[before];
    const names = ["figure", "rows", "rows drawn", "few", "few drawn", "spot", "hovered", "colors", "pan", "lasso"];
    for (const name of names) plot[name] = made.get_model_by_name(name);
  }

  function fillAxes() {
    byId("axes").hidden = nComponents < 3;
    const selects = [byId("x-axis"), byId("y-axis")];
    selects.forEach((select, axis) => {
      for (let i = 0; i < nComponents; i++)
        select.append(element("option", { textContent: `code ${i + 1}`, value: i }));
      select.value = state.axes[axis] ?? 0;
      select.onchange = () => {
        const axes = state.axes.slice(), other = axes[1 - axis], chosen = Number(select.value);
        // Both the same would be a line: they change places.
        axes[1 - axis] = other === chosen ? axes[axis] : other;
        axes[axis] = chosen;
        selects.forEach((each, i) => { each.value = axes[i]; });
        setAxes(...axes);
      };
    });
  }

  async function start() {
    await Promise.all([skaeRows.read(), embed()]);
    if (!isPicture) makeTable();
    else for (const id of ["spot-picture", "sample-picture", "rebuilt-picture"])
      if (byId(id)) {
        skaeDrawing.clearPicture(byId(id), settings.imageShape);
        byId(id).onclick = colorByPixel;
      }
    fillAxes();
    fillColors();
    setAxes(...state.axes);
    setColumn(state.column);
    setMode(state.mode);
    for (const radio of document.querySelectorAll("#modes input")) radio.onchange = () => setMode(radio.value);
    byId("plot").addEventListener("pointerdown", () => { state.isPressed = true; }, true);
    for (const end of ["pointerup", "pointercancel"])
      addEventListener(end, () => { state.isPressed = false; }, true);
    byId("reset").onclick = resetView;
    byId("copy").onclick = copySelected;
    if (data.program) await checkDecoder();
  }

  const ready = start();
  ready.catch((error) => say(`This page could not be set up: ${error}`));
  return { ready, state, data, plot, onTap, onPress, onMove, onSelect, onView, decodeAt, goTo, checkDecoder };
})();
