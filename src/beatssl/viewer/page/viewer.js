/* The viewer: lists of records, files that are dropped, one or two panes, and keys. */
"use strict";

class Viewer {
  constructor() {
    this.api = new Api();
    this.find = (id) => document.getElementById(id);
    Object.assign(this, {records: [], panes: [], active: 0, files: [], opening: 0});
    this.controls();
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("beforeunload", (event) => { if (this.panes.some((pane) => pane.unsaved)) event.preventDefault(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.list().then(() => this.restore());
  }

  say(error) {
    const text = typeof error === "string" ? error : error.message;
    const known = typeof error !== "string" && error.reason ? `${error.reason.replaceAll("-", " ")}: ${text}` : text;
    this.find("message").textContent = known;
    this.find("message").hidden = !known;
  }

  controls() {
    const drop = this.find("drop");
    for (const name of ["dragover", "dragenter"]) {
      addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
    }
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
    addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      this.take([...event.dataTransfer.files]);
    });
    this.find("choose").addEventListener("change", (event) => {
      this.take([...event.target.files]);
      event.target.value = "";
    });
    this.find("previous").addEventListener("click", () => this.step(-1));
    this.find("next").addEventListener("click", () => this.step(1));
    this.find("compare").addEventListener("click", () => this.compare());
    this.find("filter").addEventListener("input", () => this.drawFiles());
    this.find("theme").addEventListener("click", () => {
      const root = document.documentElement;
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      this.redraw();
    });
  }

  redraw() {
    for (const pane of this.panes) if (pane) pane.view.draw();
  }

  /* ---- records ---- */

  async list() {
    try {
      const found = await this.api.json("folder");
      this.find("folder").hidden = !found.folder;
      this.files = found.files;
      this.drawFiles();
    } catch (error) { this.say(error); }
  }

  drawFiles() {
    const wanted = this.find("filter").value.toLowerCase();
    const some = this.files.filter((file) => file.name.toLowerCase().includes(wanted)).slice(0, 500);
    this.find("files").replaceChildren(...some.map((file) => this.item(file.name, () => this.choose(file), "")));
  }

  item(name, call, note) {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    if (note) {
      const small = document.createElement("small");
      small.textContent = note;
      button.append(small);
    }
    button.addEventListener("click", call);
    item.append(button);
    return item;
  }

  async choose(file) {
    const known = this.records.find((record) => record.file === file.id && record.state !== "refused");
    if (known) return this.open(known);
    const record = this.add(file.name, file.id);
    await this.await(record, () => this.api.json(`folder/${file.id}`, {method: "POST"}));
  }

  add(title, file = null) {
    const record = {title, file, id: null, state: "sending", note: "", upload: null};
    this.records.push(record);
    this.drawOpen();
    return record;
  }

  /* A WFDB header and its signals that are dropped at once travel as one zip. */
  async take(files) {
    const header = files.find((file) => file.name.toLowerCase().endsWith(".hea"));
    const own = header ? files.filter((file) => file.name.startsWith(header.name.slice(0, -4))) : [];
    const jobs = files.filter((file) => own.length < 2 || !own.includes(file)).map((file) => [file.name, file]);
    if (own.length > 1) jobs.unshift([header.name.replace(/\.hea$/i, ".zip"), await Api.zip(own)]);
    await Promise.all(jobs.map(([name, content], at) => {
      const record = this.add(name);
      return this.await(record, () => this.api.upload(content, name), at === 0);
    }));
  }

  /* Sends, waits for the analysis, and shows it. */
  async await(record, send, show = true) {
    const turn = show ? ++this.opening : 0;
    try {
      record.id = (await send()).id;
      record.about = await this.api.opened(record.id, (found) => {
        if (found.state !== record.state) { record.state = found.state; this.drawOpen(); }
      });
      record.state = "ready";
      if (show && turn === this.opening) await this.open(record);
      this.remember();
    } catch (error) {
      Object.assign(record, {state: "refused", note: error.message});
      if (show) this.say(error);
    }
    this.drawOpen();
  }

  drawOpen() {
    const shown = this.panes.map((pane) => pane && pane.record);
    this.find("open").replaceChildren(...this.records.map((record) => {
      const words = {sending: "sending …", waiting: "waits", working: "being analysed …", ready: "", refused: record.note};
      const item = this.item(record.title, () => this.open(record), words[record.state]);
      if (record.state === "refused") item.className = "refused";
      if (record.id && shown.includes(record.id)) item.firstChild.setAttribute("aria-current", "true");
      return item;
    }));
  }

  async open(record) {
    if (record.state === "refused") return this.say(record.note);
    if (record.state !== "ready") return this.say(`${record.title} is not ready yet`);
    const before = this.panes[this.active];
    if (before && before.unsaved && !confirm("Leave this record without saving its corrections?")) return;
    try {
      record.about = await this.api.opened(record.id);
    } catch (error) {
      Object.assign(record, {state: "refused", note: error.message});
      this.drawOpen();
      return this.say(error);
    }
    this.say("");
    const pane = new Pane(this.api, record.id, record.about, {say: (error) => this.say(error)});
    this.find("empty")?.remove();
    if (before) { before.stop(); before.root.replaceWith(pane.root); } else this.find("panes").append(pane.root);
    this.panes[this.active] = pane;
    pane.root.addEventListener("pointerdown", () => this.activate(this.panes.indexOf(pane)), true);
    pane.root.addEventListener("focusin", () => this.activate(this.panes.indexOf(pane)));
    this.find("statements").replaceChildren(...record.about.statements.map((one) => new Option(one.text, one.name)));
    this.activate(this.active);
    this.drawOpen();
    this.remember();
    await pane.start();
  }

  activate(at) {
    if (at < 0) return;
    this.active = at;
    for (const [number, pane] of this.panes.entries()) pane.root.classList.toggle("active", number === at);
  }

  /* Next and previous among what is open, and, where the folder is the source, among its files. */
  step(by) {
    const pane = this.panes[this.active];
    const record = pane && this.records.find((one) => one.id === pane.record);
    const at = record && record.file ? this.files.findIndex((file) => file.id === record.file) : -1;
    if ((!record || at >= 0) && this.files.length) {
      const file = this.files[at + by];
      return file ? this.choose(file) : this.say(by > 0 ? "this is the last file of the folder" : "this is the first file of the folder");
    }
    const ready = this.records.filter((one) => one.state === "ready" || one === record);
    const next = ready[ready.indexOf(record) + by];
    return next ? this.open(next) : this.say(by > 0 ? "there is no next record" : "there is no record before this one");
  }

  compare() {
    const two = this.panes.length < 2;
    if (two && !this.panes.length) return this.say("open a record first");
    if (!two) {
      const gone = this.panes[1];
      if (gone.unsaved && !confirm("Close this record without saving its corrections?")) return;
      gone.stop();
      gone.root.remove();
      this.panes.length = 1;
      this.active = 0;
    } else {
      this.active = 1;
      const shown = this.panes[0].record;
      const others = this.records.filter((one) => one.state === "ready" && one.id !== shown);
      const record = others.at(-1) || this.records.find((one) => one.id === shown);
      this.open(record).then(() => this.redraw());
    }
    this.find("panes").classList.toggle("two", two);
    this.find("compare").setAttribute("aria-pressed", String(two));
    this.drawOpen();
    this.redraw();
  }

  /* ---- reload: records that are still open on the server are listed again ---- */

  remember() {
    const kept = this.records.filter((one) => one.state === "ready").map(({title, file, id}) => ({title, file, id}));
    sessionStorage.setItem("records", JSON.stringify({kept, shown: this.panes[0]?.record}));
  }

  async restore() {
    const {kept = [], shown = null} = JSON.parse(sessionStorage.getItem("records") || "{}");
    const there = await Promise.all(kept.map((one) => this.api.json(`records/${one.id}`).then(() => true, () => false)));
    for (const [at, one] of kept.entries()) if (there[at]) this.records.push({...one, state: "ready", note: ""});
    this.drawOpen();
    const record = this.records.find((one) => one.id === shown);
    if (record) await this.open(record);
  }

  /* ---- keys ---- */

  key(event) {
    const pane = this.panes[this.active], inText = event.target.matches("input:not([type=checkbox]):not([type=range]), select, textarea");
    const command = event.ctrlKey || event.metaKey;
    if (command && pane && event.key.toLowerCase() === "s") pane.save();
    else if (inText || event.altKey) return;
    else if (command && pane && event.key.toLowerCase() === "z") pane.marks.undo();
    else if (command) return;
    else if (event.key === "[") this.step(-1);
    else if (event.key === "]") this.step(1);
    else if (!pane) return;
    else if (event.key === "+" || event.key === "=") pane.zoom(0.5);
    else if (event.key === "-" || event.key === "−") pane.zoom(2);
    else if (event.key === "e" || event.key === "E") pane.toggleCorrecting();
    else if (event.key === "w" || event.key === "W") pane.find(".show-waves").click();
    else if (event.key === "b" || event.key === "B") pane.find(".show-beats").click();
    else return;
    event.preventDefault();
  }
}

addEventListener("DOMContentLoaded", () => { window.viewer = new Viewer(); });
