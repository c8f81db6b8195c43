// Keeps times true while a page is open, and says them in the reader's own zone; UTC is in the title, and everywhere
// once the reader asks for it (the button at the foot of each page). Pages read well without this script.
"use strict";

const TICK_MS = 20_000;
const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];
const DATED_FROM_SECONDS = 30 * 86_400;

const times = {
  get inUtc() { return localStorage.getItem("times") === "utc"; },
  set inUtc(wanted) { localStorage.setItem("times", wanted ? "utc" : "local"); },
};

function moment(at, utc) {
  return at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium", timeZone: utc ? "UTC" : undefined }) + (utc ? " UTC" : "");
}

function distance(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) || UNITS.at(-1);
  return `${Math.floor(seconds / size)} ${unit}`;
}

function told(element, at, now) {
  const seconds = Math.round((now - at) / 1000);
  switch (element.dataset.time) {
    case "ago":
      if (times.inUtc || Math.abs(seconds) >= DATED_FROM_SECONDS) return moment(at, times.inUtc);
      if (Math.abs(seconds) < 10) return "just now";
      return seconds > 0 ? `${distance(seconds)} ago` : `in ${distance(-seconds)}`;
    case "left":
      return seconds < 0 ? `${distance(-seconds)} left` : "ended";
    default:
      return moment(at, times.inUtc);
  }
}

function tellTimes(root = document) {
  const now = Date.now();
  for (const element of root.querySelectorAll("time[data-time]")) {
    const at = new Date(element.dateTime), text = told(element, at, now);
    if (element.textContent !== text) element.textContent = text;
    element.title = `${moment(at, false)} (${moment(at, true)})`;
  }
}

const zone = document.getElementById("zone");
function nameZone() {
  zone.textContent = times.inUtc ? "Times in UTC" : "Times in your zone";
  zone.setAttribute("aria-pressed", String(times.inUtc));
}
if (zone) {
  zone.hidden = false;
  zone.addEventListener("click", () => { times.inUtc = !times.inUtc; nameZone(); tellTimes(); });
  nameZone();
}
tellTimes();
setInterval(tellTimes, TICK_MS, document);
document.addEventListener("refreshed", () => tellTimes());
