/* One record: ECG paper, controls, corrections, labels, and the tables of the page. */
"use strict";

class Pane {
  static spans = [2.5, 5, 10, 20, 60, 300, 1800, 3600, 21600, 86400];

  constructor(api, record, about, {say, onsaved}) {
    Object.assign(this, {api, record, about, say, onsaved, revision: about.revision, requested: new Set()});
    this.root = document.getElementById("pane").content.firstElementChild.cloneNode(true);
    this.find = (name) => this.root.querySelector(name);
    this.find(".name").textContent = about.title;
    this.source = new TileSource(about.signal, {durationS: about.durationS, rangeMv: about.rangeMv,
      fetchTile: (key) => api.bytes(`records/${record}/tiles/${key}`)});
    this.source.onfail = (error) => say(error);
  }

  /* After the root stands in the document: the canvas needs its width. */
  start() {
    const {about, source} = this, canvas = this.find("canvas");
    const labels = about.beats.labels;
    const beats = about.beats.ticks.map((tick, at) => ({timeS: tick / TICKS, label: labels[at].replace("-", "")}));
    this.view = new EcgView(canvas, {source, beats, waves: {}, layout: "3x4"});
    this.marks = new Marks(this.view, {onchange: () => this.changed()});
    for (const [name, value] of Object.entries(about.labels)) this.marks.labels.set(name, value);
    this.caliper = new Caliper(this.view, {onread: (reading) => {
      this.find(".reading").textContent = reading ? `Lead ${reading.lead}: ${reading.text}` : "";
    }});
    canvas.setAttribute("aria-label", `ECG of ${about.title}, ${source.leads.length} leads`);
    this.labels = new Labels(this.root, this.marks, about.statements);
    this.view.onmove = () => this.moved();
    if (this.view.columnCount === 1) {
      this.find(".layout-choice").value = "12x1";
      this.view.set({layout: "12x1"});
    }
    this.controls();
    this.leadChoice();
    this.downloads();
    this.setSpan(10);
    this.changed();
    this.loadWaves();
    return this.loadPanels();
  }

  stop() {
    this.view.onmove = null;
  }

  get unsaved() {
    return this.marks.pending.length;
  }

  /* ---- loading ---- */

  /* Waves of all leads, those of the first leads first. */
  async loadWaves() {
    try {
      for (const [at, lead] of this.source.leads.entries()) {
        this.view.waves[lead] = Marks.waves(await this.api.bytes(`records/${this.record}/waves/${at}`));
        this.view.draw();
      }
      this.root.dataset.ready = "true";
    } catch (error) { this.say(error); }
  }

  async loadPanels() {
    try {
      const parts = await this.api.json(`records/${this.record}/panels`);
      this.find(".summary-panel").innerHTML = parts.summary;
      this.find(".panels").innerHTML = parts.panels;
    } catch (error) {
      this.say(error);
      return;
    }
    for (const one of this.root.querySelectorAll(".jump")) {
      one.addEventListener("click", () => this.show(Number(one.dataset.start) - this.view.shownS / 3));
    }
    const overview = this.find("#overview");
    if (overview) overview.addEventListener("click", (event) => {
      const box = overview.getBoundingClientRect();
      this.show((event.clientX - box.left) / box.width * this.source.durationS - this.view.shownS / 2);
    });
    this.moved();
  }

  /* ---- moving ---- */

  setSpan(seconds, aroundS = null) {
    const {view, source} = this;
    const shown = Math.min(Math.max(seconds, 0.5), Math.max(source.durationS, 1));
    const middle = aroundS ?? view.startS, share = aroundS === null ? 0 : (aroundS - view.startS) / view.shownS;
    view.set({speed: EcgView.paperMm / shown, showBeats: this.find(".show-beats").checked && shown <= 120});
    view.startS = Math.min(Math.max(0, middle - share * view.shownS), Math.max(0, source.durationS - view.shownS));
    this.moved();
    view.draw();
  }

  zoom(factor, aroundS = this.view.startS + this.view.shownS / 2) {
    this.setSpan(EcgView.paperMm / this.view.speed * factor, aroundS);
  }

  show(startS) {
    this.view.show(startS);
    this.moved();
  }

  moved() {
    const {view, source} = this, position = this.find(".position-choice"), shown = this.find("#shown");
    position.max = String(Math.max(0, source.durationS - view.shownS));
    position.value = String(view.startS);
    position.disabled = Number(position.max) === 0;
    this.find(".where").textContent = `${EcgView.clock(view.startS)} to ${EcgView.clock(view.startS + view.shownS)}`;
    const seconds = EcgView.paperMm / view.speed;
    const spans = Pane.spans.filter((one) => one <= Math.max(source.durationS, 10));
    if (!spans.some((one) => Math.abs(one - seconds) < 1e-6 * seconds)) spans.push(seconds);
    this.find(".span-choice").replaceChildren(...spans.sort((one, two) => one - two).map((one) =>
      new Option(Pane.words(one), String(one), false, Math.abs(one - seconds) < 1e-6 * seconds)));
    if (shown) {
      shown.setAttribute("x", String(1000 * view.startS / source.durationS));
      shown.setAttribute("width", String(Math.max(2, 1000 * view.shownS / source.durationS)));
    }
  }

  static words(seconds) {
    if (seconds < 120) return `${+seconds.toFixed(1)} s`;
    return seconds < 7200 ? `${+(seconds / 60).toFixed(1)} min` : `${+(seconds / 3600).toFixed(1)} h`;
  }

  /* ---- controls ---- */

  controls() {
    const {find, view} = this;
    const on = (name, event, call) => find(name).addEventListener(event, call);
    on(".layout-choice", "change", (event) => { view.set({layout: event.target.value}); this.moved(); });
    on(".span-choice", "change", (event) => this.setSpan(Number(event.target.value)));
    on(".gain-choice", "change", (event) => view.set({gain: Number(event.target.value)}));
    on(".show-waves", "change", (event) => view.set({showWaves: event.target.checked}));
    on(".show-beats", "change", () => this.setSpan(EcgView.paperMm / view.speed));
    on(".zoom-in", "click", () => this.zoom(0.5));
    on(".zoom-out", "click", () => this.zoom(2));
    on(".position-choice", "input", (event) => view.show(Number(event.target.value)));
    on(".correct", "click", () => this.toggleCorrecting());
    on(".kind-choice", "change", (event) => { this.marks.kind = Number(event.target.value); });
    on(".remove-wave", "click", () => this.marks.remove());
    on(".undo", "click", () => this.marks.undo());
    on(".save", "click", () => this.save());
    find(".beat-choice").append("Beat ", ...["N", "S", "V", "F"].map((label) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => this.marks.classify(label));
      return button;
    }));
    view.canvas.addEventListener("wheel", (event) => this.wheel(event), {passive: false});
  }

  wheel(event) {
    event.preventDefault();
    const {view} = this, box = view.canvas.getBoundingClientRect();
    if (event.ctrlKey) {
      const found = view.at(event.clientX - box.left, event.clientY - box.top);
      this.zoom(Math.exp(event.deltaY / 300), found ? found.timeS : undefined);
    } else {
      const step = (Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY) * (event.deltaMode === 1 ? 16 : 1);
      this.show(view.startS + step * view.shownS / box.width);
    }
  }

  leadChoice() {
    this.find(".leads").append("Leads ", ...this.source.leads.map((lead) => {
      const label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.value = lead;
      box.addEventListener("change", () => {
        const hidden = new Set(this.view.hidden);
        if (box.checked) hidden.delete(lead); else hidden.add(lead);
        this.view.set({hidden});
      });
      label.append(box, ` ${lead}`);
      return label;
    }));
  }

  downloads() {
    const words = {json: "JSON", csv: "Beats (CSV)", annotations: "Annotations (zip)", html: "Page (HTML)", pdf: "PDF"};
    this.find(".download-choice").append("Download ", ...this.about.downloads.map((kind) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words[kind];
      button.dataset.kind = kind;
      button.addEventListener("click", () => this.api.download(this.record, kind).catch((error) => this.say(error)));
      return button;
    }));
  }

  /* ---- correcting ---- */

  toggleCorrecting() {
    const on = !this.marks.on;
    if (on) this.caliper.remove();
    this.find(".correct").setAttribute("aria-pressed", String(on));
    this.find(".correcting").hidden = !on;
    this.marks.start(on);
  }

  changed() {
    const {marks, find} = this;
    find(".save").disabled = !this.unsaved;
    find(".undo").disabled = !marks.steps.length;
    find(".remove-wave").disabled = !marks.wave;
    const label = marks.beat === null ? null : this.view.beats[marks.beat].label;
    for (const button of find(".beat-choice").querySelectorAll("button")) {
      button.disabled = label === null;
      button.setAttribute("aria-pressed", String(button.textContent === label));
    }
    if (this.unsaved) this.status(`${this.unsaved} unsaved change${this.unsaved > 1 ? "s" : ""}`);
    else if (this.find(".status").textContent.includes("unsaved")) this.status("");
    if (this.labels) this.labels.draw();
  }

  status(words) {
    this.find(".status").textContent = words;
  }

  async save() {
    if (!this.unsaved || this.saving) return;
    this.saving = true;
    const count = this.marks.pending.length;
    try {
      const done = await this.api.post(`records/${this.record}/corrections`, this.marks.edits(this.revision));
      this.revision = done.revision;
      this.marks.pending.splice(0, count);
      this.changed();
      this.status(`Saved in ${done.folder} as ${done.saved}`);
      this.loadPanels();
      if (this.onsaved) this.onsaved();
    } catch (error) { this.say(error); }
    this.saving = false;
  }
}
