
(function viewer() {
  const slides = report.slides;
  if (!slides || !slides.length) return;
  const canvas = byId("slide-picture");
  const context = canvas.getContext("2d");
  const CLOSEST = 8; // screen pixels for a pixel of level 0
  const [CELL_UM, CELL_PX] = [7, 28]; // radius of the mark around a cell
  const ROWS = 10; // cells in the list below the slide
  // Okabe and Ito's colours; each class has a shape of its own besides.
  const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2"];
  const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];
  // Outlines and dots of what is not right; "neither" lies on a cell whose class nobody knows.
  const DASHED = { false: [6, 4], neither: [1.5, 3.5] };
  const INSIDE = { false: "#ffffff", neither: "#77818b" };
  const pictures = new Map();
  const pointers = new Map();
  let slide = slides[0];
  let view = { x: 0, y: 0, zoom: 1 }; // middle, in level-0 pixels; CSS pixels for each of them
  let waiting = false;
  let pressed = null; // where a press of one finger or button began
  let hiddenClasses = new Set();
  let lowest = []; // thresholds of the classes
  let listed = []; // cells that pass them, the most probable first, and annotated ones missed
  let firstRow = 0;
  let openCell = -1; // place in `listed` of the cell in the dialog
  let chosenCell = null; // marked on the slide
  let selected = []; // cells that pass the thresholds

  function picture(source) {
    if (source && !pictures.has(source)) {
      const image = new Image();
      image.src = source;
      image.decode().then(redraw);
      pictures.set(source, image);
    }
    const image = source && pictures.get(source);
    return image && image.complete ? image : null;
  }

  const wholeZoom = () =>
    0.96 * Math.min(canvas.clientWidth / slide.width, canvas.clientHeight / slide.height);

  // The edges of pixels, not their middles, lie on the edges of the pictures.
  const toScreen = (x, y) => [
    (x + 0.5 - view.x) * view.zoom + canvas.clientWidth / 2,
    (y + 0.5 - view.y) * view.zoom + canvas.clientHeight / 2,
  ];

  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); });
  }

  function paint() {
    const ratio = window.devicePixelRatio || 1;
    const [wide, tall] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(tall * ratio)) {
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(tall * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, wide, tall);
    context.imageSmoothingQuality = "high";
    const box = [...toScreen(-0.5, -0.5), slide.width * view.zoom, slide.height * view.zoom];
    const sources = [[slide.thumbnail, 1]];
    if (byId("slide-density").checked) {
      // Close to, the cells themselves are what one looks at.
      sources.push([slide.density, Math.max(0.25, Math.min(0.7, (0.7 * 2 * wholeZoom()) / view.zoom))]);
    }
    for (const [source, opacity] of sources) {
      const image = picture(source);
      context.globalAlpha = opacity;
      if (image) context.drawImage(image, ...box);
    }
    context.globalAlpha = 1;
    context.strokeStyle = "#8a959f";
    context.lineWidth = 1;
    context.strokeRect(...box);
    if (byId("slide-cells").checked) paintCells(wide, tall);
    if (byId("slide-fields").checked) slide.fields.forEach(paintField);
    if (slide.mpp) paintScale(tall);
    canvas.dataset.zoom = view.zoom;
    canvas.dataset.x = view.x;
    canvas.dataset.y = view.y;
    const isWhole = view.zoom <= wholeZoom() * 1.001;
    canvas.classList.toggle("whole", isWhole); // a finger then scrolls the page
    byId("slide-out").disabled = isWhole;
    byId("slide-in").disabled = view.zoom >= CLOSEST;
  }

  function trace(shape, x, y, r) {
    const path = new Path2D();
    const corners = {
      square: [[-1, -1], [1, -1], [1, 1], [-1, 1]],
      triangle: [[0, -1.2], [1.2, 1], [-1.2, 1]],
      diamond: [[0, -1.4], [1.4, 0], [0, 1.4], [-1.4, 0]],
      cross: [[-0.4, -1.3], [0.4, -1.3], [0.4, -0.4], [1.3, -0.4], [1.3, 0.4], [0.4, 0.4],
        [0.4, 1.3], [-0.4, 1.3], [-0.4, 0.4], [-1.3, 0.4], [-1.3, -0.4], [-0.4, -0.4]],
    }[shape];
    if (!corners) path.arc(x, y, r * 1.1, 0, 7);
    else corners.forEach(([dx, dy], k) => path[k ? "lineTo" : "moveTo"](x + r * dx, y + r * dy));
    path.closePath();
    return path;
  }

  function mark(target, { label, kind }, x, y, r) {
    const colour = COLOURS[label % COLOURS.length];
    let path = trace(SHAPES[label % SHAPES.length], x, y, r);
    if (kind === "missed") {
      path = new Path2D();
      const d = Math.max(4, Math.min(9, 0.8 * r));
      for (const side of [-1, 1]) {
        path.moveTo(x - d, y - side * d);
        path.lineTo(x + d, y + side * d);
      }
    }
    // Around a cell that can be seen goes an outline, on one that cannot a dot.
    const isLine = r > 7 || kind === "missed";
    const lines = isLine ? [["#111111", 4], ["#ffffff", 3], [colour, 1.8]]
      : [["#ffffff", Math.min(3.4, r)], ["#111111", Math.min(1.4, r / 2.5)]];
    if (isLine && DASHED[kind]) target.setLineDash(DASHED[kind]);
    for (const [style, width] of lines) {
      target.strokeStyle = style;
      target.lineWidth = width;
      target.stroke(path);
    }
    target.setLineDash([]);
    if (isLine) return;
    target.fillStyle = INSIDE[kind] || colour;
    target.fill(path);
    if (!INSIDE[kind]) return;
    target.strokeStyle = colour;
    target.lineWidth = Math.min(2, r / 2);
    target.stroke(path);
  }

  const radius = () => Math.max(3, view.zoom * (slide.mpp ? CELL_UM / slide.mpp : CELL_PX));

  // Tables hold six digits; a threshold is one of these numbers.
  const passes = (label, probability) => probability >= lowest[label] - 5e-7;

  const KIND = { 1: "right", 0: "false", null: "neither" };

  // Every cell that the thresholds leave. Matching goes from the most probable cell on, so that a
  // higher threshold takes cells away and changes no other.
  function select() {
    const { cells, truth } = slide;
    const all = [];
    (cells ? cells.x : []).forEach((x, k) => {
      const [label, probability] = [cells.label[k], cells.probability[k]];
      if (!passes(label, probability)) return;
      const kind = cells.right === null ? "" : KIND[cells.right[k]];
      all.push({ x, y: cells.y[k], label, probability, kind, crop: slide.crops.cells.indexOf(k) });
    });
    (truth ? truth.x : []).forEach((x, k) => {
      const [label, at] = [truth.label[k], truth.at[k]];
      if (at !== null && passes(label, at)) return;
      const place = slide.crops.missed.indexOf(k);
      const crop = place < 0 ? -1 : slide.crops.cells.length + place;
      all.push({ x, y: truth.y[k], label, probability: null, kind: "missed", crop });
    });
    return all;
  }

  function paintCells(wide, tall) {
    const r = radius();
    for (let k = selected.length - 1; k >= 0; k--) {
      const cell = selected[k];
      if (hiddenClasses.has(cell.label)) continue;
      const [left, top] = toScreen(cell.x, cell.y);
      if (left > -10 && top > -10 && left < wide + 10 && top < tall + 10) {
        mark(context, cell, left, top, r);
      }
    }
    if (!chosenCell) return;
    const [left, top] = toScreen(chosenCell.x, chosenCell.y);
    const ring = new Path2D();
    ring.arc(left, top, Math.max(14, 1.6 * r), 0, 7);
    for (const [style, width] of [["#ffffff", 5], ["#b23a00", 2.5]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.stroke(ring);
    }
  }

  function paintField(field, number) {
    const [left, top] = toScreen(field.x - field.width / 2, field.y - field.height / 2);
    const box = [left, top, field.width * view.zoom, field.height * view.zoom];
    for (const [colour, width] of [["#ffffff", 5], ["#0b3c7d", 2.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(...box);
    }
    const words = field.count === undefined ? `${number + 1}` : `${number + 1}: ${counted(field.count, "cell")}`;
    context.font = "600 13px system-ui, sans-serif";
    const wide = context.measureText(words).width + 12;
    context.fillStyle = "#0b3c7d";
    context.fillRect(left, top - 20, wide, 20);
    context.fillStyle = "#ffffff";
    context.fillText(words, left + 6, top - 5.5);
  }

  function paintScale(tall) {
    const wanted = (110 / view.zoom) * slide.mpp; // micrometres
    const power = 10 ** Math.floor(Math.log10(wanted));
    const length = [5, 2, 1].find((factor) => factor * power <= wanted) * power;
    const wide = (length / slide.mpp) * view.zoom;
    const words = length >= 1000 ? `${length / 1000} mm` : `${length} \u00b5m`;
    context.fillStyle = "rgba(255, 255, 255, 0.85)";
    context.fillRect(8, tall - 36, Math.max(wide, 60) + 16, 28);
    context.fillStyle = "#111111";
    context.fillRect(16, tall - 16, wide, 3);
    context.font = "12px system-ui, sans-serif";
    context.fillText(words, 16, tall - 21);
  }

  function fit() {
    // As tall as the slide wants, but never so that it fills the screen: the page must scroll.
    const tall = (canvas.clientWidth * slide.height) / slide.width;
    canvas.style.height = `${Math.max(240, Math.min(tall, 0.7 * window.innerHeight, 740))}px`;
  }

  function settle() {
    view.zoom = Math.max(wholeZoom(), Math.min(CLOSEST, view.zoom));
    for (const [axis, side, room] of [["x", "width", canvas.clientWidth], ["y", "height", canvas.clientHeight]]) {
      const half = room / 2 / view.zoom;
      const middle = slide[side] / 2;
      // The slide stays in the picture: it may be moved until its edge is in the middle.
      view[axis] = half >= middle * 1.05 && view.zoom <= wholeZoom() * 1.001
        ? middle : Math.max(0, Math.min(slide[side], view[axis]));
    }
    redraw();
  }

  function zoomBy(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const [dx, dy] = [x - canvas.clientWidth / 2, y - canvas.clientHeight / 2];
    const before = view.zoom;
    view.zoom = Math.max(wholeZoom(), Math.min(CLOSEST, before * factor));
    // What is under the pointer stays there.
    view.x += dx / before - dx / view.zoom;
    view.y += dy / before - dy / view.zoom;
    settle();
  }

  function moveBy(dx, dy) {
    view.x += dx / view.zoom;
    view.y += dy / view.zoom;
    settle();
  }

  function whole() {
    view = { x: slide.width / 2, y: slide.height / 2, zoom: 0 };
    settle();
  }

  function showField(field) {
    view = {
      x: field.x + 0.5, y: field.y + 0.5,
      zoom: 0.85 * Math.min(canvas.clientWidth / field.width, canvas.clientHeight / field.height),
    };
    settle();
    canvas.focus();
  }

  function count() {
    selected = select();
    const shown = selected.filter((cell) => !hiddenClasses.has(cell.label));
    const { cells } = slide;
    const limit = cells && cells.n > cells.x.length
      ? `; of ${cells.n} that were found, the most probable ones are here` : "";
    const [missed, neither] = ["missed", "neither"].map((kind) =>
      shown.filter((cell) => cell.kind === kind).length);
    const words = [`${counted(shown.length - missed, "cell")} shown${limit}.`];
    if (slide.truth) words.push(`${missed} missed.`);
    if (slide.unknown) {
      words.push(`${neither} on annotated cells of no known class, counted neither way.`);
    }
    if (slide.fields.length) words.push(`${counted(slide.fields.length, "hotspot")}.`);
    byId("slide-status").textContent = words.join(" ");
    slide.labels.forEach((_, label) => fillClass(label));
    list(0);
  }

  const share = (part, whole) => (whole ? (part / whole).toFixed(3) : "-");

  function fillClass(label) {
    const row = byId("slide-classes").tBodies[0].rows[label];
    const here = selected.filter((cell) => cell.label === label);
    const n = (kind) => here.filter((cell) => cell.kind === kind).length;
    const [right, wrong, missed, neither] = ["right", "false", "missed", "neither"].map(n);
    // As in the scores: what lies on a cell of no known class does not count.
    const found = here.length - missed - neither;
    const texts = slide.truth
      ? [found, right + missed, right, wrong, missed, share(right, found), share(right, right + missed),
        share(2 * right, found + right + missed)] : [found];
    if (slide.unknown) texts.push(neither);
    while (row.cells.length > 2) row.deleteCell(-1);
    row.append(...texts.map((text) => make("td", `${text}`)));
    const value = row.querySelector("output");
    value.textContent = `${Number((100 * lowest[label]).toFixed(2))} %`;
    const said = slide.truth
      ? `${found} found, ${right} right, ${missed} missed, precision ${texts[5]}, recall ${texts[6]}, F1 ${texts[7]}`
      : `${found} found`;
    row.querySelector("input[type=range]").setAttribute("aria-valuetext", `${value.textContent}: ${said}`);
  }

  function classTable() {
    const head = byId("slide-classes").tHead.rows[0];
    const columns = ["class", "threshold", "found"];
    if (slide.truth) columns.push("annotated", "right", "false", "missed", "precision", "recall", "F1");
    if (slide.unknown) columns.push("neither");
    head.replaceChildren(...columns.map((words, k) => {
      const cell = make("th", words, k < 2 ? "text" : "");
      cell.scope = "col";
      return cell;
    }));
    byId("slide-classes").tBodies[0].replaceChildren(...slide.labels.map((name, k) => {
      const row = make("tr");
      const first = make("th");
      first.scope = "row";
      const label = make("label");
      const box = make("input");
      box.type = "checkbox";
      box.checked = true;
      box.addEventListener("change", () => {
        hiddenClasses[box.checked ? "delete" : "add"](k);
        count();
        redraw();
      });
      const symbol = make("canvas");
      const ratio = window.devicePixelRatio || 1;
      symbol.width = symbol.height = 18 * ratio;
      symbol.style.width = symbol.style.height = "18px";
      const small = symbol.getContext("2d");
      small.scale(ratio, ratio);
      mark(small, { label: k, kind: "" }, 9, 9, 5);
      symbol.setAttribute("aria-hidden", "true");
      label.append(box, " ", symbol, ` ${name}`);
      first.append(label);
      const slider = make("input");
      slider.type = "range";
      slider.max = "100";
      slider.step = "any"; // thresholds of a model are no whole numbers
      slider.value = 100 * lowest[k];
      slider.setAttribute("aria-label", `Threshold of ${name}`);
      slider.addEventListener("input", () => {
        lowest[k] = slider.valueAsNumber / 100;
        count();
        redraw();
      });
      const cell = make("td", "", "threshold");
      cell.append(slider, " ", make("output"));
      row.append(first, cell);
      return row;
    }));
  }

  const JUDGED = {
    "": "-", right: "right", false: "no cell of this class there", missed: "missed",
    neither: "neither: on a cell of no known class",
  };

  function list(first) {
    const which = byId("cell-which").value;
    listed = selected.filter((cell) => !hiddenClasses.has(cell.label) && (!which || cell.kind === which));
    firstRow = Math.max(0, Math.min(first, ROWS * Math.ceil(listed.length / ROWS - 1)));
    byId("cell-list").tBodies[0].replaceChildren(...listed.slice(firstRow, firstRow + ROWS).map((cell, k) => {
      const row = make("tr");
      const number = firstRow + k;
      const name = make("th");
      name.scope = "row";
      const button = make("button", `${number + 1}`);
      button.type = "button";
      button.setAttribute("aria-label", `Open cell ${number + 1}`);
      button.addEventListener("click", () => openOne(number));
      name.append(button);
      const probability = cell.probability === null ? "-" : cell.probability.toFixed(3);
      row.append(
        name, make("td", slide.labels[cell.label], "text"), make("td", probability),
        make("td", cell.x.toFixed(0)), make("td", cell.y.toFixed(0)), make("td", JUDGED[cell.kind], "text"),
      );
      return row;
    }));
    const end = Math.min(firstRow + ROWS, listed.length);
    byId("cell-place").textContent = `${listed.length ? firstRow + 1 : 0} to ${end} of ${listed.length}`;
    byId("cell-back").disabled = firstRow === 0;
    byId("cell-on").disabled = end >= listed.length;
  }

  async function drawCell(cell) {
    const target = byId("cell-picture");
    const { sheets, side, columns } = slide.crops;
    const scale = Math.min(2, window.devicePixelRatio || 1);
    target.width = target.height = 384 * scale;
    target.hidden = cell.crop < 0;
    byId("cell-scale").hidden = target.hidden || !slide.mpp;
    if (target.hidden) return;
    const image = new Image();
    image.src = sheets[Math.floor(cell.crop / columns ** 2)];
    await image.decode();
    if (cell !== listed[openCell]) return; // another one was wanted meanwhile
    const place = cell.crop % columns ** 2;
    const on = target.getContext("2d");
    on.imageSmoothingQuality = "high";
    on.drawImage(
      image, (place % columns) * side, Math.floor(place / columns) * side, side, side,
      0, 0, target.width, target.height,
    );
    target.dataset.drawn = cell.crop;
  }

  function showCellScale() {
    const bar = byId("cell-scale");
    if (bar.hidden) return;
    const um = 10;
    const wide = byId("cell-picture").getBoundingClientRect().width;
    const { side, scale } = slide.crops;
    bar.querySelector("i").style.width = `${(um / (side * scale * slide.mpp)) * wide}px`;
    bar.querySelector("span").textContent = `${um} \u00b5m`;
  }

  function openOne(number) {
    openCell = number;
    const cell = listed[number];
    const name = slide.labels[cell.label];
    const words = cell.probability === null ? `${name}, missed` : `${name}, ${(100 * cell.probability).toFixed(1)} %`;
    byId("cell-title").textContent = `Cell ${number + 1}: ${words}`;
    byId("cell-picture").setAttribute("aria-label", words);
    const facts = [["slide", slide.name], ["position", `x ${cell.x.toFixed(1)}, y ${cell.y.toFixed(1)} px of level 0`]];
    if (slide.mpp) {
      const mm = [cell.x, cell.y].map((value) => ((value * slide.mpp) / 1000).toFixed(3));
      facts.push(["in mm", `x ${mm[0]}, y ${mm[1]}`]);
    }
    if (cell.kind) facts.push(["judgement", JUDGED[cell.kind]]);
    if (cell.crop < 0) facts.push(["picture", "only some cells have one in this page"]);
    byId("cell-facts").replaceChildren(...facts.flatMap(([key, text]) => [make("dt", key), make("dd", text)]));
    byId("cell-number").textContent = `${number + 1} of ${listed.length}`;
    byId("cell-previous").disabled = number === 0;
    byId("cell-next").disabled = number === listed.length - 1;
    drawCell(cell);
    if (!byId("cell").open) byId("cell").showModal();
    showCellScale(); // now the picture has its width
  }

  function stepCell(by) {
    if (listed[openCell + by]) openOne(openCell + by);
  }

  function showOnSlide() {
    chosenCell = listed[openCell];
    byId("cell").close();
    const zoom = Math.max(view.zoom, Math.min(CLOSEST, 8 * wholeZoom()));
    view = { x: chosenCell.x + 0.5, y: chosenCell.y + 0.5, zoom };
    settle();
    canvas.focus();
    canvas.scrollIntoView({ block: "nearest" });
  }

  // The nearest cell to a point of the screen, if it is near enough.
  function openAt(x, y) {
    if (!byId("slide-cells").checked) return;
    const reach = Math.max(10, radius());
    let best = -1;
    let least = reach;
    listed.forEach((cell, k) => {
      const [left, top] = toScreen(cell.x, cell.y);
      const apart = Math.hypot(left - x, top - y);
      if (apart < least) [best, least] = [k, apart];
    });
    if (best >= 0) openOne(best);
  }

  function fieldTable() {
    if (!slide.fields.length) return [];
    const table = make("table");
    table.append(make("caption", "Hotspots"));
    const head = table.createTHead().insertRow();
    for (const words of ["field", "cells", "per mm\u00b2", "show"]) {
      const cell = make("th", words);
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    slide.fields.forEach((field, k) => {
      const row = body.insertRow();
      const name = make("th", `${k + 1}`);
      name.scope = "row";
      const button = make("button", "Show");
      button.type = "button";
      button.setAttribute("aria-label", `Show hotspot ${k + 1}`);
      button.addEventListener("click", () => showField(field));
      const cell = make("td");
      cell.append(button);
      const density = field.per_mm2 === undefined ? "-" : field.per_mm2.toFixed(1);
      row.append(name, make("td", field.count === undefined ? "-" : `${field.count}`), make("td", density), cell);
    });
    return [table];
  }

  function choose() {
    slide = slides[Number(byId("slide-choice").value)];
    hiddenClasses = new Set();
    lowest = [...slide.thresholds];
    chosenCell = null;
    canvas.setAttribute("aria-label", `Slide ${slide.name}`);
    for (const name of ["slide-classes", "cell-part"]) byId(name).hidden = !slide.labels.length;
    byId("slide-key").hidden = !slide.truth;
    for (const name of ["slide-key-neither", "cell-neither"]) {
      byId(name).hidden = byId(name).disabled = !slide.unknown;
    }
    byId("cell-which").parentElement.hidden = !slide.truth;
    byId("cell-which").value = "";
    classTable();
    byId("slide-list").replaceChildren(...fieldTable());
    count();
    fit();
    whole();
  }

  const where = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("wheel", (event) => {
    // At the whole slide, scrolling down goes on down the page.
    if (event.deltaY > 0 && canvas.classList.contains("whole")) return;
    event.preventDefault();
    const step = event.deltaMode ? 25 * event.deltaY : event.deltaY;
    zoomBy(Math.exp(-Math.max(-150, Math.min(150, step)) / 300), ...where(event));
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, where(event));
    pressed = pointers.size === 1 ? where(event) : null;
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add("dragged");
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = where(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId);
    pointers.set(event.pointerId, now);
    if (!other) {
      moveBy(before[0] - now[0], before[1] - now[1]);
      return;
    }
    const [x, y] = other[1];
    const apart = ([px, py]) => Math.max(1, Math.hypot(px - x, py - y));
    zoomBy(apart(now) / apart(before), (now[0] + x) / 2, (now[1] + y) / 2);
    moveBy((before[0] - now[0]) / 2, (before[1] - now[1]) / 2);
  });
  canvas.addEventListener("pointerup", (event) => {
    const [x, y] = where(event);
    if (pressed && Math.hypot(x - pressed[0], y - pressed[1]) < 4) openAt(x, y);
    pressed = null;
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => {
      pointers.delete(event.pointerId);
      if (!pointers.size) canvas.classList.remove("dragged");
    });
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      "+": () => zoomBy(1.4), "=": () => zoomBy(1.4), "-": () => zoomBy(1 / 1.4),
      "_": () => zoomBy(1 / 1.4), "0": whole,
      ArrowLeft: () => moveBy(-80, 0), ArrowRight: () => moveBy(80, 0),
      ArrowUp: () => moveBy(0, -80), ArrowDown: () => moveBy(0, 80),
    };
    if (actions[event.key]) {
      event.preventDefault();
      actions[event.key]();
    }
  });

  byId("slide-in").addEventListener("click", () => zoomBy(1.6));
  byId("slide-out").addEventListener("click", () => zoomBy(1 / 1.6));
  byId("slide-whole").addEventListener("click", whole);
  byId("slide-choice").addEventListener("change", choose);
  for (const name of ["density", "cells", "fields"]) {
    byId(`slide-${name}`).addEventListener("input", redraw);
  }
  byId("cell-which").addEventListener("change", () => list(0));
  byId("cell-back").addEventListener("click", () => list(firstRow - ROWS));
  byId("cell-on").addEventListener("click", () => list(firstRow + ROWS));
  byId("cell-close").addEventListener("click", () => byId("cell").close());
  byId("cell-previous").addEventListener("click", () => stepCell(-1));
  byId("cell-next").addEventListener("click", () => stepCell(1));
  byId("cell-show").addEventListener("click", showOnSlide);
  byId("cell").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      stepCell(event.key === "ArrowLeft" ? -1 : 1);
    }
  });
  window.addEventListener("resize", () => { if (byId("cell").open) showCellScale(); });
  byId("slide-controls").addEventListener("submit", (event) => event.preventDefault());
  new ResizeObserver(() => {
    const wasWhole = canvas.classList.contains("whole");
    fit();
    if (wasWhole) whole();
    else settle();
  }).observe(canvas);
  if (slides.length === 1) byId("slide-choice").parentElement.hidden = true;
  choose();
})();
