// Notifications by the browser, once somebody asks for them: that something needs them, by the count in the title, or that
// somebody wrote to them. They say no more than that; what was written stays on the page.
"use strict";

const notices = {
  get on() { return localStorage.getItem("notices") === "on" && Notification.permission === "granted"; },
  async toggle() {
    if (this.on) { localStorage.setItem("notices", "off"); return; }
    if ((await Notification.requestPermission()) === "granted") localStorage.setItem("notices", "on");
  },
  show(text) {
    if (!this.on || !document.hidden) return;
    const notice = new Notification("LLM Bus", { body: text, tag: location.pathname, icon: "/admin/static/mark.svg" });
    notice.addEventListener("click", () => { window.focus(); notice.close(); });
  },
};

const countOf = (title) => Number(/^\((\d+)\)/.exec(title)?.[1] ?? 0);

if ("Notification" in window && document.body.dataset.stream) {
  const button = document.getElementById("notify");
  const name = () => {
    button.textContent = notices.on ? "Notifications are on" : "Notify me";
    button.setAttribute("aria-pressed", String(notices.on));
  };
  button.hidden = false;
  button.addEventListener("click", async () => { await notices.toggle(); name(); });
  name();
  let known = countOf(document.title);
  document.addEventListener("refreshed", () => {
    const count = countOf(document.title);
    if (count > known) notices.show(count === 1 ? "1 thing needs you." : `${count} things need you.`);
    known = count;
  });
  document.addEventListener("happened", ({ detail }) => {
    if (detail.type === "post" && detail.topics.includes("to:0")) notices.show(`${detail.actor} wrote to you.`);
  });
}
