/* Requests to the viewer's server. The token comes with the address's fragment, and stays in this tab. */
"use strict";

class Api {
  constructor() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (given) {
      sessionStorage.setItem("token", given);
      history.replaceState(null, "", location.pathname);
    }
    this.token = sessionStorage.getItem("token") || "";
  }

  /* The answer; throws an Error with the server's own sentence, its `reason` and `status`. */
  async ask(path, {method = "GET", body, headers = {}} = {}) {
    let answer;
    try {
      answer = await fetch(`/api/${path}`, {method, body, headers: {"X-Beatssl-Token": this.token, ...headers}});
    } catch {
      throw Object.assign(new Error("the viewer's server does not answer; is it still running?"), {reason: "network"});
    }
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({reason: "internal", message: answer.statusText}));
      throw Object.assign(new Error(said.message), {reason: said.reason, status: answer.status});
    }
    return answer;
  }

  async json(path, options) {
    return (await this.ask(path, options)).json();
  }

  async bytes(path) {
    return (await this.ask(path)).arrayBuffer();
  }

  post(path, value) {
    return this.json(path, {method: "POST", body: JSON.stringify(value), headers: {"Content-Type": "application/json"}});
  }

  upload(file, name) {
    return this.json("records", {method: "POST", body: file, headers: {
      "X-File-Name": encodeURIComponent(name), "Content-Type": "application/octet-stream"}});
  }

  /* Waits until a record is ready; `onstate` hears of it. */
  async opened(id, onstate = () => {}) {
    for (let wait = 60; ; wait = Math.min(wait * 1.3, 1000)) {
      const found = await this.json(`records/${id}`);
      onstate(found);
      if (found.state === "ready") return found;
      if (found.state === "refused") throw Object.assign(new Error(found.message), {reason: found.reason});
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  async download(id, kind) {
    const answer = await this.ask(`records/${id}/downloads/${kind}`);
    const name = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") || "");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = name ? name[1] : `ecg.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  /* Several files as one: a zip without compression. */
  static async zip(files) {
    const parts = [], directory = [], text = new TextEncoder();
    let at = 0;
    for (const file of files) {
      const content = new Uint8Array(await file.arrayBuffer()), name = text.encode(file.name);
      const head = new DataView(new ArrayBuffer(30)), entry = new DataView(new ArrayBuffer(46));
      const sum = Api.crc32(content);
      head.setUint32(0, 0x04034b50, true);
      entry.setUint32(0, 0x02014b50, true);
      for (const [view, shift] of [[head, 0], [entry, 2]]) {
        view.setUint16(4 + shift, 20, true);
        view.setUint16(6 + shift, 0x0800, true);
        view.setUint32(14 + shift, sum, true);
        view.setUint32(18 + shift, content.length, true);
        view.setUint32(22 + shift, content.length, true);
        view.setUint16(26 + shift, name.length, true);
      }
      entry.setUint16(4, 20, true);
      entry.setUint32(42, at, true);
      parts.push(head, name, content);
      directory.push(entry, name);
      at += 30 + name.length + content.length;
    }
    const length = directory.reduce((sum, part) => sum + part.byteLength, 0);
    const end = new DataView(new ArrayBuffer(22));
    end.setUint32(0, 0x06054b50, true);
    end.setUint16(8, files.length, true);
    end.setUint16(10, files.length, true);
    end.setUint32(12, length, true);
    end.setUint32(16, at, true);
    return new Blob([...parts, ...directory, end]);
  }

  static crc32(bytes) {
    Api.table ||= Uint32Array.from({length: 256}, (_, value) => {
      for (let bit = 0; bit < 8; bit++) value = value & 1 ? value >>> 1 ^ 0xedb88320 : value >>> 1;
      return value;
    });
    let sum = -1;
    for (const byte of bytes) sum = sum >>> 8 ^ Api.table[(sum ^ byte) & 255];
    return (sum ^ -1) >>> 0;
  }
}
