/* Caliper: measures time and voltage on an EcgView, by mouse, touch and keyboard.

   const caliper = new Caliper(view, {onread: (reading) => …});

   Mouse: drag on a lead. Touch: likewise once caliper.touch = true (until then a finger scrolls the page).
   Keys, with the canvas in focus: C places it (again C: on the next lead), arrows move one end by a quarter of a
   millimetre (with Shift by five), Enter changes the end, Escape removes it. Without a caliper the arrows move the paper
   by a second (with Shift by what is shown), Home and End go to its ends.
   Reading: {lead, ms, perMinute, mv, text}; null where it is removed. The view shows it beside the caliper, too. */
"use strict";

class Caliper {
  constructor(view, {onread = () => {}} = {}) {
    Object.assign(this, {view, onread, marks: null, dragging: null, end: 1});
    const canvas = view.canvas;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", () => { this.dragging = null; });
    canvas.addEventListener("pointercancel", () => { this.dragging = null; });
    canvas.addEventListener("click", (event) => this.clicked(event), true);
    canvas.addEventListener("keydown", (event) => this.key(event));
    view.overlays.push((context) => this.drawn(context));
    this.touch = false;
  }

  get touch() { return this.canTouch; }

  set touch(on) {
    this.canTouch = on;
    this.view.canvas.style.touchAction = on ? "none" : "";
  }

  get reading() {
    if (!this.marks) return null;
    const [from, to] = this.marks.ends;
    const ms = Math.round(Math.abs(to.timeS - from.timeS) * 1000), mv = to.mv - from.mv;
    const perMinute = ms > 0 ? Math.round(60000 / ms) : null;
    const rate = perMinute && perMinute <= 400 ? `  ${perMinute}/min` : "";
    return {lead: this.marks.lead, ms, perMinute, mv, text: `${ms} ms${rate}  ${Caliper.signed(mv)} mV`};
  }

  static signed(mv) {
    const text = mv.toFixed(2);
    return text === "-0.00" ? "0.00" : text.replace("-", "−");
  }

  place(event) {
    const box = this.view.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    if (event.button !== 0 || (event.pointerType === "touch" && !this.canTouch)) return;
    this.moved = false;
    const found = this.view.at(...this.place(event));
    if (!found) return;
    this.dragging = {found, at: [event.clientX, event.clientY], cell: this.view.cells.indexOf(found.cell)};
    this.view.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.dragging) return;
    const [x, y] = this.dragging.at;
    if (!this.moved && Math.hypot(event.clientX - x, event.clientY - y) < 4) return;
    this.moved = true;
    const {found, cell} = this.dragging;
    const to = this.view.at(...this.place(event), this.view.cells[cell]);
    this.end = 1;
    this.set(cell, {timeS: found.timeS, mv: found.mv}, {timeS: to.timeS, mv: to.mv});
  }

  /* A drag is no click on the lead; a click without a drag removes the caliper. */
  clicked(event) {
    if (this.moved) event.stopImmediatePropagation();
    else if (this.marks) this.remove();
    this.moved = false;
  }

  set(cell, from, to) {
    this.marks = {cell, lead: this.view.cells[cell].lead, ends: [from, to]};
    this.view.draw();
    this.onread(this.reading);
  }

  remove() {
    this.marks = null;
    this.view.draw();
    this.onread(null);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 5 : 0.25;
    const along = {ArrowLeft: -1, ArrowRight: 1}[event.key], up = {ArrowUp: 1, ArrowDown: -1}[event.key];
    if (event.key === "c" || event.key === "C") this.placeNext();
    else if (event.key === "Escape" && this.marks) this.remove();
    else if (event.key === "Enter" && this.marks) this.end = 1 - this.end;
    else if (this.marks && (along || up)) this.nudge((along || 0) * step, (up || 0) * step);
    else if (along) this.view.show(this.view.startS + along * (event.shiftKey ? this.view.shownS : 1));
    else if (event.key === "Home") this.view.show(0);
    else if (event.key === "End") this.view.show(this.view.source.durationS);
    else return;
    event.preventDefault();
    if (event.key === "Enter") this.view.draw();
  }

  placeNext() {
    const {view} = this;
    const cell = this.marks ? (this.marks.cell + 1) % view.cells.length : 0;
    const {startS, stopS} = view.cells[cell];
    const middle = (startS + stopS) / 2, half = Math.min(2.5 / view.speed, (stopS - startS) / 4);
    this.end = 1;
    this.set(cell, {timeS: middle - half, mv: 0}, {timeS: middle + half, mv: 0});
  }

  nudge(alongMm, upMm) {
    const {view, marks} = this;
    const cell = view.cells[marks.cell];
    const ends = marks.ends.map((one, at) => at !== this.end ? one : {
      timeS: Math.min(Math.max(one.timeS + alongMm / view.speed, cell.startS), cell.stopS),
      mv: one.mv + upMm / view.gain,
    });
    this.set(marks.cell, ...ends);
  }

  drawn(context) {
    const {view, marks} = this;
    const cell = marks && view.cells[marks.cell];
    if (!cell || cell.lead !== marks.lead) return;
    const [from, to] = marks.ends.map((one) => view.point(cell, one.timeS, one.mv));
    const scale = view.ratio, width = Math.max(1, Math.round(view.mm / 4));
    const left = Math.round(Math.min(from.x, to.x) * scale), right = Math.round(Math.max(from.x, to.x) * scale);
    const top = Math.round(Math.min(from.y, to.y) * scale), bottom = Math.round(Math.max(from.y, to.y) * scale);
    context.save();
    context.beginPath();
    context.rect(cell.left, 0, cell.width, view.canvas.height);
    context.clip();
    context.fillStyle = view.colour("caliper");
    context.globalAlpha = 0.1;
    context.fillRect(left, cell.top, right - left, cell.height);
    context.globalAlpha = 1;
    for (const x of [left, right]) context.fillRect(x, cell.top, width, cell.height);
    if (bottom - top > view.mm / 2) for (const y of [top, bottom]) context.fillRect(left, y, right - left, width);
    const active = [from, to][this.end];
    context.beginPath();
    context.arc(active.x * scale, active.y * scale, view.mm * 0.9, 0, 7);
    context.fill();
    context.restore();
    const {text} = this.reading;
    const half = text.length * view.mm * 0.95, sheet = view.canvas.width;
    const x = Math.min(Math.max((left + right) / 2, half), sheet - half);
    view.text(text, x, cell.top + cell.height - view.mm, 3.4, "caliper", "bold", "center");
  }
}

if (typeof window !== "undefined") window.Caliper = Caliper;
