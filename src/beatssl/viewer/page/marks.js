/* Corrections on an EcgView: ends of waves are dragged, waves added and removed, classes of beats changed, all of it
   undone step by step. Times are whole ticks (tenths of a millisecond), as the server has them.

   A step is {lead, kind, before, after} of a wave, each [onset, offset] or null; {beat, before, after} of a beat's class;
   {label, before, after} of a label of the record (true, false, or undefined). */
"use strict";

const TICKS = 10000;
const KINDS = ["", "P", "QRS", "T"];

class Marks {
  constructor(view, {onchange = () => {}} = {}) {
    Object.assign(this, {view, onchange, on: false, wave: null, end: 1, beat: null, drag: null, kind: 1,
      steps: [], pending: [], labels: new Map()});
    const canvas = view.canvas;
    for (const [name, call] of [["pointerdown", this.down], ["pointermove", this.move], ["pointerup", this.up]]) {
      canvas.addEventListener(name, (event) => call.call(this, event), true);
    }
    canvas.addEventListener("keydown", (event) => this.key(event), true);
    view.overlays.push((context) => this.drawn(context));
  }

  static wave(kind, on, off) {
    return {kind: KINDS[kind], onsetS: on / TICKS, offsetS: off / TICKS, number: kind, on, off};
  }

  static waves(buffer) {
    const all = new Float64Array(buffer);
    return Array.from({length: all.length / 3}, (_, at) => Marks.wave(all[3 * at], all[3 * at + 1], all[3 * at + 2]));
  }

  start(on) {
    this.on = on;
    this.view.canvas.classList.toggle("editing", on);
    if (!on) this.select(null, null);
    this.view.draw();
  }

  select(wave, beat) {
    this.wave = wave;
    this.beat = beat;
    this.onchange();
    this.view.draw();
  }

  /* ---- steps ---- */

  take(step) {
    this.steps.push(step);
    this.apply(step);
    this.pending.push(step);
    this.onchange();
  }

  undo() {
    const step = this.steps.pop();
    if (!step) return;
    const back = {...step, before: step.after, after: step.before};
    this.apply(back);
    if (this.pending.at(-1) === step) this.pending.pop(); else this.pending.push(back);
    this.onchange();
  }

  apply(step) {
    if (step.label !== undefined) {
      if (step.after === undefined) this.labels.delete(step.label); else this.labels.set(step.label, step.after);
    } else if (step.beat !== undefined) {
      this.view.beats[step.beat].label = step.after;
    } else {
      const waves = this.view.waves[step.lead] ||= [];
      if (step.before) waves.splice(waves.findIndex((one) => one.number === step.kind && one.on === step.before[0]), 1);
      let made = null;
      if (step.after) {
        made = Marks.wave(step.kind, ...step.after);
        const place = waves.findIndex((one) => one.on > made.on);
        waves.splice(place < 0 ? waves.length : place, 0, made);
      }
      this.wave = made && {lead: step.lead, one: made};
    }
    this.view.draw();
  }

  saved() {
    this.pending = [];
    this.onchange();
  }

  edits(revision) {
    const waves = this.pending.filter((step) => step.lead !== undefined), beats = this.pending.filter((step) => step.beat !== undefined);
    return {
      revision, labels: Object.fromEntries(this.labels),
      waves: waves.map(({lead, kind, before, after}) => ({lead, kind, before, after})),
      beats: beats.map(({beat, after}) => ({beat, label: after})),
    };
  }

  setLabel(label, after) {
    const before = this.labels.get(label);
    if (before !== after) this.take({label, before, after});
  }

  classify(label) {
    if (this.beat === null) return;
    const before = this.view.beats[this.beat].label;
    if (before !== label) this.take({beat: this.beat, before, after: label});
  }

  remove() {
    if (!this.wave) return;
    const {lead, one} = this.wave;
    this.take({lead, kind: one.number, before: [one.on, one.off], after: null});
    this.select(null, this.beat);
  }

  /* ---- pointer ---- */

  found(event, within) {
    const box = this.view.canvas.getBoundingClientRect();
    return this.view.at(event.clientX - box.left, event.clientY - box.top, within);
  }

  /* The wave end within six CSS pixels, nearest first. */
  near(found) {
    const perPixel = this.view.ratio / (this.view.mm * this.view.speed), reach = 6 * perPixel;
    let best = null;
    for (const one of EcgView.between(this.view.waves[found.lead] || [], "onsetS", found.timeS - 3, found.timeS + reach)) {
      for (const end of [0, 1]) {
        const away = Math.abs((end ? one.offsetS : one.onsetS) - found.timeS);
        if (away <= reach && (!best || away < best.away)) best = {one, end, away};
      }
    }
    return best;
  }

  down(event) {
    if (!this.on || event.button !== 0) return;
    event.stopImmediatePropagation();
    this.view.canvas.focus({preventScroll: true});
    const found = this.found(event);
    if (!found) return;
    this.view.canvas.setPointerCapture(event.pointerId);
    this.drag = {found, x: event.clientX, near: this.near(found), span: null};
  }

  move(event) {
    if (!this.on) return;
    event.stopImmediatePropagation();
    if (!this.drag) {
      const found = this.found(event);
      this.view.canvas.style.cursor = found && this.near(found) ? "ew-resize" : "";
      return;
    }
    if (Math.abs(event.clientX - this.drag.x) < 3 && !this.drag.span) return;
    const at = Math.round(this.found(event, this.drag.found.cell).timeS * TICKS);
    const {near} = this.drag, start = Math.round(this.drag.found.timeS * TICKS);
    const span = near ? (near.end ? [near.one.on, at] : [at, near.one.off]) : [Math.min(start, at), Math.max(start, at)];
    this.drag.span = this.free(this.drag.found.lead, span, near ? near.one : null, near ? near.end : at >= start ? 1 : 0);
    this.view.draw();
  }

  up(event) {
    if (!this.on || !this.drag) return;
    event.stopImmediatePropagation();
    const {found, near, span} = this.drag;
    this.drag = null;
    if (span && near) {
      this.end = near.end;
      this.change(found.lead, near.one, span);
    } else if (span) {
      this.take({lead: found.lead, kind: this.kind, before: null, after: span});
    } else {
      this.pick(found);
    }
    this.view.draw();
  }

  pick(found) {
    const one = (this.view.waves[found.lead] || []).find((wave) => wave.onsetS <= found.timeS && found.timeS <= wave.offsetS);
    const beats = this.view.beats;
    let beat = null;
    for (const near of EcgView.between(beats, "timeS", found.timeS - 0.15, found.timeS + 0.15)) {
      if (beat === null || Math.abs(near.timeS - found.timeS) < Math.abs(beats[beat].timeS - found.timeS)) beat = beats.indexOf(near);
    }
    this.end = one && found.timeS - one.onsetS < one.offsetS - found.timeS ? 0 : 1;
    this.select(one ? {lead: found.lead, one} : null, beat);
  }

  /* The span that a wave may take: between its neighbours, within the record, 2 ms to 2 s long. */
  free(lead, [on, off], own, end) {
    const last = Math.floor(this.view.source.durationS * TICKS);
    on = Math.max(0, on);
    off = Math.min(last, off);
    for (const one of this.view.waves[lead] || []) {
      if (one === own || one.off <= on || one.on >= off) continue;
      if (end ? (own ? one.on >= own.on : one.on >= on) : !(own ? one.off <= own.off : one.off <= off)) off = Math.min(off, one.on);
      else on = Math.max(on, one.off);
    }
    if (end) off = Math.min(off, on + 2 * TICKS); else on = Math.max(on, off - 2 * TICKS);
    return off - on >= 20 ? [on, off] : null;
  }

  change(lead, one, span) {
    if (!span || (span[0] === one.on && span[1] === one.off)) return;
    this.take({lead, kind: one.number, before: [one.on, one.off], after: span});
  }

  /* ---- keys ---- */

  key(event) {
    if (!this.on || event.ctrlKey || event.metaKey || event.altKey) return;
    const along = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (event.key === "Tab" && !this.next(event.shiftKey ? -1 : 1)) return;
    else if ((event.key === "Delete" || event.key === "Backspace") && this.wave) this.remove();
    else if (event.key === "Escape" && (this.wave || this.beat !== null)) this.select(null, null);
    else if (event.key === "Enter" && this.wave) this.end = 1 - this.end;
    else if (along && this.wave) this.nudge(along * (event.shiftKey ? 200 : 20));
    else if ("nsvf".includes(event.key.toLowerCase()) && this.beat !== null) this.classify(event.key.toUpperCase());
    else if (event.key !== "Tab") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.view.draw();
  }

  /* Selects the wave after (or before) the selected one among those that are shown; false where there is none. */
  next(step) {
    const cells = this.view.cells, all = [];
    for (const cell of cells) {
      for (const one of EcgView.between(this.view.waves[cell.lead] || [], "onsetS", cell.startS, cell.stopS)) {
        if (!all.some((other) => other.one === one)) all.push({lead: cell.lead, one});
      }
    }
    const at = this.wave ? all.findIndex((other) => other.one === this.wave.one) : step > 0 ? -1 : all.length;
    const found = all[at + step];
    if (!found) return false;
    const nearest = EcgView.between(this.view.beats, "timeS", found.one.onsetS - 0.05, found.one.offsetS + 0.05)[0];
    this.select(found, nearest ? this.view.beats.indexOf(nearest) : null);
    return true;
  }

  nudge(ticks) {
    const {lead, one} = this.wave;
    const span = this.end ? [one.on, one.off + ticks] : [one.on + ticks, one.off];
    this.change(lead, one, this.free(lead, span, one, this.end));
  }

  /* ---- drawing ---- */

  drawn(context) {
    if (!this.on) return;
    const {view} = this, width = Math.max(1, Math.round(view.mm / 4));
    for (const cell of view.cells) {
      const span = this.drag && this.drag.span && this.drag.found.cell.lead === cell.lead ? this.drag.span : null;
      if (view.speed >= 6) {
        for (const one of EcgView.between(view.waves[cell.lead] || [], "onsetS", cell.startS - 2, cell.stopS)) {
          const chosen = this.wave && this.wave.one === one;
          this.shade(context, cell, one.on, one.off, view.colour(one.kind), chosen ? 0.28 : 0.1, width, chosen);
        }
      }
      if (span) this.shade(context, cell, span[0], span[1], view.colour("caliper"), 0.25, width, true);
      if (this.beat !== null && view.beats[this.beat]) {
        const timeS = view.beats[this.beat].timeS;
        if (timeS >= cell.startS && timeS <= cell.stopS) {
          const x = Math.round(view.point(cell, timeS, 0).x * view.ratio);
          context.fillStyle = view.colour("caliper");
          context.fillRect(x - width, cell.top, 2 * width, Math.round(4 * view.mm));
        }
      }
    }
  }

  shade(context, cell, on, off, colour, alpha, width, ends) {
    const {view} = this;
    const clip = (ticks) => Math.round(view.point(cell, Math.min(Math.max(ticks / TICKS, cell.startS), cell.stopS), 0).x * view.ratio);
    const left = clip(on), right = clip(off);
    if (right <= left) return;
    context.fillStyle = colour;
    context.globalAlpha = alpha;
    context.fillRect(left, cell.top, right - left, cell.height);
    context.globalAlpha = ends ? 1 : 0.55;
    context.fillRect(left, cell.top, width, cell.height);
    context.fillRect(right, cell.top, width, cell.height);
    if (ends && this.wave && !this.drag) context.fillRect((this.end ? right : left) - width, cell.top, 3 * width, Math.round(2 * view.mm));
    context.globalAlpha = 1;
  }
}
