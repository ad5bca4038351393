(function gallery() {
  const patches = report.patches;
  if (!patches) return;
  const PAGE = 48;
  const { labels, columns } = patches;
  const [height, width] = patches.size;
  const [tileHeight, tileWidth] = patches.tile;
  const sheets = new Map();
  let shown = [];
  let page = 0;
  let opened = -1; // place in `shown` of the patch in the dialog

  const method = () => patches.methods[Number(byId("filter-method").value)];
  const confidence = (i, m) => (m.proba ? m.proba[i][m.predicted[i]] / 1000 : null);
  const isRight = (i, m) => m.predicted[i] === patches.annotated[i];
  const percent = (share) => `${Math.round(100 * share)} %`;

  function distance(i, m) {
    if (!m.centers || !patches.centers || !patches.centers[i]) return null;
    const [x, y] = patches.centers[i];
    return Math.hypot(m.centers[i][0] - x, m.centers[i][1] - y);
  }

  function sheet(number) {
    if (!sheets.has(number)) {
      const picture = new Image();
      picture.src = patches.sheets[number];
      sheets.set(number, picture.decode().then(() => picture));
    }
    return sheets.get(number);
  }

  // Lines with a dark edge show on tissue of any colour, and in grey.
  function stroke(context, path, thickness) {
    context.lineJoin = "miter";
    for (const [colour, extra] of [["#111111", 2.2], ["#ffffff", 0]]) {
      context.strokeStyle = colour;
      context.lineWidth = thickness * (0.8 + extra / 1.6);
      context.stroke(path);
    }
  }

  async function draw(canvas, i, m, side, marked) {
    const scale = Math.min(3, window.devicePixelRatio || 1);
    const zoom = (side * scale) / Math.max(width, height);
    canvas.width = Math.round(width * zoom);
    canvas.height = Math.round(height * zoom);
    canvas.dataset.patch = i;
    const picture = await sheet(Math.floor(i / (columns * columns)));
    if (canvas.dataset.patch !== String(i)) return; // another one was wanted meanwhile
    const place = i % (columns * columns);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(
      picture, (place % columns) * tileWidth, Math.floor(place / columns) * tileHeight,
      tileWidth, tileHeight, 0, 0, canvas.width, canvas.height,
    );
    if (!marked) return;
    const thickness = Math.max(1.6, side / 180) * scale;
    const at = ([x, y]) => [(x + 0.5) * zoom, (y + 0.5) * zoom]; // whole = middle of a pixel
    if (m.corners) {
      // The corners alone: sides would cross the nucleus where the window is small.
      const path = new Path2D();
      const points = m.corners[i].map(at);
      points.forEach(([x, y], k) => {
        for (const next of [points[(k + 3) % 4], points[(k + 1) % 4]]) {
          path.moveTo(x + 0.22 * (next[0] - x), y + 0.22 * (next[1] - y));
          path.lineTo(x, y);
        }
      });
      stroke(context, path, thickness);
    } else if (m.centers) {
      const path = new Path2D();
      path.arc(...at(m.centers[i]), 5 * thickness, 0, 7);
      stroke(context, path, thickness);
    }
    if (patches.centers && patches.centers[i]) {
      const [x, y] = at(patches.centers[i]);
      const path = new Path2D();
      for (const [dx, dy] of [[1, 0], [0, 1], [-1, 0], [0, -1]]) {
        path.moveTo(x + 3.2 * thickness * dx, y + 3.2 * thickness * dy);
        path.lineTo(x + 5 * thickness * dx, y + 5 * thickness * dy);
      }
      stroke(context, path, thickness);
    }
    canvas.dataset.drawn = i;
  }

  function describe(i, m) {
    const sure = confidence(i, m);
    return `Cell ${patches.number[i]}: annotated ${labels[patches.annotated[i]]}, predicted ` +
      `${labels[m.predicted[i]]}${sure === null ? "" : `, ${percent(sure)}`}, ` +
      (isRight(i, m) ? "right" : "wrong");
  }

  function readLimit(id, fallback) {
    const value = byId(id).valueAsNumber;
    return Number.isNaN(value) ? fallback : value / 100;
  }

  function filter() {
    const m = method();
    const answer = byId("filter-answer").value;
    const annotated = byId("filter-true").value;
    const predicted = byId("filter-predicted").value;
    const group = byId("filter-group").value;
    byId("filter-confidence").hidden = !m.proba;
    const low = readLimit("filter-low", 0);
    const high = readLimit("filter-high", 1);
    shown = [];
    for (let i = 0; i < patches.annotated.length; i++) {
      const sure = confidence(i, m);
      if (
        (!answer || (answer === "right") === isRight(i, m)) &&
        (!annotated || patches.annotated[i] === Number(annotated)) &&
        (!predicted || m.predicted[i] === Number(predicted)) &&
        (!group || patches.groups.index[i] === Number(group)) &&
        (sure === null || (sure >= low - 5e-4 && sure <= high + 5e-4))
      ) shown.push(i);
    }
    const order = byId("filter-order").value;
    const keys = {
      wrong: (i) => (isRight(i, m) ? 1 : -1 - confidence(i, m)),
      sure: (i) => -confidence(i, m),
      unsure: (i) => confidence(i, m),
      far: (i) => -distance(i, m),
    };
    if (keys[order]) shown.sort((a, b) => keys[order](a) - keys[order](b) || a - b);
    page = 0;
    const wrong = shown.filter((i) => !isRight(i, m)).length;
    byId("gallery-count").textContent =
      `${shown.length} of ${patches.annotated.length} patches, ${wrong} of them wrong.`;
    fill();
  }

  function fill() {
    const m = method();
    const list = byId("gallery");
    const first = page * PAGE;
    const here = shown.slice(first, first + PAGE);
    list.replaceChildren(...here.map((i, k) => {
      const right = isRight(i, m);
      const button = make("button", "", `tile ${right ? "right" : "wrong"}`);
      button.type = "button";
      button.tabIndex = k ? -1 : 0;
      button.setAttribute("aria-label", describe(i, m));
      button.dataset.place = first + k;
      const canvas = make("canvas");
      draw(canvas, i, m, 160, byId("filter-marks").checked);
      const sure = confidence(i, m);
      const answer = make("span");
      answer.append(make("b", right ? "\u2713 " : "\u2717 ", "mark"));
      answer.append(labels[m.predicted[i]] + (sure === null ? "" : ` ${percent(sure).replace(" ", "\u00a0")}`));
      button.append(canvas, answer);
      if (!right) button.append(make("span", `annotated: ${labels[patches.annotated[i]]}`));
      const item = make("li");
      item.append(button);
      return item;
    }));
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    byId("page-back").disabled = page === 0;
    byId("page-on").disabled = page >= pages - 1;
    byId("page-place").textContent = `page ${page + 1} of ${pages}`;
  }

  function turn(step) {
    page += step;
    fill();
    byId("gallery").scrollIntoView({ block: "nearest" });
  }

  const tiles = () => [...byId("gallery").querySelectorAll("button")];

  function focusTile(place) {
    const all = tiles();
    const target = all[Math.max(0, Math.min(all.length - 1, place))];
    if (!target) return;
    all.forEach((tile) => { tile.tabIndex = tile === target ? 0 : -1; });
    target.focus();
  }

  function moveInGrid(event) {
    const all = tiles();
    const place = all.indexOf(event.target);
    if (place < 0) return;
    const across = all.filter((tile) => tile.offsetTop === all[0].offsetTop).length;
    const steps = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across,
      Home: -place, End: all.length,
    };
    if (event.key in steps) {
      event.preventDefault();
      focusTile(place + steps[event.key]);
    }
  }

  function bar(share) {
    const cell = make("td");
    const outer = make("span", "", "share");
    const inner = make("i");
    inner.style.width = `${100 * share}%`;
    outer.append(inner);
    cell.append(outer);
    return cell;
  }

  function facts(i) {
    const tables = patches.methods.map((m) => {
      const right = isRight(i, m);
      const table = make("table");
      const caption = make("caption");
      const far = distance(i, m);
      caption.append(
        make("b", m.name), `: ${labels[m.predicted[i]]} `,
        make("b", right ? "\u2713 right" : "\u2717 wrong", `mark ${right ? "right" : "wrong"}`),
        far === null ? "" : `, ${far.toFixed(1)} px from the annotated centre`,
      );
      table.append(caption);
      const body = table.createTBody();
      (m.proba ? m.proba[i] : []).forEach((share, k) => {
        const row = body.insertRow();
        const name = make("th", labels[k]);
        name.scope = "row";
        row.append(name, bar(share / 1000), make("td", (share / 1000).toFixed(3)));
      });
      return table;
    });
    byId("large-facts").replaceChildren(
      ...(patches.names ? [make("p", patches.names[i], "origin")] : []),
      make("p", `Annotated: ${labels[patches.annotated[i]]}`), ...tables,
    );
  }

  // A bar of 1, 2 or 5 times a power of ten um, at most a third as long as the picture is wide.
  function showScale() {
    const bar = byId("large-scale");
    bar.hidden = !patches.mpp;
    if (bar.hidden) return;
    const most = (patches.mpp * width) / 3;
    const power = 10 ** Math.floor(Math.log10(most));
    const um = power * [5, 2, 1].find((step) => step * power <= most);
    const box = byId("large-picture").getBoundingClientRect();
    const zoom = Math.min(box.width / width, box.height / height); // the picture fits into the box
    bar.querySelector("i").style.width = `${(um / patches.mpp) * zoom}px`;
    bar.querySelector("span").textContent = `${Number(um.toPrecision(1))} \u00b5m`;
  }

  function open(place) {
    const dialog = byId("large");
    opened = place;
    const i = shown[place];
    byId("large-title").textContent = describe(i, method()).replace(/ %/g, "\u00a0%");
    byId("large-place").textContent = `${place + 1} of ${shown.length}`;
    byId("large-back").disabled = place === 0;
    byId("large-on").disabled = place === shown.length - 1;
    const canvas = byId("large-picture");
    canvas.setAttribute("aria-label", describe(i, method()));
    draw(canvas, i, method(), 512, byId("large-marks").checked);
    facts(i);
    if (!dialog.open) dialog.showModal();
    showScale(); // now the picture has its width
  }

  function step(by) {
    if (opened + by >= 0 && opened + by < shown.length) open(opened + by);
  }

  for (const control of byId("filters").elements) {
    control.addEventListener(control.type === "number" ? "input" : "change", filter);
  }
  byId("filters").addEventListener("reset", () => setTimeout(filter));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("page-back").addEventListener("click", () => turn(-1));
  byId("page-on").addEventListener("click", () => turn(1));
  byId("gallery").addEventListener("keydown", moveInGrid);
  byId("gallery").addEventListener("click", (event) => {
    const tile = event.target.closest("button");
    if (tile) open(Number(tile.dataset.place));
  });
  byId("large-close").addEventListener("click", () => byId("large").close());
  byId("large-back").addEventListener("click", () => step(-1));
  byId("large-on").addEventListener("click", () => step(1));
  byId("large-marks").addEventListener("change", () => open(opened));
  window.addEventListener("resize", () => { if (byId("large").open) showScale(); });
  byId("large").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      step(event.key === "ArrowLeft" ? -1 : 1);
    }
  });
  byId("large").addEventListener("close", () => {
    if (Math.floor(opened / PAGE) !== page) {
      page = Math.floor(opened / PAGE);
      fill();
    }
    focusTile(opened - page * PAGE);
  });
  if (!patches.groups) byId("filter-group").parentElement.hidden = true;
  if (patches.methods.length === 1) byId("filter-method").parentElement.hidden = true;
  const useless = { sure: (m) => m.proba, unsure: (m) => m.proba, far: (m) => m.centers && patches.centers };
  for (const option of [...byId("filter-order").options]) {
    const wants = useless[option.value];
    if (wants && !patches.methods.some(wants)) option.remove();
  }
  filter();
})();
