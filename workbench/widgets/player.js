// Draws a recording of a run and plays it: in JupyterLab (as an anywidget) and on a page without a
// kernel (`mount`). A recording has a `kind` (a key of KINDS), `seconds`, `words` (its alternative
// text) and `frames`; each frame has a `label`. workbench/widgets/player.py describes the kinds.

const NS = "http://www.w3.org/2000/svg";
const STYLE = `
.wb-player { background: #fff; color: #111; padding: .6em .8em; border-radius: .4em; line-height: 1.35;
  box-sizing: border-box; max-width: 62em; font-family: system-ui, "DejaVu Sans", sans-serif; }
.wb-player svg { display: block; width: 100%; }
.wb-player svg text { font-size: 1em; fill: #111; }
.wb-player table { border-collapse: collapse; width: 100%; font-size: 1em; color: #111; table-layout: fixed; }
.wb-player thead th { position: sticky; top: 0; z-index: 1; }
.wb-player th, .wb-player td { text-align: left; padding: .1em .5em; vertical-align: top;
  white-space: normal; overflow-wrap: break-word; background: #fff; }
.wb-player tbody th { font-weight: normal; }
.wb-player .group { font-weight: bold; border-bottom: 1px solid #999; padding-top: .3em; }
.wb-player td { border-left: .3em solid transparent; }
.wb-player td.wrong { background: #fbe3d6; border-left-color: #a33c00; }
.wb-player td.right { border-left-color: #00704f; }
.wb-player td.expert { font-style: italic; }
.wb-player td.changed { animation: wb-changed .8s; }
@keyframes wb-changed { from { background: #ffe27a; } }
.wb-player .share { display: grid; grid-template-columns: 4em minmax(1em, 1fr) 3.2em; gap: .4em;
  align-items: center; font-weight: normal; }
.wb-player .share span { white-space: nowrap; }
.wb-player .share span:last-child { text-align: right; }
.wb-player .share div { height: .7em; background: #e4e4e4; }
.wb-player .share div div { height: 100%; background: var(--colour); }
@media (max-width: 40em) {
  .wb-player .share { grid-template-columns: 1fr auto; gap: 0 .4em; }
  .wb-player .share > div { grid-area: 2 / 1 / 3 / 3; }
  .wb-player th, .wb-player td { padding: .1em .2em; }
}
.wb-player .said { display: grid; }
.wb-player .said > *, .wb-player .said::after { grid-area: 1 / 1; }
.wb-player .said::after { content: attr(data-longest); visibility: hidden; }
.wb-player .digits { display: flex; flex-wrap: wrap; gap: .3em; margin-top: .4em; }
.wb-player .digits figure { margin: 0; text-align: center; flex: 0 1 4.8em; min-width: 3.6em; }
.wb-player .digits:empty, .wb-player .note:empty { display: none; }
.wb-player .digits img { width: 3em; height: 3em; image-rendering: pixelated; border: .2em solid #bbb; }
.wb-player .digits .right img { border-color: #00704f; }
.wb-player .digits .wrong img { border-color: #a33c00; }
.wb-player .digits .unmet img { opacity: .35; }
.wb-player .sides { display: flex; flex-wrap: wrap; gap: 1em; }
.wb-player .sides > * { flex: 1 1 20em; min-width: 0; }
.wb-player .message { min-height: 2.7em; }
.wb-player .bar { display: flex; gap: .7em; align-items: center; margin-top: .5em; }
.wb-player .bar input { flex: 1; min-width: 4em; padding: 0; accent-color: #0072b2; }
.wb-player .bar output { min-width: 10.5em; }
@media (max-width: 40em) { .wb-player .bar output { min-width: 7em; } .wb-player .message { min-height: 5.4em; } }
.wb-player button { font: inherit; padding: .2em .6em; min-width: 5em; min-height: 2.4em; border: 1px solid #666; border-radius: .3em;
  background: #f3f3f3; color: #111; cursor: pointer; }
.wb-player :focus-visible { outline: .2em solid #0072b2; outline-offset: .1em; }
.wb-player .note { margin: .3em 0; }
.wb-player .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (prefers-reduced-motion: reduce) { .wb-player td.changed { animation: none; } }
`;

function make(parent, tag, attributes = {}, text = null) {
  const inSvg = parent.namespaceURI === NS && parent.tagName !== "foreignObject" || tag === "svg";
  const element = inSvg ? document.createElementNS(NS, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  parent.append(element);
  return element;
}

function percent(share) { // rounds halves to even numbers, as Python does
  const value = 100 * share, whole = Math.round(value);
  return `${Math.abs(value % 1) === 0.5 && whole % 2 ? whole - 1 : whole} %`;
}
const mix = (a, b, part) => (a === null || b === null || a === undefined || b === undefined
  ? null : a + part * (b - a));
const fontSize = (element) => parseFloat(getComputedStyle(element).fontSize) || 14;

// Moves labels apart so that each has its own line; returns their heights.
function spread(heights, line, bottom) {
  const order = heights.map((_, i) => i).sort((a, b) => heights[a] - heights[b]);
  const placed = [...heights];
  order.forEach((i, n) => {
    if (n) placed[i] = Math.max(placed[i], placed[order[n - 1]] + line);
  });
  for (let n = order.length - 1, limit = bottom; n >= 0; n--, limit -= line) {
    placed[order[n]] = Math.min(placed[order[n]], limit);
  }
  return placed;
}

// Accuracy of each task while one task after the other is learned.
class Curves {
  constructor(stage, recording) {
    this.recording = recording;
    this.svg = make(stage, "svg", { role: "img", "aria-label": recording.words });
    if (recording.images && recording.images.length) {
      make(stage, "p", { class: "note" }, recording.answers || "");
    }
    this.digits = make(stage, "div", { class: "digits" });
    this.cells = (recording.images || []).map((image) => {
      const figure = make(this.digits, "figure");
      make(figure, "img", { src: image.src, alt: `a handwritten ${image.label}` });
      return { figure, text: make(figure, "figcaption") };
    });
    this.lay();
  }

  lay() { // everything that does not move
    const { svg, recording } = this, em = fontSize(svg);
    const width = Math.max(svg.clientWidth || svg.parentNode.clientWidth, 22 * em);
    const small = width < 34 * em, names = recording.series.map((one) => one.name.length);
    const margin = small ? 0.55 * Math.max(...names) + 6 : 10.5;
    const box = this.box = { left: (small ? 3.8 : 4.6) * em, right: width - margin * em, top: 2.4 * em, bottom: 17 * em, em };
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${box.bottom + (small ? 4 : 2.8) * em}`);
    // Where the names of the phases have no room side by side, only that of the moment is shown.
    const room = (box.right - box.left) / recording.phases.length;
    this.phase = recording.phases.some((phase) => 0.6 * em * phase.name.length > room) || null;
    this.x = (step) => box.left + (box.right - box.left) * step / recording.steps;
    this.y = (share) => box.bottom - (box.bottom - box.top) * share;
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      make(svg, "path", { d: `M${box.left} ${this.y(share)}H${box.right}`, stroke: "#ddd" });
      make(svg, "text", { x: box.left - 0.4 * em, y: this.y(share) + 0.3 * em, "text-anchor": "end" },
        percent(share));
    }
    recording.phases.forEach((phase, i) => {
      if (i) {
        make(svg, "path", { stroke: "#999",
          d: `M${this.x(phase.start)} ${box.top - em}V${box.bottom}` });
      }
      if (this.phase) return;
      make(svg, "text", { x: (this.x(phase.start) + this.x(phase.end)) / 2, y: box.top - 0.8 * em,
        "text-anchor": "middle" }, `${i ? "" : "learns "}${phase.name}`);
    });
    if (this.phase) this.phase = make(svg, "text", { x: box.left, y: box.top - 1.2 * em });
    for (const step of [0, recording.steps / 2, recording.steps]) {
      make(svg, "text", { x: this.x(step), y: box.bottom + 1.2 * em, "text-anchor": "middle" }, step);
    }
    const title = small ? ["steps of training", recording.title] : [`steps of training (${recording.title})`];
    title.forEach((text, i) => make(svg, "text", { x: small ? 0 : (box.left + box.right) / 2,
      y: box.bottom + (2.4 + 1.2 * i) * em, "text-anchor": small ? "start" : "middle" }, text));
    for (const [j, one] of recording.series.entries()) {
      const old = (recording.ghost || []).filter((point) => point.x >= one.start && point.y[j] != null);
      make(svg, "path", { d: this.line(old.map((point) => [point.x, point.y[j]])), fill: "none",
        stroke: one.colour, "stroke-width": 1.5, opacity: 0.3 });
    }
    this.marks = recording.series.map((one) => ({
      band: make(svg, "path", { fill: one.colour, opacity: 0.15 }),
      line: make(svg, "path", { fill: "none", stroke: one.colour, "stroke-width": 2.5,
        "stroke-dasharray": one.dash || "none" }),
      dot: make(svg, "circle", { r: 0.3 * em, fill: one.colour }),
      key: make(svg, "circle", { r: 0.3 * em, fill: one.colour }),
      text: make(svg, "text") }));
  }

  line(points) {
    return points.map(([x, y], i) => `${i ? "L" : "M"}${this.x(x).toFixed(1)} ${this.y(y).toFixed(1)}`)
      .join("");
  }

  draw(position) {
    this.svg.setAttribute("aria-label", this.recording.words);
    const { recording, box } = this, { frames } = recording, whole = Math.floor(position);
    const last = frames[whole], next = frames[whole + 1];
    const shown = frames.slice(0, whole + 1);
    if (next) {
      const between = (name) => last[name] && last[name].map((v, j) => mix(v, next[name][j], position - whole));
      shown.push({ x: mix(last.x, next.x, position - whole), y: between("y"), low: between("low"),
        high: between("high") });
    }
    const ends = [];
    recording.series.forEach((one, j) => {
      const met = shown.filter((frame) => frame.x >= one.start && frame.y[j] != null);
      const { band, line, dot, key, text } = this.marks[j], end = met[met.length - 1];
      line.setAttribute("d", this.line(met.map((frame) => [frame.x, frame.y[j]])));
      const wide = met.filter((frame) => frame.low);
      band.setAttribute("d", this.line([...wide.map((frame) => [frame.x, frame.low[j]]),
        ...wide.reverse().map((frame) => [frame.x, frame.high[j]])]));
      for (const mark of [dot, key, text]) mark.setAttribute("visibility", end ? "visible" : "hidden");
      if (!end) return;
      dot.setAttribute("cx", this.x(end.x));
      dot.setAttribute("cy", this.y(end.y[j]));
      ends.push({ key, text, height: this.y(end.y[j]), words: `${one.name}: ${percent(end.y[j])}` });
    });
    if (this.phase) {
      const now = recording.phases.filter((phase) => last && phase.start < last.x).pop();
      this.phase.textContent = now ? `learns ${now.name}` : "";
    }
    const heights = spread(ends.map((end) => end.height), 1.15 * box.em, box.bottom);
    ends.forEach((end, i) => {
      end.text.textContent = end.words;
      end.key.setAttribute("cx", box.right + 0.9 * box.em);
      end.key.setAttribute("cy", heights[i]);
      end.text.setAttribute("x", box.right + 1.5 * box.em);
      end.text.setAttribute("y", heights[i] + 0.3 * box.em);
    });
    this.cells.forEach(({ figure, text }, i) => {
      const said = last && last.images && last.images[i];
      figure.className = said ? (said[1] ? "right" : "wrong") : "unmet";
      text.textContent = said ? `${said[0]} ${said[1] ? "✓" : "✗"}` : "not yet";
    });
  }
}

// Answers of several models to the same questions while they are trained.
class Answers {
  constructor(stage, recording) {
    this.recording = recording;
    const table = make(stage, "table");
    make(table, "caption", { class: "unseen" }, recording.words);
    const head = make(make(table, "thead"), "tr");
    make(head, "th", { scope: "col", style: "width:31%" }, "question (right answer)");
    this.heads = recording.methods.map((method) => {
      const cell = make(head, "th", { scope: "col" });
      make(cell, "span", { style: `border-bottom: .2em solid ${method.colour}` }, method.label);
      const about = make(cell, "span", { style: "font-weight:normal" });
      const shares = make(cell, "div", { class: "shares" });
      const bars = recording.bars.map((name) => {
        const row = make(shares, "div", { class: "share", style: `--colour:${method.colour}` });
        make(row, "span", {}, name);
        const full = make(make(row, "div"), "div");
        return { full, text: make(row, "span") };
      });
      return { about, bars };
    });
    const body = make(table, "tbody");
    let group = null;
    this.rows = recording.questions.map((question) => {
      if (question.group !== group) {
        group = question.group;
        make(make(body, "tr"), "th", { colspan: 1 + recording.methods.length, class: "group",
          scope: "colgroup" }, group);
      }
      const row = make(body, "tr");
      make(row, "th", { scope: "row" }, `${question.text} (${question.answer})`);
      return recording.methods.map(() => {
        const cell = make(row, "td");
        return { cell, said: make(make(cell, "div", { class: "said" }), "span") };
      });
    });
    // Each cell has room for its first and its last answer, and for others that are hardly longer, so
    // that little jumps while the run plays.
    const frames = recording.frames;
    if (frames.length) this.rows.forEach((cells, q) => cells.forEach(({ said }, m) => {
      const texts = frames.map((frame) => frame.answers[m][q].text);
      const room = Math.max(texts[0].length, texts[texts.length - 1].length) + 6;
      const longest = texts.filter((text) => text.length <= room).reduce((a, b) => (b.length > a.length ? b : a));
      said.parentNode.dataset.longest = `${longest}\u00a0✗`;
    }));
    make(stage, "p", { class: "note" },
      `✗ wrong. Italics: not in the model's own style. Yellow: has just changed. ${recording.note}`);
  }

  lay() { this.shown = null; }

  draw(position) {
    const whole = Math.round(position), frame = this.recording.frames[whole];
    if (this.shown === frame || !frame) return;
    this.heads.forEach(({ about, bars }, m) => {
      about.textContent = `, ${frame.notes[m]}`;
      frame.bars[m].forEach((share, k) => {
        bars[k].full.style.width = `${100 * share}%`;
        bars[k].text.textContent = percent(share);
      });
    });
    this.rows.forEach((cells, q) => cells.forEach(({ cell, said }, m) => {
      const { text, right, expert } = frame.answers[m][q];
      const words = right === null ? text : `${text}\u00a0${right ? "✓" : "✗"}`;
      const changed = this.shown && said.textContent !== words;
      cell.className = [{ true: "right", false: "wrong" }[right] || "", expert ? "expert" : "", changed ? "changed" : ""].join(" ");
      if (changed) { // starts the animation again
        cell.style.animation = "none";
        void cell.offsetWidth;
        cell.style.animation = "";
      }
      said.textContent = words;
    }));
    this.shown = frame;
  }
}

// Tasks that are learned one after the other, and inputs whose task is then retrieved.
class Clusters {
  constructor(stage, recording) {
    this.recording = recording;
    this.message = make(stage, "p", { class: "note message" });
    const sides = make(stage, "div", { class: "sides" });
    this.svg = make(sides, "svg", { role: "img", "aria-label": recording.words });
    this.bars = make(sides, "svg", { role: "img", "aria-label": recording.distances });
    make(stage, "p", { class: "note" }, recording.note || "");
    this.lay();
  }

  lay() {
    const { svg, bars, recording } = this, em = this.em = fontSize(svg);
    const side = Math.min(23 * em, svg.parentNode.clientWidth || 23 * em);
    for (const one of [svg, bars]) {
      one.replaceChildren();
      one.style.maxWidth = `${side}px`;
      one.setAttribute("viewBox", `0 0 ${side} ${side}`);
    }
    const place = this.place = (point) => [em + point[0] * (side - 2 * em), em + point[1] * (side - 2 * em)];
    this.groups = recording.tasks.map((task) => {
      const group = make(svg, "g");
      for (const point of task.points) {
        const [cx, cy] = place(point);
        make(group, "circle", { cx, cy, r: 0.14 * em, fill: task.colour, opacity: 0.45 });
      }
      for (const point of task.centres) {
        const [x, y] = place(point), r = 0.45 * em;
        make(group, "path", { d: `M${x - r} ${y}L${x} ${y - r}L${x + r} ${y}L${x} ${y + r}Z`,
          fill: task.colour, stroke: "#fff", "stroke-width": 1.5 });
      }
      return group;
    });
    const named = recording.tasks.map((task) => place(task.label));
    recording.tasks.map((task, j) => j).sort((a, b) => named[a][1] - named[b][1]).forEach((j, n, order) => {
      const wide = (k) => 0.7 * em * recording.tasks[k].name.length;
      for (const k of order.slice(0, n)) { // below those that it would cover
        const apart = Math.abs(named[j][0] - named[k][0]) > (wide(j) + wide(k)) / 2;
        if (!apart && named[j][1] < named[k][1] + 1.2 * em) named[j][1] = named[k][1] + 1.2 * em;
      }
      make(this.groups[j], "text", { x: named[j][0], y: named[j][1], "text-anchor": "middle",
        style: "font-weight:bold;paint-order:stroke;stroke:#fff;stroke-width:4px" }, recording.tasks[j].name);
    });
    this.link = make(svg, "path", { stroke: "#111", "stroke-width": 2, "stroke-dasharray": "4 3" });
    this.dot = make(svg, "circle", { r: 0.55 * em, fill: "none", stroke: "#111", "stroke-width": 3 });
    const words = recording.distances.split(" "), half = Math.ceil(words.length / 2);
    const lines = 0.55 * em * recording.distances.length > side
      ? [words.slice(0, half).join(" "), words.slice(half).join(" ")] : [recording.distances];
    lines.forEach((line, i) => make(bars, "text", { x: 0, y: (1 + 1.2 * i) * em }, line));
    this.longest = side - 9 * em - 6 * em; // the name on the left, “nearest” on the right
    this.rows = recording.tasks.map((task, j) => {
      const top = (1.4 + 1.2 * lines.length) * em;
      const y = top + j * (side - top - 1.6 * em) / recording.tasks.length;
      const name = make(bars, "text", { x: 8.6 * em, y: y + 0.8 * em, "text-anchor": "end" }, task.name);
      return { name, bar: make(bars, "rect", { x: 9 * em, y, height: em, width: 0, fill: task.colour }),
        text: make(bars, "text", { y: y + 0.8 * em }) };
    });
    this.score = make(bars, "text", { x: 0, y: side - 0.4 * em, style: "font-weight:bold" });
  }

  draw(position) {
    const { em, recording } = this, frame = recording.frames[Math.round(position)], query = frame.query;
    this.groups.forEach((group, j) => group.setAttribute("visibility", j < frame.tasks ? "visible" : "hidden"));
    this.message.textContent = frame.text;
    this.score.textContent = frame.score || "";
    for (const mark of [this.link, this.dot]) mark.setAttribute("visibility", query ? "visible" : "hidden");
    const most = query ? Math.max(...query.distances) : 1;
    this.rows.forEach(({ name, bar, text }, j) => {
      const width = query ? this.longest * query.distances[j] / most : 0;
      name.setAttribute("visibility", j < frame.tasks ? "visible" : "hidden");
      bar.setAttribute("width", width);
      bar.setAttribute("opacity", query && j === query.retrieved ? 1 : 0.35);
      text.setAttribute("x", 9.4 * em + width);
      text.textContent = query && j === query.retrieved ? `nearest ${query.right ? "✓" : "✗"}` : "";
    });
    if (!query) return;
    const [x, y] = this.place(query.point), [toX, toY] = this.place(query.centre);
    this.dot.setAttribute("cx", x);
    this.dot.setAttribute("cy", y);
    this.link.setAttribute("d", `M${x} ${y}L${toX} ${toY}`);
    this.link.setAttribute("stroke", query.right ? "#00704f" : "#a33c00");
  }
}

const KINDS = { curves: Curves, answers: Answers, clusters: Clusters };

// Draws a recording inside an element; `live` shows its newest frame and follows later ones.
export function mount(element, recording, { autoplay = false, live = false } = {}) {
  const root = make(element, "div", { class: "wb-player" });
  make(root, "style", {}, STYLE);
  const stage = make(root, "div"), bar = make(root, "div", { class: "bar" });
  const button = make(bar, "button", { type: "button" }, "Play");
  const slider = make(bar, "input", { type: "range", min: 0, step: "any", "aria-label": "moment of the run" });
  const label = make(bar, "output");
  let view = null, position = 0, playing = null, drawn = 0;

  const end = () => recording.frames.length - 1;
  const draw = () => {
    position = Math.max(0, Math.min(position, end()));
    view.draw(position);
    slider.value = position;
    const frame = recording.frames[Math.round(position)];
    if (!frame) return; // nothing has been trained yet
    label.textContent = frame.label;
    slider.setAttribute("aria-valuetext", frame.label);
    root.dataset.draws = ++drawn;
  };
  const pause = () => {
    cancelAnimationFrame(playing);
    playing = null;
    button.textContent = "Play";
  };
  const play = () => {
    if (position >= end()) position = 0;
    let before = null;
    button.textContent = "Pause";
    const tick = (now) => {
      position += before === null ? 0 : (now - before) / 1000 * end() / recording.seconds;
      before = now;
      draw();
      if (position >= end()) pause();
      else playing = requestAnimationFrame(tick);
    };
    playing = requestAnimationFrame(tick);
  };
  const set = (value, follow = live) => {
    live = follow;
    const old = recording, same = view && old.kind === value.kind && old.run === value.run;
    recording = value;
    if (same) view.recording = recording;
    if (!same) {
      pause();
      stage.replaceChildren();
      view = new KINDS[recording.kind](stage, recording);
      position = live ? Infinity : 0;
    }
    if (same && old.title !== recording.title) view.lay();
    stage.style.opacity = recording.pale ? 0.45 : 1;
    slider.max = Math.max(end(), 0);
    if (live && playing === null) position = Infinity;
    bar.hidden = recording.frames.length < 2;
    bar.style.display = bar.hidden ? "none" : "";
    draw();
    if (recording.sent) root.dataset.delay = Math.round(Date.now() - 1000 * recording.sent);
  };
  button.addEventListener("click", () => (playing === null ? play() : pause()));
  slider.addEventListener("input", () => { pause(); position = Number(slider.value); draw(); });
  slider.addEventListener("keydown", (event) => { // a step of "any" is too small for the arrow keys
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    pause();
    position = Math.max(0, Math.min(end(), Math.round(position) + by));
    draw();
  });
  let width = 0;
  new ResizeObserver(() => {
    if (root.clientWidth === width) return;
    width = root.clientWidth;
    view.lay();
    draw();
  }).observe(root);
  set(recording);
  if (autoplay && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      play();
    }, { threshold: 0.5 });
    seen.observe(root);
  }
  return { set, play, pause };
}

export default {
  render({ model, el }) {
    const player = mount(el, model.get("recording"), { live: model.get("live") });
    if (model.get("plays")) player.play();
    model.on("change:recording", () => player.set(model.get("recording"), model.get("live")));
    model.on("change:plays", () => player.play());
    return () => player.pause();
  },
};
