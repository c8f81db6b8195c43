// The button that holds a live list still. Without script the list is true when the page is loaded, so it stays hidden.
"use strict";

for (const button of document.querySelectorAll("button[data-pause]")) {
  const region = document.getElementById(button.dataset.pause);
  button.hidden = false;
  button.addEventListener("click", () => {
    const paused = region.toggleAttribute("data-paused");
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Resume" : "Pause";
    if (!paused) location.reload();
  });
}
