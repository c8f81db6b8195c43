// Keeps an open page up to date. The stream says what kind of thing happened; when a part of the page tells of that kind
// (data-live: kinds, * for every event of the ledger, "changed" for changes that are in no ledger), the page fetches itself
// and replaces all its parts that are different now. What somebody is typing in, or has opened, is left alone until they
// are done. Without this script a page is true when it is loaded.
"use strict";

const GATHER_MS = 60;
const PAUSE_MS = 400;
const RECONNECT_MS = 3_000;
const GAP_MS = 3_000;
const FRESH_MS = 2_500;

class LivePage {
  constructor(stream, after) {
    this.stream = stream;
    this.after = after;
    this.stale = new Set();
    this.source = null;
    this.fetching = false;
    this.lostAt = 0;
    this.timer = 0;
    this.state = ["", ""];
    document.addEventListener("visibilitychange", () => this.follow());
    document.addEventListener("focusout", () => this.plan());
    document.addEventListener("toggle", () => this.plan(), true);
    window.addEventListener("pagehide", () => this.close());
    this.follow();
  }

  // A hidden tab lets go of its connection, because a browser has few of them, unless it is to notify.
  follow() {
    if (document.hidden && !this.wantsNotices()) this.close();
    else if (!this.source) this.open();
  }

  wantsNotices() {
    return localStorage.getItem("notices") === "on" && "Notification" in window && Notification.permission === "granted";
  }

  open() {
    clearTimeout(this.reconnecting);
    const query = this.after === "" ? "" : `?after=${this.after}`;
    this.source = new EventSource(this.stream + query);
    this.source.addEventListener("open", () => this.opened());
    this.source.addEventListener("here", (message) => { this.heard(message); this.mark("*"); });
    this.source.addEventListener("many", (message) => { this.heard(message); this.mark("*"); });
    this.source.addEventListener("changed", () => this.mark("*"));
    this.source.addEventListener("happened", (message) => {
      this.heard(message);
      const event = JSON.parse(message.data);
      this.mark(event.type, ...event.topics);
      document.dispatchEvent(new CustomEvent("happened", { detail: event }));
    });
    this.source.addEventListener("error", () => this.failed());
  }

  // Changes have no number to go on from. After a short gap the server tells of those it has just heard of; after a longer
  // one some may have been missed.
  opened() {
    this.say("on", "Live");
    if (this.lostAt && Date.now() - this.lostAt > GAP_MS) this.mark("changed");
    this.lostAt = 0;
  }

  close() {
    this.lostAt ||= Date.now();
    clearTimeout(this.reconnecting);
    if (this.source) this.source.close();
    this.source = null;
  }

  // The browser reconnects by itself, but not after an answer that is no stream.
  failed() {
    this.lostAt ||= Date.now();
    this.say("waiting", "Connecting…");
    if (this.source && this.source.readyState !== EventSource.CLOSED) return;
    this.close();
    this.reconnecting = setTimeout(() => { this.refresh(); this.open(); }, RECONNECT_MS);
  }

  heard(message) {
    if (message.lastEventId) this.after = message.lastEventId;
  }

  mark(...kinds) {
    for (const region of document.querySelectorAll("[data-live]")) {
      const wanted = region.dataset.live.split(" ");
      const isEvent = !kinds.includes("changed");
      if (kinds.includes("*") || (isEvent && wanted.includes("*")) || kinds.some((kind) => wanted.includes(kind))) this.stale.add(region.id);
    }
    this.plan();
  }

  plan(delay = GATHER_MS) {
    if (this.stale.size === 0 || this.fetching || this.timer) return;
    this.timer = setTimeout(() => { this.timer = 0; this.refresh(); }, delay);
  }

  async refresh() {
    const wanted = new Set([...this.stale].filter((id) => { const region = document.getElementById(id); return region && !busy(region); }));
    if (this.fetching || (wanted.size === 0 && this.stale.size > 0)) return;
    this.fetching = true;
    for (const id of wanted) this.stale.delete(id);
    let pause = PAUSE_MS;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (answer.redirected && new URL(answer.url).pathname.startsWith("/admin/sign-in")) return this.end("You were signed out. Sign in again in another tab; what you typed here is kept.");
      if (answer.status === 404) return this.end("This page no longer exists.");
      if (answer.status === 405) return this.end("Not live until the form is sent.");
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      this.show(new DOMParser().parseFromString(await answer.text(), "text/html"), wanted);
    } catch {
      for (const id of wanted) this.stale.add(id);
      pause = RECONNECT_MS;
    } finally {
      this.fetching = false;
    }
    this.plan(pause);
  }

  show(fresh, wanted) {
    document.title = fresh.title;
    let changed = false;
    for (const region of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(region.id);
      if (!other) continue;
      if (!busy(region)) changed = replace(region, other) || changed;
      else if (wanted.has(region.id)) this.stale.add(region.id);
    }
    if (this.state[0]) this.say(...this.state);
    if (changed) document.dispatchEvent(new Event("refreshed"));
  }

  say(state, text) {
    this.state = [state, text];
    for (const element of document.querySelectorAll("[data-live-state]")) {
      element.hidden = false;
      element.className = `live ${state}`;
      if (element.textContent !== text) element.textContent = text;
    }
  }

  end(text) {
    this.close();
    this.say("over", text);
    this.stale.clear();
  }
}

// Whether somebody is at work in this part of the page.
function busy(region) {
  if (region.closest("[data-paused]") || region.querySelector(":popover-open, dialog[open]")) return true;
  if ([...region.querySelectorAll("input, textarea, select")].some(isTouched)) return true;
  const focused = document.activeElement;
  return region.contains(focused) && focused.matches("input, textarea, select");
}

// Whether a field holds something else than the page came with.
function isTouched(field) {
  if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected) && field.selectedIndex > 0;
  return field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
}

// Replaces what is in a part, and keeps focus, opened details and the place to which it was scrolled.
function replace(region, other) {
  if (pure(region) === pure(other)) return false;
  const known = new Set([...region.querySelectorAll("[id]")].map((element) => element.id));
  const opened = [...region.querySelectorAll("details[open]")].map((element) => element.closest("[id]")?.id);
  const focus = region.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  const { scrollTop, scrollLeft } = region;
  region.replaceChildren(...other.childNodes);
  region.scrollTo(scrollLeft, scrollTop);
  for (const id of opened) document.getElementById(id)?.querySelector("details")?.setAttribute("open", "");
  if (focus) [...region.querySelectorAll("a, button, summary")].find((element) => nameOf(element) === focus)?.focus();
  for (const element of region.querySelectorAll("li[id], article[id]")) {
    if (known.has(element.id)) continue;
    element.classList.add("fresh");
    setTimeout(() => element.classList.remove("fresh"), FRESH_MS);
  }
  return true;
}

// What a part says, but for the times, which the other script keeps true.
function pure(region) {
  const copy = region.cloneNode(true);
  for (const state of copy.querySelectorAll("[data-live-state]")) state.remove();
  for (const time of copy.querySelectorAll("time")) { time.textContent = ""; time.removeAttribute("title"); }
  for (const fresh of copy.querySelectorAll(".fresh")) { fresh.classList.remove("fresh"); if (!fresh.className) fresh.removeAttribute("class"); }
  for (const details of copy.querySelectorAll("details[open]")) details.removeAttribute("open");
  return copy.innerHTML;
}

function nameOf(element) {
  return [element.tagName, element.id, element.getAttribute("href"), element.textContent].join("\n");
}

if (document.body.dataset.stream) new LivePage(document.body.dataset.stream, document.body.dataset.after ?? "");
