"use strict";

const report = JSON.parse(document.getElementById("report-data").textContent);
const byId = (id) => document.getElementById(id);
const DASHES = report.dashes; // a series is told from its neighbours by them, too

// Text goes in as text: nothing in a label can become markup.
function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}


// A number with its noun, as in "1 cell" and "2 cells".
const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
