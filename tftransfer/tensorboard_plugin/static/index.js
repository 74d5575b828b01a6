// The tab: asks what has changed, every few seconds, and shows one study. Data become text nodes, never markup.

import { Chart, interval, make, sample, words } from "./chart.js";

const POLL_MS = 3000;
const CAPTION =
  "Treatments are written for target B: of halves, networks of the other direction count with them (B4A is AnB). " +
  "Bars are 95 % intervals of the mean over splits, or over the seeds of one split; a single one has none.";
const MEASURES = { top1: "Top-1", minus_base: "Minus base" };

const state = { name: null, version: null, study: null, picture: 0, measure: "top1", hidden: new Set() };
const parts = {};

/** Called by TensorBoard in the tab's own frame. */
export async function render() {
  document.head.append(make("link", { rel: "stylesheet", href: "./style.css" }));
  document.documentElement.lang = "en";
  document.title = "Transfer";
  build();
  followBackground();
  for (;;) {
    await poll();
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

function build() {
  const bar = make("form", { class: "bar" });
  parts.study = choice(bar, "Study", (name) => ask(name));
  parts.picture = choice(bar, "Networks", (index) => {
    state.picture = Number(index);
    refresh();
  });
  bar.append(measures());
  parts.status = bar.appendChild(make("span", { class: "status", role: "status" }));
  parts.message = make("p", { class: "message", role: "alert", hidden: "" });
  parts.main = make("main", { hidden: "" });
  parts.legend = make("fieldset", { class: "legend" });
  const host = make("div", {
    class: "host", tabindex: "0", role: "group", "aria-label": "Curves. Arrow keys go from point to point.",
  });
  parts.spoken = make("div", { class: "spoken", "aria-live": "polite" });
  parts.progress = make("section", { class: "progress", hidden: "" });
  parts.table = make("section", { class: "numbers" });
  parts.notes = make("section", { class: "notes", hidden: "" });
  parts.main.append(parts.legend, host, parts.spoken, make("p", { class: "caption" }, CAPTION));
  parts.main.append(parts.progress, parts.notes, parts.table);
  document.body.append(bar, parts.message, parts.main);
  bar.addEventListener("submit", (event) => event.preventDefault());
  parts.chart = new Chart(host, (text) => (parts.spoken.textContent = text));
}

/** A labelled list to choose from. */
function choice(bar, title, chosen) {
  const label = make("label", { hidden: "" }, title);
  const select = label.appendChild(make("select", { name: title.toLowerCase() }));
  select.addEventListener("change", () => chosen(select.value));
  bar.append(label);
  return select;
}

function measures() {
  const set = make("fieldset", { class: "measures" });
  set.append(make("legend", { class: "spoken" }, "Measure"));
  for (const [name, title] of Object.entries(MEASURES)) {
    const label = make("label");
    const box = label.appendChild(make("input", { type: "radio", name: "measure", value: name }));
    box.checked = name === state.measure;
    box.addEventListener("change", () => {
      state.measure = name;
      refresh();
    });
    label.append(title);
    set.append(label);
  }
  return set;
}

/** TensorBoard's dark mode is a class of the page around this frame. */
function followBackground() {
  const around = window.parent.document.body;
  const follow = () => document.documentElement.classList.toggle("dark", around.classList.contains("dark-mode"));
  new MutationObserver(follow).observe(around, { attributes: true, attributeFilter: ["class"] });
  follow();
}

async function poll() {
  if (document.hidden || window.innerWidth === 0) return; // another tab is looked at
  try {
    const { studies } = await get("./studies");
    if (!studies.length) return fail("There are no records in TensorBoard's logdir now.");
    offer(parts.study, studies.map(({ name }) => [name, name]), state.name);
    const chosen = studies.find(({ name }) => name === parts.study.value);
    const training = state.study?.unfinished.length; // TensorBoard reads events a few seconds after they were written
    if (chosen.name !== state.name || chosen.version !== state.version || training) await ask(chosen.name);
    else say(`${state.study.finished} networks, as of ${new Date().toLocaleTimeString()}`);
  } catch (error) {
    fail(error.message);
  }
}

async function ask(name) {
  try {
    const study = await get(`./study?${new URLSearchParams({ name })}`);
    if (name !== state.name) Object.assign(state, { picture: 0, hidden: new Set() });
    Object.assign(state, { name, study, version: study.version });
    refresh();
  } catch (error) {
    fail(error.message);
  }
}

/** Returns what the server answers; its own words if it refuses. */
async function get(path) {
  const response = await fetch(path).catch(() => {
    throw new Error("TensorBoard does not answer. Asking again.");
  });
  const content = await response.json().catch(() => ({ error: `TensorBoard answers ${response.status}.` }));
  if (content.error) throw new Error(content.error);
  return content;
}

function fail(text) {
  state.version = null;
  parts.message.textContent = text;
  parts.message.hidden = false;
  parts.main.hidden = true;
  say("");
}

function say(text) {
  parts.status.textContent = text;
}

/** Fills a list; one that is as it was is left alone, so that it can be used meanwhile. */
function offer(select, options, chosen) {
  const now = JSON.stringify(options);
  if (select.dataset.options !== now) {
    select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    select.dataset.options = now;
    const known = options.some(([value]) => value === String(chosen));
    select.value = known ? chosen : options[0]?.[0];
  }
  select.parentElement.hidden = select === parts.picture && options.length < 2;
}

function refresh() {
  const { study } = state;
  offer(parts.picture, study.pictures.map(({ label, networks }, i) => [String(i), `${label} (${networks})`]), state.picture);
  const picture = study.pictures[state.picture] ?? study.pictures[0];
  parts.message.hidden = Boolean(picture);
  parts.message.textContent = "No record of this study can be shown.";
  parts.main.hidden = false;
  for (const part of [parts.legend, parts.table, parts.chart.host]) part.hidden = !picture;
  if (picture) {
    legend(picture);
    parts.chart.show(picture, state.measure, state.hidden);
    parts.table.replaceChildren(numbers(picture));
  }
  progress(study);
  notes(study);
  say(`${study.finished} networks, as of ${new Date().toLocaleTimeString()}`);
}

function legend(picture) {
  const now = JSON.stringify([state.name, picture.label, picture.curves.map(({ label }) => label)]);
  if (parts.legend.dataset.shown === now) return;
  parts.legend.dataset.shown = now;
  parts.legend.replaceChildren(make("legend", { class: "spoken" }, "Treatments"));
  for (const curve of picture.curves) {
    const label = make("label");
    const box = label.appendChild(make("input", { type: "checkbox" }));
    box.checked = !state.hidden.has(curve.label);
    box.addEventListener("change", () => {
      if (box.checked) state.hidden.delete(curve.label);
      else state.hidden.add(curve.label);
      parts.chart.show(state.study.pictures[state.picture], state.measure, state.hidden);
    });
    label.append(sample(curve, picture.curves), curve.label);
    if (curve.meaning) label.title = curve.meaning;
    parts.legend.append(label);
  }
  if (!picture.curves.length) parts.legend.append("Only bases so far: no network with copied blocks is finished.");
}

function numbers(picture) {
  const rows = picture.bases.map((base) => [base.label, "", base.networks, base, ""]);
  for (const { label, points } of picture.curves) {
    rows.push(...points.map((point) => [label, point.n, point.networks, point, point.over]));
  }
  const texts = rows.map(([label, n, networks, { top1, minus_base: points }, over]) => [
    label, n, networks,
    words("top1", top1.value, false), interval("top1", top1),
    points.value === null ? "no base" : words("minus_base", points.value, false), interval("minus_base", points), over,
  ]);
  const heads = ["treatment", "n", "networks", "top-1, %", "95 % interval", "minus base, percentage points", "95 % interval", "over"];
  return table("Numbers", heads, texts);
}

function table(title, heads, rows) {
  const made = make("table");
  made.append(make("caption", {}, title));
  const head = made.createTHead().insertRow();
  head.append(...heads.map((text) => make("th", { scope: "col" }, text)));
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    if (row[0] !== line.previousElementSibling?.firstElementChild.textContent) line.className = "first";
    line.append(...row.map((cell, i) => make(i ? "td" : "th", i ? {} : { scope: "row" }, String(cell))));
  }
  return made;
}

function progress({ unfinished, steps }) {
  parts.progress.hidden = !unfinished.length;
  const rows = unfinished.map(({ name, step, top1, written }) => [
    name,
    step === null ? "\u2013" : `${step}${steps ? ` of ${steps}` : ""}`,
    words("top1", top1),
    written === null ? "\u2013" : new Date(1000 * written).toLocaleString(),
  ]);
  const heads = ["network", "step", "top-1 so far", "last line"];
  parts.progress.replaceChildren(table("Not finished", heads, rows));
}

function notes({ problems, excluded: apart }) {
  const lists = [["Not shown", problems], ["Excluded from all means", apart]].filter(([, items]) => items.length);
  parts.notes.hidden = !lists.length;
  parts.notes.replaceChildren(
    ...lists.flatMap(([title, items]) => {
      const list = make("ul");
      list.append(...items.map((item) => make("li", {}, item)));
      return [make("h2", {}, title), list];
    }),
  );
}
