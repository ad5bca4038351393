(function curves() {
  const curves = report.curves;
  if (!curves) return;
  const SVG = "http://www.w3.org/2000/svg";
  const slider = byId("curve-threshold");
  const body = byId("curve-table").tBodies[0];
  const PLOTS = { roc: byId("curve-roc"), precision: byId("curve-precision") };
  let one = null; // the class that is shown

  // The frame is drawn already; its box in the picture is left, top, width, height.
  function at(svg, x, y) {
    const [left, top, width, height] = svg.dataset.box.split(" ").map(Number);
    return [left + x * width, top + (1 - y) * height];
  }

  function shape(name, attributes) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  function scores(method, k) {
    const found = k < 0 ? 0 : method.found[k];
    const wrong = k < 0 ? 0 : method.false[k];
    const recall = found / one.n;
    const precision = found + wrong ? found / (found + wrong) : null;
    return {
      found, wrong, missed: one.n - found, left: one.n_others - wrong, recall, precision,
      specificity: 1 - wrong / one.n_others,
      f1: (2 * found) / (one.n + found + wrong),
    };
  }

  // Where a curve of a method is at a threshold; null where precision is not defined.
  const PLACES = {
    roc: (s) => [1 - s.specificity, s.recall],
    precision: (s) => (s.precision === null ? null : [s.recall, s.precision]),
  };

  function drawCurves() {
    for (const [kind, svg] of Object.entries(PLOTS)) {
      const lines = svg.querySelector("g");
      const parts = curves.methods.map((_, i) => {
        // From no cell at all to all of them.
        const places = [-1, ...[...one.thresholds.keys()].reverse()];
        const all = places.map((k) => PLACES[kind](scores(one.methods[i], k))).filter((p) => p);
        const points = all.map((p) => at(svg, ...p).map((v) => v.toFixed(1)).join());
        return shape("polyline", {
          class: `series s${i % DASHES.length}`, "stroke-dasharray": DASHES[i % DASHES.length],
          points: [...new Set(points)].join(" "),
        });
      });
      if (kind === "precision") {
        const share = one.n / (one.n + one.n_others);
        const [[x, y], [end]] = [at(svg, 0, share), at(svg, 1, share)];
        parts.unshift(shape("path", { class: "ideal", "stroke-dasharray": "4 4", d: `M${x} ${y}H${end}` }));
      }
      lines.replaceChildren(...parts);
    }
  }

  const shown = (value) => (value === null ? "-" : value.toFixed(3));

  function update() {
    const k = Number(slider.value);
    const threshold = (one.thresholds[k] / 100000).toFixed(5).replace(/0{1,3}$/, "");
    byId("curve-value").textContent = threshold;
    const all = one.methods.map((method) => scores(method, k));
    const words = all.map((s, i) =>
      `${curves.methods[i]}: sensitivity ${shown(s.recall)}, specificity ${shown(s.specificity)}, ` +
      `precision ${shown(s.precision)}, F1 ${shown(s.f1)}`);
    slider.setAttribute("aria-valuetext", `${threshold}. ${words.join(". ")}`);
    for (const [kind, svg] of Object.entries(PLOTS)) {
      svg.querySelectorAll(".dot").forEach((dot) => dot.remove());
      all.forEach((s, i) => {
        const place = PLACES[kind](s);
        if (!place) return;
        const [cx, cy] = at(svg, ...place);
        svg.append(shape("circle", { class: `dot s${i % DASHES.length}`, cx, cy, r: 5.5 }));
      });
      const name = kind === "roc" ? "ROC curve" : "Precision-recall curve";
      svg.setAttribute("aria-label", `${name} of ${one.label} with points at the threshold ${threshold}. ${words.join(". ")}`);
    }
    byId("curve-table").caption.textContent =
      `${one.label} at the threshold ${threshold}: ${counted(one.n, "cell")} of the class, ${counted(one.n_others, "other")}`;
    body.replaceChildren(...all.map((s, i) => {
      const row = make("tr");
      const name = make("th", curves.methods[i]);
      name.scope = "row";
      const { roc_auc: auc, average_precision: average } = one.methods[i];
      const measures = [s.recall, s.specificity, s.precision, s.f1].map(shown);
      const counts = [s.found, s.wrong, s.missed, s.left].map(String);
      row.append(name, ...[...measures, ...counts, shown(auc), shown(average)].map((text) => make("td", text)));
      return row;
    }));
  }

  function choose() {
    // The threshold stays where it was, as nearly as this class has one.
    const before = one ? one.thresholds[Number(slider.value)] : 50000;
    one = curves.classes[Number(byId("curve-class").value)];
    slider.max = one.thresholds.length - 1;
    const next = one.thresholds.findIndex((value) => value >= before);
    slider.value = next < 0 ? slider.max : next;
    drawCurves();
    update();
  }

  slider.addEventListener("input", update);
  byId("curve-class").addEventListener("change", choose);
  byId("curve-controls").addEventListener("submit", (event) => event.preventDefault());
  choose();
})();
