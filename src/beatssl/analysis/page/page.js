/* The page: decodes the signal it carries, and ties the controls to the ECG paper. Runs after ecg.js and caliper.js. */
"use strict";

/* A source of EcgView (see ecg.js) from data within the page: parts with all samples, and an envelope between them. */
class EmbeddedSource {
  constructor(data) {
    Object.assign(this, {leads: data.leads, fsHz: data.fsHz, durationS: data.durationS, rangeMv: data.rangeMv});
    this.scaleMv = data.scaleMv;
    this.parts = data.parts.map((part) => ({startS: part.startS, samples: part.samples, values: {}}));
    this.levels = {};
    this.envelope = data.envelope;
  }

  static bytes(text) {
    const raw = atob(text), out = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at++) out[at] = raw.charCodeAt(at);
    return out.buffer;
  }

  static scaled(steps, missing, scale) {
    const out = new Float32Array(steps.length);
    for (let at = 0; at < steps.length; at++) out[at] = steps[at] === missing ? NaN : steps[at] * scale;
    return out;
  }

  valuesOf(part, lead) {
    if (!part.values[lead]) {
      const steps = new Int16Array(EmbeddedSource.bytes(part.samples[lead]));
      part.values[lead] = EmbeddedSource.scaled(steps, -32768, this.scaleMv);
    }
    return part.values[lead];
  }

  /* Envelopes of a lead, each of bins four times as long as the one before. */
  levelsOf(lead) {
    if (!this.levels[lead]) {
      const [min, max] = ["low", "high"].map((name) => EmbeddedSource.scaled(
        new Int8Array(EmbeddedSource.bytes(this.envelope[name][lead])), -128, this.envelope.scaleMv));
      const levels = [{min, max, stepS: this.envelope.stepS}];
      while (levels.at(-1).min.length > 2000) levels.push(EmbeddedSource.coarser(levels.at(-1)));
      this.levels[lead] = levels;
    }
    return this.levels[lead];
  }

  static coarser({min, max, stepS}) {
    const count = Math.ceil(min.length / 4);
    const low = new Float32Array(count).fill(NaN), high = new Float32Array(count).fill(NaN);
    for (let at = 0; at < min.length; at++) {
      const to = at >> 2;
      if (!(low[to] <= min[at]) && !Number.isNaN(min[at])) low[to] = min[at];
      if (!(high[to] >= max[at]) && !Number.isNaN(max[at])) high[to] = max[at];
    }
    return {min: low, max: high, stepS: stepS * 4};
  }

  read(lead, startS, stopS, pixels) {
    const found = [];
    let at = startS;
    for (const part of this.parts) {
      const {endS} = this.withEnd(part);
      if (part.startS >= stopS || endS <= startS) continue;
      const share = (untilS) => pixels * (untilS - at) / (stopS - startS);
      if (part.startS > at) found.push(this.between(lead, at, part.startS, share(part.startS)));
      found.push({values: this.valuesOf(part, lead), startS: part.startS, stepS: 1 / this.fsHz});
      at = Math.max(at, endS);
    }
    if (at < stopS - 1 / this.fsHz) found.push(this.between(lead, at, stopS, pixels * (stopS - at) / (stopS - startS)));
    return found.filter(Boolean);
  }

  withEnd(part) {
    if (part.endS === undefined) {
      const text = Object.values(part.samples)[0] || "";
      const bytes = text.length / 4 * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);
      part.endS = part.startS + bytes / 2 / this.fsHz;
    }
    return part;
  }

  between(lead, startS, stopS, pixels) {
    if (!this.envelope) return null;
    const levels = this.levelsOf(lead);
    const level = levels.filter((one) => (stopS - startS) / one.stepS >= 2 * pixels).at(-1) || levels[0];
    const first = Math.max(0, Math.floor(startS / level.stepS)), last = Math.ceil(stopS / level.stepS);
    return {
      min: level.min.subarray(first, last), max: level.max.subarray(first, last),
      startS: first * level.stepS, stepS: level.stepS,
    };
  }
}

function beatsOf(data) {
  const times = new Int32Array(EmbeddedSource.bytes(data.beats.timesMs));
  return Array.from(times, (ms, at) => ({timeS: ms / 1000, label: data.beats.labels[at].replace("-", "")}));
}

function wavesOf(data) {
  const names = {P: "P", Q: "QRS", T: "T"};
  return Object.fromEntries(Object.entries(data.waves).map(([lead, own]) => [lead, own.onsetMs.map((ms, at) =>
    ({kind: names[own.kinds[at]], onsetS: ms / 1000, offsetS: own.offsetMs[at] / 1000}))]));
}

class Page {
  constructor(data) {
    const find = (id) => document.getElementById(id);
    this.find = find;
    this.source = new EmbeddedSource(data);
    this.beforeS = data.beforeS;
    this.view = new EcgView(find("canvas"), {source: this.source, beats: beatsOf(data), waves: wavesOf(data)});
    if (this.view.columnCount === 1) {
      find("layout").value = "12x1";
      find("layout").closest("label").hidden = true;
    }
    this.caliper = new Caliper(this.view, {onread: (reading) => {
      find("reading").textContent = reading ? `Lead ${reading.lead}: ${reading.text}` : "";
    }});
    this.control();
    this.navigate();
    this.print();
    this.view.render();
    this.view.onmove();
  }

  control() {
    const {find, view} = this;
    const set = (id, event, options) => find(id).addEventListener(event, (change) => view.set(options(change.target)));
    set("layout", "change", (input) => ({layout: input.value}));
    set("speed", "change", (input) => ({speed: Number(input.value)}));
    set("gain", "change", (input) => ({gain: Number(input.value)}));
    set("waves", "change", (input) => ({showWaves: input.checked}));
    set("marks", "change", (input) => ({showBeats: input.checked}));
    for (const id of ["layout", "speed", "gain"]) find(id).addEventListener("change", () => this.view.onmove());
    find("controls").addEventListener("submit", (event) => event.preventDefault());
    find("touch").addEventListener("change", (event) => { this.caliper.touch = event.target.checked; });
    find("print").addEventListener("click", () => window.print());
    find("theme").addEventListener("click", () => this.theme());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view.draw());
  }

  theme() {
    const root = document.documentElement;
    const asked = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const dark = (root.dataset.theme || asked) === "dark";
    root.dataset.theme = dark ? "light" : "dark";
    this.find("theme").setAttribute("aria-pressed", String(!dark));
    this.view.draw();
  }

  /* Position, overview and events of a record that is longer than the paper. */
  navigate() {
    const {find, view, source} = this;
    const position = find("position"), overview = find("overview"), shown = find("shown");
    view.onmove = () => {
      view.startS = Math.min(view.startS, Math.max(0, source.durationS - view.shownS));
      if (position) {
        position.max = String(Math.max(0, source.durationS - view.shownS));
        position.value = String(view.startS);
        find("where").textContent = `${EcgView.clock(view.startS)} to ${EcgView.clock(view.startS + view.shownS)}`;
      }
      if (shown) {
        shown.setAttribute("x", String(1000 * view.startS / source.durationS));
        shown.setAttribute("width", String(Math.max(2, 1000 * view.shownS / source.durationS)));
      }
    };
    if (position) position.addEventListener("input", () => view.show(Number(position.value)));
    if (overview) overview.addEventListener("click", (event) => {
      const box = overview.getBoundingClientRect();
      view.show((event.clientX - box.left) / box.width * source.durationS - view.shownS / 2);
    });
    for (const button of document.querySelectorAll(".jump")) {
      button.addEventListener("click", () => {
        view.show(Number(button.dataset.start) - Math.min(this.beforeS, view.shownS / 2));
        view.render();
        find("paper").scrollIntoView({block: "nearest"});
      });
    }
  }

  /* On paper a millimetre is a millimetre: the canvas is drawn anew at 12 pixels a millimetre, rows as high as fit. */
  print() {
    const {view} = this;
    addEventListener("beforeprint", () => {
      Object.assign(view, {mostRowsMm: 120, fixedMm: 12});
      view.render();
    });
    addEventListener("afterprint", () => {
      Object.assign(view, {mostRowsMm: null, fixedMm: null});
      view.render();
    });
  }
}

window.page = new Page(JSON.parse(document.getElementById("data").textContent));
