/* A source of EcgView (see ecg.js) that fetches the signal in tiles: samples, or lowest and highest values of bins. */
"use strict";

class TileSource {
  constructor(about, {durationS, rangeMv, fetchTile}) {
    Object.assign(this, about, {durationS, rangeMv, fetchTile, onload: null});
    this.tiles = new Map();
    this.wanted = [];
    this.running = 0;
    this.row = Object.fromEntries(about.leads.map((lead, at) => [lead, at]));
  }

  static kept = 600;
  static atOnce = 6;

  read(lead, startS, stopS, pixels) {
    const samples = (stopS - startS) * this.fsHz;
    let level = 0;
    while (level + 1 < this.lengths.length && samples / this.factor ** level > 3 * pixels) level++;
    const own = this.part(lead, level, startS, stopS);
    this.neighbours(level, startS, stopS);
    if (own.whole) return own.part;
    for (let coarse = level + 1; coarse < this.lengths.length; coarse++) {
      const other = this.part(lead, coarse, startS, stopS, coarse < this.lengths.length - 1);
      if (other.whole) return other.part;
    }
    return own.some ? own.part : null;
  }

  /* One array of what is there of a level; NaN where a tile is missing, which is then fetched. */
  part(lead, level, startS, stopS, fetched = false) {
    const each = this.factor ** level / this.fsHz, length = this.lengths[level];
    const first = Math.min(Math.max(0, Math.floor(startS / each) - 1), length - 1);
    const last = Math.min(length, Math.ceil(stopS / each) + 2);
    const row = this.row[lead], pair = level ? 2 : 1;
    const low = new Float32Array(last - first).fill(NaN), high = level ? new Float32Array(last - first).fill(NaN) : low;
    let whole = true, some = false;
    for (let number = Math.floor(first / this.tile); number * this.tile < last; number++) {
      const tile = fetched ? this.tiles.get(`${level}/${number}`) : this.get(level, number);
      if (!(tile instanceof Int16Array)) { whole = false; continue; }
      some = true;
      const wide = Math.min(this.tile, length - number * this.tile), begin = row * wide * pair;
      const from = Math.max(first, number * this.tile), to = Math.min(last, number * this.tile + wide);
      for (let at = from; at < to; at++) {
        const place = begin + (at - number * this.tile) * pair, value = tile[place];
        if (value === this.missing) continue;
        low[at - first] = value * this.stepMv;
        if (level) high[at - first] = tile[place + 1] * this.stepMv;
      }
    }
    const where = {startS: first * each, stepS: each};
    return {whole, some, part: level ? {min: low, max: high, ...where} : {values: low, ...where}};
  }

  /* The tiles before and after, so that scrolling finds them there. */
  neighbours(level, startS, stopS) {
    const each = this.tile * this.factor ** level / this.fsHz, count = Math.ceil(this.lengths[level] / this.tile);
    for (const number of [Math.floor(stopS / each) + 1, Math.floor(startS / each) - 1]) {
      if (number >= 0 && number < count) this.get(level, number);
    }
  }

  get(level, number) {
    const key = `${level}/${number}`, found = this.tiles.get(key);
    if (found === undefined) {
      this.tiles.set(key, "wanted");
      this.wanted.push(key);
      this.fetchNext();
    } else if (found instanceof Int16Array) {
      this.tiles.delete(key);
      this.tiles.set(key, found);
    }
    return found;
  }

  async fetchNext() {
    if (this.running >= TileSource.atOnce || !this.wanted.length) return;
    const key = this.wanted.pop();
    for (const stale of this.wanted.splice(0, Math.max(0, this.wanted.length - 40))) this.tiles.delete(stale);
    this.running++;
    try {
      this.tiles.set(key, new Int16Array(await this.fetchTile(key)));
      for (const [old, tile] of this.tiles) {
        if (this.tiles.size <= TileSource.kept) break;
        if (tile instanceof Int16Array) this.tiles.delete(old);
      }
    } catch (error) {
      this.tiles.delete(key);
      if (this.onfail) this.onfail(error);
      this.running--;
      return;
    }
    this.running--;
    if (this.onload) this.onload();
    this.fetchNext();
  }
}
