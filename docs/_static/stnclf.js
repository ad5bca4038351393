// The theme's buttons that fold the list of pages at the left have no names for screen readers.
document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll(".bd-sidenav summary")) {
    const page = button.closest("li").querySelector("a");
    button.setAttribute("aria-label", `Pages below ${page ? page.textContent.trim() : "this one"}`);
  }
});

// Long names break after a dot, an underscore and the like where they are wider than their place.
const IN_CODE = /(?<=[._(=,])(?=[a-z])/i;
const IN_NAMES = /(?<=[._])(?=[a-z])|(?<=[a-z])(?=[A-Z])/;

function breakNames(element, where, longest) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  for (const node of nodes) {
    const parts = node.data
      .split(/(\s+)/)
      .flatMap((word) => (word.length > longest ? word.split(where) : [word, ""]))
      .flatMap((part) => (part ? [document.createElement("wbr"), part] : []));
    if (parts.length > 2) node.replaceWith(...parts.slice(1));
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const phone = matchMedia("(max-width: 599px)").matches;
  for (const name of document.querySelectorAll(".bd-article :not(pre) > code .pre")) {
    const wide = name.closest("td")
      ? phone && name.textContent.length > 23 && !name.closest("td:first-child")
      : name.offsetWidth > name.closest("p, dd, li, dt, div").clientWidth;
    if (!wide) continue;
    name.classList.add("stnclf-long");
    breakNames(name, IN_CODE, 0);
  }
  for (const title of document.querySelectorAll(".bd-article h1")) {
    const text = document.createRange();
    text.selectNodeContents(title.firstChild);
    if (text.getBoundingClientRect().right > title.getBoundingClientRect().right) {
      breakNames(title, IN_NAMES, 12);
    }
  }
  for (const item of document.querySelectorAll(".field-list dl dt")) breakNames(item, IN_NAMES, 24);
  for (const link of document.querySelectorAll(".bd-links a, .page-toc a")) {
    breakNames(link, IN_NAMES, 16);
  }
  for (const link of document.querySelectorAll(".prev-next-title")) breakNames(link, IN_NAMES, 12);
  for (const end of document.querySelectorAll(".sig-prename, .sig-name + .sig-paren")) {
    end.after(document.createElement("wbr"));
  }
});

// Lines of commands wrap, but not at the hyphens of an option.
document.addEventListener("DOMContentLoaded", () => {
  const blocks = ".highlight-none pre, .highlight-console pre, .highlight-text pre";
  for (const pre of document.querySelectorAll(blocks)) {
    pre.innerHTML = pre.innerHTML.replace(
      /(?<=\s)--?[A-Za-z][\w-]*/g,
      '<span class="stnclf-option">$&</span>',
    );
  }
});

// Figures of the gallery get a frame, in which a phone's screen can move over them.
document.addEventListener("DOMContentLoaded", () => {
  for (const figure of document.querySelectorAll("img.sphx-glr-single-img")) {
    const frame = document.createElement("div");
    frame.className = "stnclf-figure";
    figure.replaceWith(frame);
    frame.append(figure);
    const measure = () => frame.classList.toggle("stnclf-wide", figure.naturalWidth > 600);
    figure.addEventListener("load", measure);
    measure();
  }
});
