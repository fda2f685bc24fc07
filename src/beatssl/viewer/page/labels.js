/* Labels of a record: each is yes, no, or not known. What the classifier suggests is shown, and counts as not known
   until a person says so. */
"use strict";

class Labels {
  constructor(root, marks, statements) {
    Object.assign(this, {marks, statements, list: root.querySelector(".labels")});
    const form = root.querySelector(".add-label"), input = form.querySelector("input");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = this.nameOf(input.value.trim());
      if (!name) return;
      marks.setLabel(name, true);
      input.value = "";
    });
    root.querySelector(".all-labels").addEventListener("click", () => {
      for (const one of statements) marks.setLabel(one.name, one.above);
    });
    this.draw();
  }

  /* A statement may be typed by its name or its text. */
  nameOf(text) {
    const found = this.statements.find((one) => one.name === text || one.text.toLowerCase() === text.toLowerCase());
    return found ? found.name : text;
  }

  draw() {
    const known = this.marks.labels, texts = new Map(this.statements.map((one) => [one.name, one]));
    const suggested = this.statements.filter((one) => one.above && !known.has(one.name)).map((one) => one.name);
    this.list.replaceChildren(...[...known.keys(), ...suggested].map((name) => {
      const one = texts.get(name), item = document.createElement("span");
      item.className = known.has(name) ? "label" : "label suggested";
      const title = document.createElement("span");
      title.textContent = one && one.text !== name ? `${one.text} (${name})` : name;
      if (one) title.title = `probability ${one.probability.toFixed(2)}`;
      item.append(title, this.answer(name, "yes", true), this.answer(name, "no", false));
      return item;
    }));
    if (!this.list.childElementCount) this.list.textContent = "None, and the classifier suggests none.";
  }

  answer(name, word, value) {
    const button = document.createElement("button"), on = this.marks.labels.get(name) === value;
    button.type = "button";
    button.className = word;
    button.textContent = word;
    button.setAttribute("aria-pressed", String(on));
    button.setAttribute("aria-label", `${name}: ${word}`);
    button.addEventListener("click", () => this.marks.setLabel(name, on ? undefined : value));
    return button;
  }
}
