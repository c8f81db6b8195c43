// On a hand-out card: asks every few seconds whether the agent has connected, as long as the page is open and says so.
"use strict";

const ASK_MS = 3_000;

function ask() {
  const waiting = document.querySelector("[data-wait-for]");
  if (!waiting) return;
  setTimeout(async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { credentials: "same-origin" });
        const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
        if (fresh && fresh.getElementById(waiting.dataset.waitFor)) waiting.replaceWith(fresh.getElementById(waiting.id));
      } catch {
        // The server is away: it is asked again.
      }
    }
    ask();
  }, ASK_MS);
}

ask();
