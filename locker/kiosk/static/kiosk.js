// The little that a page cannot do without a script: digits from keypad and
// screen, the countdown, forgetting, and coming back when the terminal was away.
"use strict";
(() => {
  const quiet = 60_000; // without touch or key, the words go back to German and digits are forgotten
  const silence = 12_000; // without a heartbeat the terminal is away
  const settle = 300; // a press meant for the last screen does not count on this one
  const warn = 20; // seconds before the end from which the countdown is said

  const by = (id) => document.getElementById(id);
  const face = () => by("face");
  const current = () => Number(face()?.dataset.screen ?? -1);
  let heard = performance.now(), touched = performance.now(), drawn = performance.now();
  let name = "", served = false, kept = "", keptFor = null, carried = "", ends = 0, total = 0, said = 0, away = false, again = false;

  // Digits.
  const digits = (text) => text.replace(/[０-９]/g, (d) => String.fromCharCode(d.charCodeAt(0) - 0xfee0)).replace(/[^0-9]/g, "");
  function fill(text) {
    const field = by("field");
    if (!field) return;
    field.value = digits(text.slice(0, 200)).slice(0, field.maxLength);
    const cells = by("cells");
    if (!cells) return;
    cells.querySelectorAll("i").forEach((cell, i) => {
      cell.textContent = field.value[i] || "";
      cell.classList.toggle("next", i === Math.min(field.value.length, field.maxLength - 1));
    });
  }
  function type(key) {
    const field = by("field");
    // After a slip the digits stay to be compared; who types begins anew.
    const before = again && key !== "back" ? "" : field.value;
    again = false;
    fill(key === "back" ? before.slice(0, -1) : before + key);
    field.focus();
  }
  const pressKey = (key) => {
    const target = document.querySelector(`[data-key="${key}"]`);
    if (target) target.click();
    return Boolean(target);
  };

  // A security key signs what the terminal wants signed; what became of it
  // comes with the stream, as everything.
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  let asking = null, challenge = "";
  async function ask(key) {
    asking?.abort();
    asking = null;
    challenge = key ? key.dataset.challenge : "";
    if (!key) return;
    const mine = asking = new AbortController();
    const screen = current();
    try {
      const answer = await navigator.credentials.get({ signal: mine.signal, publicKey: {
        challenge: bytes(challenge), rpId: key.dataset.rp, userVerification: "required",
        allowCredentials: key.dataset.credentials.split(" ").map((id) => ({ type: "public-key", id: bytes(id) })),
      } });
      if (asking !== mine) return;
      const body = JSON.stringify({ screen, assertion: answer.toJSON() });
      await fetch("/input", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    } catch { /* not plugged in, not touched, or given up: the button asks again */ }
  }

  // A page that was just drawn.
  function draw() {
    const f = face();
    if (!f) return;
    if (f.dataset.name !== name) drawn = performance.now();
    name = f.dataset.name;
    if (served && name === "welcome" && !carried && german()) return; // a visit's language ends with it
    served = !f.hasAttribute("data-idle");
    const count = by("count");
    if (count) count_from(Number(count.dataset.remaining)); else ends = 0;
    said = 0;
    const field = by("field");
    // The same screen may be drawn twice, by the answer and by the stream: what
    // was kept for it is kept for both.
    if (keptFor !== null && keptFor !== current()) kept = "";
    again = !carried && Boolean(field && by("hint") && by("cells") && kept);
    if (!again) kept = "";
    keptFor = again ? current() : null;
    if (field) {
      fill(carried || kept);
      field.focus();
    } else {
      by("title").focus();
    }
    carried = "";
    const key = by("key");
    if ((key ? key.dataset.challenge : "") !== challenge) ask(key);
    f.dataset.ready = "";
    setTimeout(() => { f.dataset.settled = ""; }, settle);
  }
  function count_from(left) {
    ends = performance.now() + left;
    total = left;
    tick();
  }
  function tick() {
    const now = performance.now();
    const count = by("count");
    if (count && ends) {
      const left = Math.max(0, Math.ceil((ends - now) / 1000));
      by("left").textContent = left === 1 ? document.body.dataset.leftOne : document.body.dataset.left.replace("{seconds}", left);
      const bar = count.querySelector("progress");
      bar.max = Math.max(1, total);
      bar.value = Math.max(0, ends - now);
      count.classList.toggle("count--soon", left <= warn);
      const step = left <= 10 ? 10 : left <= warn ? warn : 0;
      if (step && step !== said) {
        said = step;
        const { leftSay, leftSayEnter, leftPlain } = document.body.dataset;
        const words = !count.hasAttribute("data-more") ? leftPlain : by("field") ? leftSayEnter : leftSay;
        by("say").textContent = words.replace("{seconds}", left);
      }
    }
    if (now - touched > quiet && face() && face().hasAttribute("data-idle")) {
      if (by("field") && by("field").value) fill("");
      german();
      touched = now;
    }
    if (now - heard > silence) lost();
  }

  // The page is left for another language only if there is somebody who serves it.
  function speak(language) {
    fetch("/language/" + language, { redirect: "manual" }).then(() => location.replace("/"), lost);
  }
  // german tells whether the page has to be loaded anew for it.
  function german() {
    if (document.documentElement.lang === "de") return false;
    speak("de");
    return true;
  }

  // The terminal is away: say so, and ask until it is back.
  async function lost() {
    if (away) return;
    away = true;
    const show = setTimeout(() => {
      by("away").hidden = false;
      by("screen").inert = true;
      fill("");
    }, 400);
    for (;;) {
      try {
        if ((await fetch("/alive", { cache: "no-store", signal: AbortSignal.timeout(2000) })).ok) break;
      } catch { /* not yet */ }
      await new Promise((next) => setTimeout(next, 500));
    }
    clearTimeout(show);
    location.replace("/");
  }

  // What the keypad types.
  document.addEventListener("keydown", (e) => {
    touched = performance.now();
    if (e.ctrlKey || e.altKey || e.metaKey) return;
    const field = by("field");
    const digit = /^[0-9]$/.test(e.key);
    if (e.repeat && (digit || e.key === "Enter" || e.key === "Escape")) return e.preventDefault();
    if ((digit || e.key === "Backspace") && field && document.activeElement === field) {
      if (again && digit) fill("");
      again = false;
      return; // the browser types it, and the input event brings it here
    }
    if (digit && field) {
      type(e.key);
    } else if (digit && document.querySelector("[data-restart]")) {
      carried += e.key; // the next person begins
      if (carried.length === 1) pressKey("Esc");
    } else if (digit) {
      pressKey(e.key);
    } else if (e.key === "Backspace" && field) {
      type("back");
    } else if (e.key === "Escape") {
      if (field && field.value) fill(""); else pressKey("Esc");
    } else if (e.key === "Enter") {
      if (document.activeElement.closest("button, a") && document.activeElement !== field) return;
      if (!field) document.querySelector("[data-enter]")?.click();
      else if (field.value.length === 1 && pressKey(field.value)) fill("");
      else if (field.value) by("entry").requestSubmit();
    } else if (e.key.startsWith("Arrow")) {
      const all = [...document.querySelectorAll("#field, button:not([tabindex='-1']), a[href]")].filter((x) => x.offsetParent);
      const at = all.indexOf(document.activeElement);
      const step = e.key === "ArrowUp" || e.key === "ArrowLeft" ? -1 : 1;
      all[(at + step + all.length) % all.length]?.focus();
    } else {
      return;
    }
    e.preventDefault();
  });
  document.addEventListener("input", (e) => { if (e.target.id === "field") fill(e.target.value); });
  document.addEventListener("pointerdown", () => { touched = performance.now(); });
  document.addEventListener("click", (e) => {
    const choice = e.target.closest("[name=choice]");
    if (choice && performance.now() - drawn < settle) { e.preventDefault(); e.stopPropagation(); return; }
    const key = e.target.closest("[data-digit]");
    if (key) type(key.dataset.digit);
    const other = e.target.closest("#language");
    if (other) { e.preventDefault(); speak(other.lang); }
    if (e.target.closest("#key")) ask(by("key"));
    if (e.target.closest(".cells")) by("field").focus();
  }, true);
  document.addEventListener("contextmenu", (e) => e.preventDefault());

  // What htmx brings.
  document.addEventListener("submit", (e) => { if (e.target.id === "entry") { kept = by("field").value; keptFor = null; } }, true);
  document.addEventListener("htmx:sse:before:message", (e) => {
    heard = performance.now();
    const { event, id } = e.detail.message;
    if (!event && Number(id) <= current()) e.preventDefault();
  });
  document.addEventListener("time", (e) => {
    heard = performance.now();
    if (by("count") && Number(e.detail.id) === current()) { said = 0; count_from(Number(e.detail.data)); }
  });
  document.addEventListener("htmx:before:swap", (e) => {
    const { ctx } = e.detail;
    if (ctx.sourceElement?.id === "stream") {
      if (!ctx.response?.headers.get("Content-Type")?.startsWith("text/event-stream")) { e.preventDefault(); lost(); }
      return;
    }
    const number = ctx.response?.headers.get("Nachtfach-Screen");
    // The stream may have been quicker; drawing it again would wipe what is typed.
    const sent = Number(ctx.sourceElement?.querySelector?.("[name=screen]")?.value);
    if (number === null || Number(number) < current() || (Number(number) === current() && sent !== current())) e.preventDefault();
  });
  document.addEventListener("htmx:after:swap", draw);
  document.addEventListener("htmx:sse:close", lost);
  document.addEventListener("htmx:sse:error", lost);
  document.addEventListener("htmx:error", lost);
  addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
  addEventListener("pagehide", () => { fill(""); away = true; });

  draw();
  setInterval(tick, 250);
})();
