/* EcgView: leads on ECG paper, on a canvas. A classic script without dependencies, used by the page and by the viewer.

   const view = new EcgView(canvas, {source, beats, waves, layout: "3x4", speed: 25, gain: 10});

   source  {leads, fsHz, durationS, rangeMv?, read(lead, startS, stopS, pixels), onload?}
     leads      names, of which the layouts take what they know; EcgView.twelve are the canonical ones
     rangeMv    {lead: [lowest, highest]} in mV, for the height of rows; without it rows hold -1 to 1.5 mV
     read       gives {values, startS, stepS} (mV, NaN where not measured), or {min, max, startS, stepS} (an envelope, a
                pair every stepS seconds), or a list of such one after another, or null while it loads: the view then
                shows "loading" there, and draws again when the source calls source.onload(), which the view sets.
                `pixels` is the width in device pixels.
   beats   [{timeS, label}] in order of time; label "N", "S", "V", "F" or ""
   waves   {lead: [{kind: "P" | "QRS" | "T", onsetS, offsetS}]} in order of onset
   layout  "3x4" (three rows of four columns), "6x2", both with a rhythm strip, "12x1" (a row for each lead, all leads),
           or {rows: [["I", "aVR", …], …], rhythm: "II" | null}
   speed   mm/s, any number above 0; gain: mm/mV
   fixedMm     device pixels a millimetre, for print; null: as fits
   mostRowsMm  height that the rows together may take; null: what their leads' ranges need
   startS  the left end of the paper; show(startS) moves it
   hidden  Set of leads that are not drawn (12x1 closes up); showWaves, showBeats: booleans

   Any of these may be set with view.set({…}), which draws again in the next frame; view.render() draws at once.
   view.shownS: seconds that the paper shows from startS on (in "3x4" the columns follow each other in time).
   view.at(x, y) -> {lead, timeS, mv, cell} or null, in CSS pixels of the canvas; view.point(cell, timeS, mv) back.
   view.cells: [{lead, startS, stopS, left, width, top, zero, height}] in device pixels, of the last drawing.
   Hooks:  onclick({lead, timeS, mv, beat, wave, event})  a click or tap on a lead; `beat` and `wave` there, or null
           overlays.push((context, view) => …)    after each drawing, to draw more on top (device pixels)
           onmove(startS)                         after show() or a key has moved the paper
   Colours and font come from CSS properties of the canvas: --paper, --minor, --major, --trace, --ink, --P, --QRS, --T,
   --N, --S, --V, --F. A millimetre is a whole number of device pixels, the same in both directions. */
"use strict";

class EcgView {
  static twelve = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];
  static columns = {"3x4": 4, "6x2": 2};
  static paperMm = 250;
  static leftMm = 10;
  static rightMm = 2;
  static topMm = 5;
  static bottomMm = 6;

  constructor(canvas, options) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    Object.assign(this, {
      source: null, beats: [], waves: {}, layout: "3x4", speed: 25, gain: 10, startS: 0, hidden: new Set(),
      showWaves: true, showBeats: true, leastMm: 2, mostMm: 6, mostRowsMm: null, fixedMm: null,
      cells: [], overlays: [], onclick: null, onmove: null,
    });
    this.set(options);
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
    canvas.addEventListener("click", (event) => this.clicked(event));
  }

  set(options) {
    Object.assign(this, options);
    if (options.source) this.source.onload = () => this.draw();
    this.draw();
  }

  draw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => this.render());
  }

  show(startS) {
    const last = Math.max(0, this.source.durationS - this.shownS);
    const next = Math.min(Math.max(0, startS), last);
    if (next === this.startS) return;
    this.startS = next;
    this.draw();
    if (this.onmove) this.onmove(next);
  }

  /* ---- where things lie ---- */

  get rows() {
    const has = (lead) => this.source.leads.includes(lead) && !this.hidden.has(lead);
    if (typeof this.layout === "object") return this.layout;
    const known = EcgView.twelve.filter(has);
    const others = this.source.leads.filter((lead) => has(lead) && !EcgView.twelve.includes(lead));
    const columns = EcgView.columns[this.layout];
    if (!columns || known.length < 6) return {rows: [...known, ...others].map((lead) => [lead]), rhythm: null};
    const height = 12 / columns;
    const rows = Array.from({length: height}, (_, row) =>
      Array.from({length: columns}, (_, column) => EcgView.twelve[column * height + row]));
    return {rows: rows.filter((row) => row.some(has)), rhythm: has("II") ? "II" : known[0]};
  }

  get columnCount() { return Math.max(1, ...this.rows.rows.map((row) => row.length)); }

  /* Seconds of all columns together: what 250 mm hold, or the record where it is shorter. */
  get shownS() {
    return Math.min(EcgView.paperMm / this.speed, this.source.durationS);
  }

  rangeOf(leads) {
    const ranges = leads.map((lead) => (this.source.rangeMv || {})[lead] || [-1, 1.5]);
    const low = Math.min(-0.4, ...ranges.map((range) => range[0]));
    const high = Math.max(0.6, ...ranges.map((range) => range[1]));
    return [Math.max(low, -3), Math.min(high, 4)];
  }

  /* Rows of cells in millimetres, and the height of the paper. */
  measure() {
    const {rows, rhythm} = this.rows;
    const widthMm = this.shownS * this.speed;
    const strips = rhythm ? [...rows, [rhythm]] : rows;
    const cells = [];
    let top = EcgView.topMm;
    strips.forEach((leads, row) => {
      const [low, high] = this.rangeOf(leads);
      const zero = 5 * Math.ceil((2 + high * this.gain) / 5);
      const wanted = 5 * Math.ceil((zero + 2 - low * this.gain) / 5);
      const height = Math.min(wanted, 5 * Math.floor((this.mostRowsMm || 1e6) / strips.length / 5));
      const each = this.shownS / leads.length;
      leads.forEach((lead, column) => cells.push({
        lead, startS: this.startS + column * each, stopS: this.startS + (column + 1) * each,
        leftMm: EcgView.leftMm + column * each * this.speed, widthMm: each * this.speed,
        topMm: top, heightMm: height, first: column === 0,
        zeroMm: top + (height < wanted ? 5 * Math.round(height * 0.12) : zero),
        strip: leads.length === 1 && (row === strips.length - 1 || row === 0),
      }));
      top += height;
    });
    return {cells, widthMm: EcgView.leftMm + widthMm + EcgView.rightMm, heightMm: top + EcgView.bottomMm};
  }

  /* The canvas in whole device pixels a millimetre; its CSS size follows from that. */
  resize(sheet) {
    const fixed = this.fixedMm, ratio = fixed ? fixed * 25.4 / 96 : window.devicePixelRatio || 1;
    const wide = Math.max(this.canvas.parentElement.clientWidth, 1) * ratio;
    const full = EcgView.leftMm + EcgView.paperMm + EcgView.rightMm;
    const fits = Math.floor(wide / full);
    this.mm = fixed || Math.max(Math.ceil(this.leastMm * ratio), Math.min(fits, Math.floor(this.mostMm * ratio)));
    this.ratio = ratio;
    const width = Math.round(sheet.widthMm * this.mm), height = Math.round(sheet.heightMm * this.mm);
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.canvas.style.width = `${width / ratio}px`;
    this.canvas.style.height = `${height / ratio}px`;
  }

  cellAt(x, y) {
    const px = x * this.ratio, py = y * this.ratio;
    return this.cells.find((cell) =>
      px >= cell.left && px < cell.left + cell.width && py >= cell.top && py < cell.top + cell.height) || null;
  }

  at(x, y, within) {
    const cell = within || this.cellAt(x, y);
    if (!cell) return null;
    const along = (x * this.ratio - cell.left) / (this.mm * this.speed);
    const timeS = Math.min(Math.max(cell.startS + along, cell.startS), cell.stopS);
    return {cell, lead: cell.lead, timeS, mv: (cell.zero - y * this.ratio) / (this.mm * this.gain)};
  }

  point(cell, timeS, mv) {
    return {
      x: (cell.left + (timeS - cell.startS) * this.speed * this.mm) / this.ratio,
      y: (cell.zero - mv * this.gain * this.mm) / this.ratio,
    };
  }

  clicked(event) {
    if (!this.onclick) return;
    const box = this.canvas.getBoundingClientRect();
    const found = this.at(event.clientX - box.left, event.clientY - box.top);
    if (!found) return;
    const nearS = 3 / this.speed;
    const beat = EcgView.between(this.beats, "timeS", found.timeS - nearS, found.timeS + nearS)
      .sort((one, two) => Math.abs(one.timeS - found.timeS) - Math.abs(two.timeS - found.timeS))[0] || null;
    const wave = (this.waves[found.lead] || []).find((one) =>
      one.onsetS <= found.timeS && found.timeS <= one.offsetS) || null;
    this.onclick({lead: found.lead, timeS: found.timeS, mv: found.mv, beat, wave, event});
  }

  /* Items of a list in order of items[i][name] that lie from start to stop, by bisection. */
  static between(items, name, start, stop) {
    let low = 0, high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (items[middle][name] < start) low = middle + 1; else high = middle;
    }
    let end = low;
    while (end < items.length && items[end][name] <= stop) end++;
    return items.slice(low, end);
  }

  /* ---- drawing ---- */

  colour(name) {
    return this.style.getPropertyValue(`--${name}`).trim() || "#888";
  }

  render() {
    this.pending = cancelAnimationFrame(this.pending);
    if (!this.source) return;
    const sheet = this.measure();
    this.resize(sheet);
    this.style = getComputedStyle(this.canvas);
    this.cells = sheet.cells.map((cell) => ({
      ...cell, left: Math.round(cell.leftMm * this.mm), width: Math.round(cell.widthMm * this.mm),
      top: cell.topMm * this.mm, zero: cell.zeroMm * this.mm, height: cell.heightMm * this.mm,
    }));
    this.drawPaper();
    for (const cell of this.cells) {
      if (cell.first) this.drawPulse(cell);
      this.drawCell(cell);
    }
    if (this.showBeats) this.drawBeats();
    this.drawTimes();
    for (const overlay of this.overlays) overlay(this.context, this);
  }

  drawPaper() {
    const {context, mm, canvas} = this;
    context.fillStyle = this.colour("paper");
    context.fillRect(0, 0, canvas.width, canvas.height);
    const line = Math.max(1, Math.round(mm / 8));
    const rule = (step, width) => {
      for (let x = 0; x < canvas.width; x += step * mm) context.fillRect(x, 0, width, canvas.height);
      for (let y = 0; y < canvas.height; y += step * mm) context.fillRect(0, y, canvas.width, width);
    };
    if (mm >= 3) {
      context.fillStyle = this.colour("minor");
      rule(1, Math.max(1, Math.round(line / 2)));
    }
    context.fillStyle = this.colour("major");
    rule(5, line);
  }

  /* The calibration pulse: 1 mV high, 5 mm wide (200 ms at 25 mm/s). */
  drawPulse(cell) {
    const {context, mm} = this;
    const at = cell.left - 8 * mm, high = cell.zero - this.gain * mm;
    context.strokeStyle = this.colour("trace");
    context.lineWidth = Math.max(1, mm / 4);
    context.lineJoin = "round";
    context.beginPath();
    for (const [x, y] of [[0, cell.zero], [1, cell.zero], [1, high], [6, high], [6, cell.zero], [7, cell.zero]]) {
      context.lineTo(at + x * mm, y);
    }
    context.stroke();
  }

  drawCell(cell) {
    const {context, mm} = this;
    context.save();
    context.beginPath();
    context.rect(cell.left, 0, cell.width, this.canvas.height);
    context.clip();
    const missing = !this.source.leads.includes(cell.lead) || this.hidden.has(cell.lead);
    const part = missing ? null : this.source.read(cell.lead, cell.startS, cell.stopS, cell.width);
    for (const one of part ? [part].flat() : []) this.drawTrace(cell, one);
    context.restore();
    this.text(cell.lead, cell.left + mm, cell.top + 3.6 * mm, 3.2, "ink", "bold");
    if (!part) this.text(missing ? "not recorded" : "loading …", cell.left + mm, cell.zero - mm, 3, "ink");
    if (!cell.first) {
      context.fillStyle = this.colour("ink");
      context.fillRect(cell.left, cell.zero - 3 * mm, Math.max(1, Math.round(mm / 5)), 6 * mm);
    }
  }

  /* The trace in runs of one colour: waves where they are shown, the rest in ink. */
  drawTrace(cell, part) {
    const waves = this.showWaves && this.speed >= 5 ? this.waves[cell.lead] || [] : [];
    const near = EcgView.between(waves, "onsetS", cell.startS - 2, cell.stopS)
      .filter((wave) => wave.offsetS > cell.startS);
    let at = cell.startS;
    for (const wave of near) {
      this.stroke(cell, part, at, wave.onsetS, "trace");
      this.stroke(cell, part, Math.max(wave.onsetS, cell.startS), wave.offsetS, wave.kind);
      at = Math.max(at, wave.offsetS);
    }
    this.stroke(cell, part, at, cell.stopS, "trace");
  }

  stroke(cell, part, fromS, toS, colour) {
    const count = (part.values || part.min).length;
    const first = Math.max(0, Math.floor((fromS - part.startS) / part.stepS + 1e-6));
    const last = Math.min(count - 1, Math.ceil((toS - part.startS) / part.stepS - 1e-6));
    if (last <= first && !part.min) return;
    const {context, mm} = this;
    const perSample = part.stepS * this.speed * mm, perMv = this.gain * mm;
    const left = cell.left + (part.startS - cell.startS) * this.speed * mm;
    context.strokeStyle = this.colour(colour);
    context.lineWidth = Math.max(1, mm * (colour === "trace" ? 0.28 : 0.36));
    context.lineJoin = "round";
    context.beginPath();
    if (part.min) this.envelopePath(part, first, last, left, perSample, cell.zero, perMv);
    else if (perSample < 0.5) this.densePath(part.values, first, last, left, perSample, cell.zero, perMv);
    else this.linePath(part.values, first, last, left, perSample, cell.zero, perMv);
    context.stroke();
  }

  linePath(values, first, last, left, perSample, zero, perMv) {
    let down = false;
    for (let at = first; at <= last; at++) {
      const known = !Number.isNaN(values[at]);
      if (known) this.context[down ? "lineTo" : "moveTo"](left + at * perSample, zero - values[at] * perMv);
      down = known;
    }
  }

  /* More than two samples a pixel: their extremes, column by column. */
  densePath(values, first, last, left, perSample, zero, perMv) {
    const each = Math.max(1, Math.floor(1 / perSample));
    for (let at = first; at <= last; at += each) {
      let low = Infinity, high = -Infinity;
      for (let k = at; k <= Math.min(last, at + each); k++) {
        if (values[k] < low) low = values[k];
        if (values[k] > high) high = values[k];
      }
      if (low > high) continue;
      const x = left + at * perSample;
      this.context.moveTo(x, zero - high * perMv);
      this.context.lineTo(x, zero - low * perMv + 0.5);
    }
  }

  envelopePath(part, first, last, left, perSample, zero, perMv) {
    let before = null;
    for (let at = first; at <= last; at++) {
      let low = part.min[at], high = part.max[at];
      if (Number.isNaN(low)) { before = null; continue; }
      if (before) [low, high] = [Math.min(low, before[1]), Math.max(high, before[0])];
      before = [part.min[at], part.max[at]];
      const x = left + (at + 0.5) * perSample;
      this.context.moveTo(x, zero - high * perMv);
      this.context.lineTo(x, zero - low * perMv + 0.5);
    }
  }

  /* Ticks and letters above the strips; where there is less room only those of ectopic beats, then their ticks. */
  drawBeats() {
    const {context, mm} = this;
    for (const cell of this.cells.filter((one) => one.strip)) {
      const near = EcgView.between(this.beats, "timeS", cell.startS, cell.stopS);
      const each = cell.width / Math.max(1, near.length) / mm;
      let last = -1;
      for (const beat of near) {
        const ectopic = beat.label && beat.label !== "N";
        const x = Math.round(cell.left + (beat.timeS - cell.startS) * this.speed * mm);
        if (each < 1 && (!ectopic || x === last)) continue;
        last = x;
        const colour = beat.label || "ink", beside = x > cell.left + 6 * mm;
        context.fillStyle = this.colour(colour);
        if (ectopic && each > 2 && beside) {
          context.globalAlpha = 0.12;
          context.fillRect(x - 2 * mm, cell.top, 4 * mm, cell.height);
          context.globalAlpha = 1;
        }
        context.fillRect(x, cell.top, Math.max(1, Math.round(mm / 3)), Math.round(1.5 * mm));
        if (beside && (each > 4 || (ectopic && each > 2))) {
          this.text(beat.label, x + mm * 0.8, cell.top + 2.6 * mm, 2.6, colour, ectopic ? "bold" : "");
        }
      }
    }
  }

  /* Time below the paper, and speed and gain. */
  drawTimes() {
    const {mm, canvas} = this;
    const below = canvas.height - 1.6 * mm;
    const step = [0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200].find((s) => s * this.speed >= 24) || 14400;
    const strip = this.cells.filter((cell) => cell.startS === this.startS).at(-1);
    const note = `${+this.speed.toFixed(2)} mm/s   ${+this.gain.toFixed(2)} mm/mV`;
    this.text(note, canvas.width - mm, below, 3, "ink", "", "right");
    if (!strip || !this.cells.some((cell) => cell.strip)) return;
    const stopS = this.startS + this.shownS - 42 / this.speed;
    for (let timeS = Math.ceil(this.startS / step - 1e-9) * step; timeS < stopS; timeS += step) {
      const x = Math.round(strip.left + (timeS - this.startS) * this.speed * mm);
      this.context.fillStyle = this.colour("ink");
      this.context.fillRect(x, canvas.height - 6 * mm, Math.max(1, Math.round(mm / 5)), mm);
      this.text(EcgView.clock(timeS), x + mm * 0.7, below, 2.8, "ink");
    }
  }

  text(words, x, y, sizeMm, colour, weight = "", align = "left") {
    const {context, mm} = this;
    context.font = `${weight} ${Math.max(sizeMm * mm, 9 * this.ratio)}px ui-sans-serif, system-ui, sans-serif`;
    context.textAlign = align;
    context.lineWidth = Math.max(2, mm * 0.7);
    context.lineJoin = "round";
    context.strokeStyle = this.colour("paper");
    context.strokeText(words, x, y);
    context.fillStyle = this.colour(colour);
    context.fillText(words, x, y);
  }

  static clock(seconds) {
    if (seconds < 60) return `${+seconds.toFixed(1)} s`;
    const whole = Math.floor(seconds), two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60, rest = two(whole % 60);
    return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
  }
}

if (typeof window !== "undefined") window.EcgView = EcgView;
