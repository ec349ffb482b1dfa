// Pages that follow a run, and curves to zoom into. Everything can be read without this script.
"use strict";

const AGAIN = 2000; // ms until a lost connection is tried again
const MOST_LOG = 400000; // letters of a log that a page keeps
const STYLES = ["solid", "dash", "dot"]; // as chart.css has them: curves differ without colour, too

function connection(text) {
  document.getElementById("connection").textContent = text;
}

// Replaces an element's content, and keeps what the reader has done there: focus, ticks, what is unfolded.
function replace(target, html) {
  const focused = target.contains(document.activeElement) ? key(document.activeElement) : null;
  const ticked = [...target.querySelectorAll("input:checked")].map((each) => each.value);
  const folded = [...target.querySelectorAll("details")].map((each) => each.open);
  target.innerHTML = html; // made by this server from a template that escapes everything
  target.querySelectorAll("details").forEach((each, index) => { if (index in folded) each.open = folded[index]; });
  for (const input of target.querySelectorAll("input[type=checkbox]")) input.checked = ticked.includes(input.value);
  if (focused) [...target.querySelectorAll("a, button, input, [tabindex]")].find((each) => key(each) === focused)?.focus();
}

function key(element) {
  return [element.tagName, element.getAttribute("href"), element.getAttribute("name"), element.value, element.getAttribute("aria-label")].join("\n");
}

function extend(target, text, fromStart) {
  const atEnd = target.scrollTop + target.clientHeight >= target.scrollHeight - 4;
  const whole = fromStart ? text : target.textContent + text;
  target.textContent = whole.length > MOST_LOG ? whole.slice(-MOST_LOG) : whole;
  if (atEnd) target.scrollTop = target.scrollHeight;
}

function show(news) {
  if ("problem" in news) connection(news.problem);
  for (const [id, html] of Object.entries(news.parts ?? {})) {
    const target = document.getElementById(id);
    if (target) replace(target, html);
  }
  for (const [id, text] of Object.entries(news.text ?? {})) {
    const target = document.getElementById(id);
    if (target) extend(target, text, news.from_start);
  }
  if (news.curves) document.querySelectorAll("[data-curves]").forEach(plot);
}

// The first event of each connection has the whole state, so nothing is missed between two.
function follow(address) {
  const source = new EventSource(address);
  source.onopen = () => connection("");
  source.onmessage = (event) => {
    const news = JSON.parse(event.data);
    show(news);
    if (news.ended) {
      source.close();
      window.location.reload();
    }
  };
  source.onerror = () => {
    connection("Not connected: trying again");
    source.close();
    setTimeout(follow, AGAIN, address);
  };
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function traces(chart) {
  const drawn = [];
  chart.lines.forEach((line, index) => {
    const own = colour(`--c${index % 6}`);
    if (line.low.length) {
      const band = { x: line.x, mode: "lines", line: { width: 0, color: own }, hoverinfo: "skip", showlegend: false };
      drawn.push({ ...band, y: line.low }, { ...band, y: line.high, fill: "tonexty" });
    }
    drawn.push({
      x: line.x, y: line.y, name: line.name.replaceAll("<", "&lt;"), mode: line.x.length > 60 ? "lines" : "lines+markers",
      line: { color: own, width: 2, dash: STYLES[index % 3] },
    });
  });
  return drawn;
}

function layout(chart) {
  const ink = colour("--ink"), line = colour("--line");
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line };
  return {
    paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: { color: ink, size: 12 },
    margin: { l: 56, r: 12, t: 30, b: 40 }, showlegend: chart.lines.length > 1,
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
    xaxis: { ...axis, title: { text: chart.axis } },
    yaxis: { ...axis, ticksuffix: chart.unit, rangemode: "tozero" },
    hovermode: "x unified", uirevision: chart.title, // zoom stays when the curve grows
  };
}

async function plot(part) {
  if (!window.Plotly) return;
  const answer = await fetch(part.dataset.curves);
  if (!answer.ok) return; // the drawn curves stay
  for (const chart of await answer.json()) {
    const figure = [...part.querySelectorAll("figure[data-chart]")].find((each) => each.dataset.chart === chart.title);
    if (!figure) continue;
    let place = figure.querySelector(".plot");
    if (!place) {
      place = document.createElement("div");
      place.className = "plot";
      place.setAttribute("role", "group"); // no img: it has buttons
      figure.append(place);
      figure.classList.add("plotted");
    }
    place.setAttribute("aria-label", chart.words);
    window.Plotly.react(place, traces(chart), layout(chart), { responsive: true, displaylogo: false });
  }
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-curves]").forEach(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.querySelectorAll("[data-curves]").forEach(plot));
  for (const part of document.querySelectorAll("[data-live]")) follow(part.dataset.live);
  const log = document.getElementById("log");
  if (log) log.scrollTop = log.scrollHeight;
});
