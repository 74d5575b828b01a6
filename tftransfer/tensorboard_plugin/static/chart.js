// The curves as inline SVG: accuracy by n, with intervals, and a point under the pointer or the arrow keys.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 400;
const MARGIN = { top: 18, right: 128, bottom: 48, left: 64 };
const NAME_HEIGHT = 15; // pixels of a name beside the chart
const REACH = 28; // pixels within which a point is taken
const MEASURES = {
  top1: { title: "top-1 on validation images, %", unit: " %", text: (fraction) => (100 * fraction).toFixed(1) },
  minus_base: { title: "top-1 minus base, percentage points", unit: " percentage points", text: (fraction) => signed(100 * fraction) },
};
const SHAPES = {
  circle: "M-5,0A5,5 0 1 1 5,0A5,5 0 1 1 -5,0Z",
  diamond: "M0,-6.5L6.5,0L0,6.5L-6.5,0Z",
  square: "M-4.7,-4.7H4.7V4.7H-4.7Z",
  triangle: "M0,-6L6,5H-6Z",
};
// For lines that the paper has no name for: preserved blocks, pretrained weights. With 8 colours 56 of them differ.
const MORE_SHAPES = [
  "M0,-6.5L6.2,-2L3.8,5.3H-3.8L-6.2,-2Z", // pentagon
  "M0,6L6,-5H-6Z", // triangle, on its tip
  "M-2,-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z", // plus
  "M-6,0L5,-6V6Z", // triangle, to the left
  "M6,0L-5,-6V6Z", // triangle, to the right
  "M-3,-6H3L6,0L3,6H-3L-6,0Z", // hexagon
  "M0,-7L2,-2L7,0L2,2L0,7L-2,2L-7,0L-2,-2Z", // star
];
const MORE_COLOURS = 8;
const SOURCES = { B: ["own", "circle"], A: ["other", "diamond"], R: ["random", "square"], S: ["statistics", "triangle"] };

function signed(value) {
  const text = Math.abs(value).toFixed(1);
  if (Number(text) === 0) return "0.0";
  return (value < 0 ? "\u2212" : "+") + text;
}

/** Makes an element; text is set as text, so that names from records are never markup. */
export function make(name, attributes = {}, text = null, space = null) {
  const element = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== null) element.textContent = text;
  return element;
}

const draw = (name, attributes, text) => make(name, attributes, text, SVG);

/** A fraction as text: "59.6 %" or "+1.2 percentage points"; a dash where it is unknown. */
export function words(measure, fraction, unit = true) {
  if (fraction === null) return "\u2013";
  return MEASURES[measure].text(fraction) + (unit ? MEASURES[measure].unit : "");
}

/** "59.2 to 60.1", or nothing where the interval is not known. */
export function interval(measure, value) {
  return value.low === null ? "" : `${words(measure, value.low, false)} to ${words(measure, value.high, false)}`;
}

/** What a curve looks like, which no other of the picture does: class of its colour, marker, whether it is fine-tuned. */
export function style(curve, curves) {
  const tuned = curve.treatment.endsWith("+") ? " tuned" : "";
  const known = curve.plain && SOURCES[curve.treatment[0]];
  if (known) return { path: SHAPES[known[1]], classes: `${known[0]}${tuned}` };
  const place = curves.filter((other) => !other.plain || !SOURCES[other.treatment[0]]).indexOf(curve);
  const path = MORE_SHAPES[place % MORE_SHAPES.length];
  return { path, classes: `more${place % MORE_COLOURS}${tuned}` };
}

/** A short line with its marker, for the legend. */
export function sample(curve, curves) {
  const { path, classes } = style(curve, curves);
  const svg = draw("svg", { width: 38, height: 16, class: `curve ${classes}`, "aria-hidden": "true" });
  svg.append(draw("path", { d: "M1,8H37", class: "line" }));
  svg.append(draw("path", { d: path, class: "marker", transform: "translate(19,8)" }));
  return svg;
}

/** Round numbers that divide a range into about `count` parts. */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const found = [];
  for (let i = first; i * step <= high + 1e-9 * step; i += 1) found.push(i * step);
  return found;
}

/** Moves names beside the chart apart, as little as is needed, and keeps them beside it; in their order. */
export function apart(names) {
  const bottom = HEIGHT - MARGIN.bottom;
  const sorted = names.map((name, order) => ({ ...name, order })).sort((a, b) => a.y - b.y);
  sorted.forEach((name, i) => (name.y = Math.max(name.y, i ? sorted[i - 1].y + NAME_HEIGHT : 0)));
  for (let i = sorted.length - 1; i >= 0; i -= 1) {
    sorted[i].y = Math.min(sorted[i].y, i < sorted.length - 1 ? sorted[i + 1].y - NAME_HEIGHT : bottom);
  }
  return sorted.sort((a, b) => a.order - b.order);
}

export class Chart {
  /** `host`: the element drawn into, which takes the keyboard. `say`: is told the text of the chosen point. */
  constructor(host, say) {
    this.host = host;
    this.say = say;
    this.svg = draw("svg", { class: "chart", role: "img" });
    this.tip = make("div", { class: "tip", hidden: "" });
    host.append(this.svg, this.tip);
    this.points = [];
    this.chosen = null;
    host.addEventListener("pointermove", (event) => this.choose(this.nearest(event)));
    host.addEventListener("pointerleave", () => this.choose(null));
    host.addEventListener("blur", () => this.choose(null));
    host.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => this.picture && this.render()).observe(host);
  }

  show(picture, measure, hidden) {
    Object.assign(this, { picture, measure, hidden });
    this.render();
  }

  render() {
    const width = Math.max(360, this.host.clientWidth);
    const chosen = this.chosen && [this.chosen.curve.label, this.chosen.point.n];
    this.curves = this.picture.curves.filter((curve) => !this.hidden.has(curve.label));
    this.layout(width);
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", HEIGHT);
    this.svg.setAttribute("aria-label", `${MEASURES[this.measure].title}, by the number of copied blocks`);
    this.svg.replaceChildren(this.axes(width), this.levels(width), ...this.curves.map((curve) => this.curve(curve)));
    this.choose(this.points.find((p) => chosen && p.curve.label === chosen[0] && p.point.n === chosen[1]) ?? null);
  }

  /** Finds the scales, and where each point comes to lie. Curves stand side by side so that intervals do not hide. */
  layout(width) {
    const blocks = this.picture.curves.flatMap((curve) => curve.points.map((point) => point.n));
    const [first, last] = blocks.length ? [Math.min(...blocks), Math.max(...blocks)] : [1, 7];
    const inner = width - MARGIN.left - MARGIN.right;
    this.blocks = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    this.x = (n) => MARGIN.left + ((n - first + 0.6) / (last - first + 1.2)) * inner;
    const values = this.curves.flatMap((curve) => curve.points.map((point) => point[this.measure]));
    values.push(...this.picture.bases.map((base) => base[this.measure]));
    const fractions = values.flatMap((v) => [v.value, v.low, v.high]).filter((fraction) => fraction !== null);
    const [low, high] = fractions.length ? [Math.min(...fractions), Math.max(...fractions)] : [0, 1];
    const room = Math.max(0.08 * (high - low), 0.004);
    [this.low, this.high] = [low - room, high + room];
    if (this.measure === "top1") [this.low, this.high] = [Math.max(0, this.low), Math.min(1, this.high)];
    const tall = HEIGHT - MARGIN.top - MARGIN.bottom;
    this.y = (fraction) => MARGIN.top + ((this.high - fraction) / (this.high - this.low)) * tall;
    const spread = Math.min(9, (0.6 * inner) / this.blocks.length / Math.max(1, this.curves.length));
    this.points = this.curves.flatMap((curve, index) =>
      curve.points
        .filter((point) => point[this.measure].value !== null)
        .map((point) => ({
          curve,
          point,
          x: this.x(point.n) + (index - (this.curves.length - 1) / 2) * spread,
          y: this.y(point[this.measure].value),
        })),
    );
  }

  axes(width) {
    const group = draw("g", { class: "axes" });
    const bottom = HEIGHT - MARGIN.bottom;
    const levels = ticks(100 * this.low, 100 * this.high, 8);
    const whole = levels.every((level) => Math.abs(level - Math.round(level)) < 1e-6);
    for (const level of levels) {
      const y = this.y(level / 100);
      const text = words(this.measure, level / 100, false);
      group.append(draw("path", { d: `M${MARGIN.left},${y}H${width - MARGIN.right}`, class: "grid" }));
      group.append(
        draw("text", { x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, whole ? text.replace(".0", "") : text),
      );
    }
    for (const n of this.blocks) {
      group.append(draw("text", { x: this.x(n), y: bottom + 18, "text-anchor": "middle" }, String(n)));
    }
    const middle = (MARGIN.left + width - MARGIN.right) / 2;
    group.append(draw("path", { d: `M${MARGIN.left},${bottom}H${width - MARGIN.right}`, class: "axis" }));
    group.append(draw("text", { x: middle, y: HEIGHT - 8, "text-anchor": "middle" }, "n, blocks copied from the source (of a policy: its first run)"));
    const turned = `translate(16,${(MARGIN.top + bottom) / 2}) rotate(-90)`;
    group.append(draw("text", { transform: turned, "text-anchor": "middle" }, MEASURES[this.measure].title));
    return group;
  }

  /** Levels of the bases and of chance; chance is only named where it lies far below. */
  levels(width) {
    const group = draw("g", { class: "levels" });
    const edge = width - MARGIN.right;
    const names = [];
    const level = (fraction, name, text) => {
      const y = this.y(fraction);
      group.append(draw("path", { d: `M${MARGIN.left},${y}H${edge}`, class: `level ${name}` }));
      names.push({ y, text });
    };
    for (const base of this.picture.bases) {
      const fraction = base[this.measure].value;
      const known = this.measure === "minus_base" && fraction === 0;
      if (fraction !== null) level(fraction, "base", known ? base.label : `${base.label} ${words(this.measure, fraction, this.measure === "top1")}`);
    }
    const chance = this.picture.chance;
    if (this.measure === "top1" && chance !== null) {
      const text = `chance ${words("top1", chance)}`;
      if (chance >= this.low && chance <= this.high) level(chance, "chance", text);
      else names.push({ y: HEIGHT - MARGIN.bottom, text: `${text} \u2193` });
    }
    for (const { y, text } of apart(names)) group.append(draw("text", { x: edge + 8, y: y + 4 }, text));
    return group;
  }

  curve(curve) {
    const { path, classes } = style(curve, this.picture.curves);
    const group = draw("g", { class: `curve ${classes}`, "data-curve": curve.label });
    const points = this.points.filter((p) => p.curve === curve);
    group.append(draw("path", { class: "line", d: points.map((p, i) => `${i ? "L" : "M"}${p.x},${p.y}`).join("") }));
    for (const p of points) {
      const { low, high } = p.point[this.measure];
      if (low !== null) {
        const [top, end] = [this.y(high), this.y(low)];
        const d = `M${p.x - 3},${top}h6M${p.x},${top}V${end}M${p.x - 3},${end}h6`;
        group.append(draw("path", { d, class: "interval", "data-n": p.point.n }));
      }
    }
    for (const p of points) {
      p.marker = draw("path", {
        d: path, class: "marker", transform: `translate(${p.x},${p.y})`, "data-n": p.point.n,
      });
      group.append(p.marker);
    }
    return group;
  }

  nearest(event) {
    const box = this.svg.getBoundingClientRect();
    const distance = (p) => Math.hypot(p.x - (event.clientX - box.left), p.y - (event.clientY - box.top));
    return this.points.filter((p) => distance(p) < REACH).sort((a, b) => distance(a) - distance(b))[0] ?? null;
  }

  /** Left and right go along a curve, up and down to the next value at the same n. */
  press(event) {
    if (event.key === "Escape") return this.choose(null);
    const along = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const across = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!along && !across) return undefined;
    event.preventDefault();
    if (!this.chosen) return this.choose(this.points[0] ?? null);
    const { curve, point } = this.chosen;
    const row = along
      ? this.points.filter((p) => p.curve === curve)
      : this.points.filter((p) => p.point.n === point.n).sort((a, b) => a.y - b.y);
    return this.choose(row[row.indexOf(this.chosen) + (along ?? across)] ?? this.chosen);
  }

  choose(chosen) {
    this.chosen?.marker.classList.remove("chosen");
    const changed = chosen !== this.chosen;
    this.chosen = chosen;
    this.tip.hidden = !chosen;
    if (!chosen) return;
    chosen.marker.classList.add("chosen");
    if (changed) this.describe(chosen);
  }

  describe({ curve, point, x, y }) {
    const lines = [`${curve.label}, n = ${point.n}`, ...(curve.meaning ? [curve.meaning] : [])];
    for (const measure of ["top1", "minus_base"]) {
      const range = interval(measure, point[measure]);
      const name = measure === "top1" ? "top-1" : "minus base";
      const value = measure === "minus_base" && point[measure].value === null ? "no base" : words(measure, point[measure].value);
      lines.push(measure === "minus_base" && value === "no base" ? value : `${name} ${value}${range && ` (${range})`}`);
    }
    lines.push(`${point.networks} ${point.networks === 1 ? "network" : "networks"}${point.over && `, ${point.over}`}`);
    this.tip.replaceChildren(...lines.map((line) => make("div", {}, line)));
    const right = x + 16 + this.tip.offsetWidth > this.host.clientWidth;
    this.tip.style.left = `${right ? x - 16 - this.tip.offsetWidth : x + 16}px`;
    this.tip.style.top = `${Math.max(0, y - this.tip.offsetHeight / 2)}px`;
    this.say(lines.join("; "));
  }
}
