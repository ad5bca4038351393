
(function viewer() {
  const slides = report.slides;
  if (!slides || !slides.length) return;
  const canvas = byId("slide-picture");
  const context = canvas.getContext("2d");
  const CLOSEST = 8; // screen pixels for a pixel of level 0
  const [CELL_UM, CELL_PX] = [9, 36]; // radius of the mark around a cell
  // Okabe and Ito's colours; each class has a shape of its own besides.
  const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2"];
  const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];
  const pictures = new Map();
  const pointers = new Map();
  let slide = slides[0];
  let view = { x: 0, y: 0, zoom: 1 }; // middle, in level-0 pixels; CSS pixels for each of them
  let waiting = false;
  let hiddenClasses = new Set();

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
      sources.push([slide.density, Math.max(0.3, Math.min(0.85, (0.85 * 2 * wholeZoom()) / view.zoom))]);
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
    if (byId("slide-cells").checked && slide.cells) paintCells(wide, tall);
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

  function mark(target, label, x, y, r) {
    const path = trace(SHAPES[label % SHAPES.length], x, y, r);
    const colour = COLOURS[label % COLOURS.length];
    // Around a cell that can be seen goes an outline, on one that cannot a dot.
    const lines = r > 7 ? [["#111111", 5], ["#ffffff", 3.6], [colour, 2.2]]
      : [["#ffffff", Math.min(3.4, r)], ["#111111", Math.min(1.4, r / 2.5)]];
    for (const [style, width] of lines) {
      target.strokeStyle = style;
      target.lineWidth = width;
      target.stroke(path);
    }
    if (r > 7) return;
    target.fillStyle = colour;
    target.fill(path);
  }

  const lowest = () => byId("slide-low").valueAsNumber / 100 || 0;

  function paintCells(wide, tall) {
    const { x, y, label, probability } = slide.cells;
    const low = lowest();
    const r = Math.max(3, view.zoom * (slide.mpp ? CELL_UM / slide.mpp : CELL_PX));
    for (let k = x.length - 1; k >= 0; k--) {
      if (probability[k] < low - 5e-4 || hiddenClasses.has(label[k])) continue;
      const [left, top] = toScreen(x[k], y[k]);
      if (left > -10 && top > -10 && left < wide + 10 && top < tall + 10) {
        mark(context, label[k], left, top, r);
      }
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
    const words = field.count === undefined ? `${number + 1}` : `${number + 1}: ${field.count} cells`;
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
    const cells = slide.cells;
    const low = lowest();
    const kept = cells
      ? cells.probability.filter((p, k) => p >= low - 5e-4 && !hiddenClasses.has(cells.label[k])).length
      : 0;
    const limit = cells && cells.n > cells.x.length
      ? `; of ${cells.n} that were found, the most probable ones are here` : "";
    byId("slide-status").textContent =
      `${kept} cells shown${limit}. ${slide.fields.length} hotspots.`;
  }

  function legend() {
    const names = slide.cells ? slide.cells.labels : [];
    byId("slide-legend").replaceChildren(...names.map((name, k) => {
      const item = make("li");
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
      mark(small, k, 9, 9, 5);
      symbol.setAttribute("aria-hidden", "true");
      label.append(box, " ", symbol, ` ${name}`);
      item.append(label);
      return item;
    }));
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
    canvas.setAttribute("aria-label", `Slide ${slide.name}`);
    legend();
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
  for (const name of ["density", "cells", "fields", "low"]) {
    byId(`slide-${name}`).addEventListener("input", () => { count(); redraw(); });
  }
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
