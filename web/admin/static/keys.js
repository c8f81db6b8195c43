// The keyboard: "/" goes to the search field, Ctrl or Command and K opens the palette, "g" and a letter goes to a page of
// the project (the letters are underlined nowhere; the palette says them). Everything is reached by links, too.
"use strict";

const TYPED_MS = 120;
const LETTERS = { n: "Now", t: "Tasks", h: "Handoffs", l: "Leases", u: "Numbers", a: "Activity", m: "Members", i: "Insights", s: "Settings" };

function isTyping(target) {
  return target.matches("input, textarea, select, [contenteditable]");
}

class Palette {
  constructor(project) {
    this.project = project;
    this.dialog = document.createElement("dialog");
    this.dialog.className = "palette";
    this.dialog.setAttribute("aria-label", "Go to");
    this.field = document.createElement("input");
    this.field.type = "search";
    this.field.placeholder = "Page, name or #number";
    this.field.setAttribute("aria-label", "Go to");
    this.field.autocomplete = "off";
    this.list = document.createElement("div");
    this.list.className = "found-in";
    const hint = document.createElement("p");
    hint.className = "hint";
    const letters = Object.entries(LETTERS).map(([letter, name]) => `${letter} ${name}`).join(", ");
    hint.textContent = `Choose with the arrow keys, open with Enter. In a project, press g and a letter: ${letters}.`;
    this.dialog.append(this.field, this.list, hint);
    document.body.append(this.dialog);
    this.field.addEventListener("input", () => { clearTimeout(this.timer); this.timer = setTimeout(() => this.find(), TYPED_MS); });
    this.dialog.addEventListener("keydown", (event) => this.pressed(event));
    this.dialog.addEventListener("click", (event) => { if (event.target === this.dialog) this.dialog.close(); });
  }

  open() {
    if (this.dialog.open) return;
    this.dialog.showModal();
    this.field.select();
    this.find();
  }

  async find() {
    const query = new URLSearchParams({ q: this.field.value, ...(this.project && { project: this.project }) });
    const asked = (this.asked = query.toString());
    const answer = await fetch(`/admin/find?${asked}`, { credentials: "same-origin" });
    if (!answer.ok || asked !== this.asked) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("found");
    if (found) { found.removeAttribute("id"); this.list.replaceChildren(found); }
  }

  pressed(event) {
    const links = [...this.list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = at + (event.key === "ArrowDown" ? 1 : -1);
      (links[next] ?? (next < 0 ? this.field : links.at(-1)))?.focus();
    } else if (event.key === "Enter" && at < 0 && links.length) {
      event.preventDefault();
      links[0].click();
    }
  }
}

function goTo(letter) {
  const name = LETTERS[letter];
  [...document.querySelectorAll(".tabs a")].find((link) => link.textContent === name)?.click();
}

if (document.getElementById("search")) {
  const palette = new Palette(document.body.dataset.project);
  const opener = document.getElementById("open-palette");
  opener.hidden = false;
  opener.addEventListener("click", () => palette.open());
  let waitsForLetter = false;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      palette.open();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (waitsForLetter) {
      waitsForLetter = false;
      goTo(event.key);
    } else if (event.key === "/") {
      event.preventDefault();
      document.getElementById("search").focus();
    } else if (event.key === "g") {
      waitsForLetter = true;
      setTimeout(() => { waitsForLetter = false; }, 1_500);
    }
  });
}
