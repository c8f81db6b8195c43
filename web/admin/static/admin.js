// Copy buttons, and nothing else: without this script the buttons stay hidden and the texts are selected by a click.
"use strict";

const SAID_FOR_MS = 2000;

async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Plain HTTP from another machine has no clipboard object; the old command still works there.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "aloud";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser refused");
}

async function pressed(button, announcer) {
  const label = button.firstElementChild;
  const source = document.getElementById(button.dataset.copy);
  let said = "Copied";
  try {
    await copy(source.textContent);
  } catch {
    said = "Press Ctrl+C";
    getSelection().selectAllChildren(source);
  }
  button.focus();
  label.textContent = said;
  announcer.textContent = said;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => {
    label.textContent = "Copy";
    announcer.textContent = "";
  }, SAID_FOR_MS);
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => pressed(button, document.getElementById("announcer")));
}
