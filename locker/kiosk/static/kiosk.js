// The little that a page cannot do without a script: digits from keypad and
// screen, the countdown, forgetting, and coming back when the terminal was away.
"use strict";
(() => {
  const quiet = 60_000; // without touch or key, the words go back to the first language and digits are forgotten
  const silence = 12_000; // without a heartbeat the terminal is away
  const beat = 4_000; // after which the terminal is told that this page is shown
  const settle = 300; // a press meant for the last screen does not count on this one
  const warn = 20; // seconds before the end from which the countdown is said

  const by = (id) => document.getElementById(id);
  const face = () => by("face");
  const pause = (ms) => new Promise((then) => setTimeout(then, ms));
  const current = () => Number(face()?.dataset.screen ?? -1);
  let heard = performance.now(), touched = performance.now(), drawn = performance.now();
  let name = "", served = false, ends = 0, total = 0, said = 0, away = false, speaking = false, renewed = -1e9;

  // Digits. They belong to the page and not to the field: each new screen brings
  // a new field, and may come between any two keys.
  let typed = "", kind = ""; // digits, and the kind of the field that shows them
  let slip = false; // they are a mistyped code: the next digit starts again
  let sent = null; // the submission that is not answered yet: digits, kind, name, screen
  let answered = false; // its answer is about to be drawn
  let early = "", after = ""; // digits typed while the terminal works, and the kind of field that was submitted before
  const digits = (text) => text.replace(/[０-９]/g, (d) => String.fromCharCode(d.charCodeAt(0) - 0xfee0)).replace(/[^0-9]/g, "");
  function fill(text) {
    const field = by("field");
    if (!field) return;
    typed = field.value = digits(text.slice(0, 200)).slice(0, field.maxLength);
    slip = false;
    const cells = by("cells");
    if (!cells) return;
    cells.querySelectorAll("i").forEach((cell, i) => {
      cell.textContent = typed[i] || "";
      cell.classList.toggle("next", i === Math.min(typed.length, field.maxLength - 1));
    });
  }
  // type takes digits, or "back". Until a submission is answered its field is left alone.
  function type(keys) {
    const on = (text) => keys === "back" ? text.slice(0, -1) : text + digits(keys.slice(0, 200));
    if (sent) { early = on(early); return; }
    fill(on(slip && keys !== "back" ? "" : typed));
    by("field").focus();
  }
  function forget() {
    typed = early = "";
    fill("");
  }
  // retype puts into a new screen's field the digits that belong there.
  function retype(field) {
    const asks = field ? field.dataset.asks : "";
    if (sent && (answered || current() !== sent.screen)) {
      const hint = Boolean(by("hint"));
      const here = name === sent.name && asks === sent.kind;
      // A mistyped code is shown again, to be compared. A screen that was drawn
      // again before the submission reached it did not count it: it is not lost.
      typed = here && (asks === "code" || !hint) ? sent.typed : "";
      slip = Boolean(typed) && hint;
      after = sent.kind;
      sent = null;
    } else if (asks !== kind || slip && !by("hint")) {
      typed = "";
    }
    answered = false;
    kind = asks;
    if (field && !sent) {
      // A code's field shows its digits: those of a number do not go there.
      if (early && (asks !== "code" || after === "code")) { typed = early; slip = false; }
      early = after = "";
    } else if (!field && !face().hasAttribute("data-busy")) {
      early = after = "";
    }
    if (!field) return;
    const again = slip;
    fill(typed);
    slip = again;
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
    if (served && name === "welcome") home(); // a visit's language ends with it
    served = !f.hasAttribute("data-idle");
    const count = by("count");
    if (count) count_from(Number(count.dataset.remaining)); else ends = 0;
    said = 0;
    const field = by("field");
    retype(field);
    (field || by("title")).focus();
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
      forget();
      home();
      touched = now;
    }
    if (now - heard > silence) lost();
  }

  // speak changes the words. The page stays, and what is being typed with it.
  async function speak(language) {
    if (speaking) return;
    speaking = true;
    try {
      await fetch("/language/" + language, { redirect: "manual" });
      await renew();
    } catch {
      lost();
    } finally {
      speaking = false;
    }
  }
  function home() {
    if (document.documentElement.lang !== document.body.dataset.home) speak(document.body.dataset.home);
  }
  // renew loads everything again without leaving the page: a page that is left
  // loses what is typed, and the keys that are pressed until the next one is ready.
  async function renew() {
    let next, former;
    for (let tries = 0; tries < 3; tries++) {
      const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      next = new DOMParser().parseFromString(await answer.text(), "text/html");
      former = !(Number(next.getElementById("face")?.dataset.screen) >= current());
      if (!former && !sent) break; // else the stream was quicker, or an answer has to be drawn first
      await pause(50);
    }
    const script = (page) => page.querySelector("script[src]")?.getAttribute("src");
    if (former || script(next) !== script(document)) return location.replace("/"); // the terminal started again
    renewed = performance.now();
    heard = renewed;
    document.documentElement.lang = next.documentElement.lang;
    document.title = next.title;
    Object.assign(document.body.dataset, next.body.dataset);
    await htmx.swap({ sourceElement: document.body, target: document.body, swap: "innerHTML", text: next.body.innerHTML });
  }

  // The terminal is away: say so, and ask until it is back.
  async function lost() {
    if (away) return;
    away = true;
    let gone = false;
    const show = setTimeout(() => {
      gone = true;
      by("away").hidden = false;
      by("screen").inert = true;
      forget();
    }, 400);
    for (;;) {
      try {
        if ((await fetch("/alive", { cache: "no-store", signal: AbortSignal.timeout(2000) })).ok) break;
      } catch { /* not yet */ }
      await pause(500);
    }
    clearTimeout(show);
    if (gone) return location.replace("/");
    try {
      if (performance.now() - renewed < 2000) await pause(500);
      await renew();
      away = false;
    } catch {
      location.replace("/");
    }
  }

  // What the keypad types.
  document.addEventListener("keydown", (e) => {
    touched = performance.now();
    if (e.ctrlKey || e.altKey || e.metaKey) return;
    const field = by("field");
    const digit = /^[0-9]$/.test(e.key);
    if (e.repeat && (digit || e.key === "Enter" || e.key === "Escape")) return e.preventDefault();
    if ((digit || e.key === "Backspace") && field) {
      if (document.activeElement !== field) field.focus();
      return; // the browser types it into whatever field is there by then: see beforeinput
    }
    if (digit && face()?.hasAttribute("data-busy")) {
      early += e.key;
    } else if (digit && document.querySelector("[data-restart]")) {
      if (performance.now() - drawn >= settle) { // the next person begins
        early += e.key;
        after = "code";
        if (early.length === 1) pressKey("Esc");
      }
    } else if (digit) {
      pressKey(e.key);
    } else if (e.key === "Backspace" && early) {
      early = early.slice(0, -1);
    } else if (e.key === "Escape") {
      if (early || typed && !sent) forget(); else pressKey("Esc");
    } else if (e.key === "Enter") {
      if (document.activeElement.closest("button, a") && document.activeElement !== field) return;
      if (!field) document.querySelector("[data-enter]")?.click();
      else if (sent) { /* one at a time */ }
      else if (typed.length === 1 && pressKey(typed)) fill("");
      else if (typed) by("entry").requestSubmit();
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
  // Enter is taken above, once. The browser would submit the field's form as well,
  // also where Enter just did something else.
  document.addEventListener("keypress", (e) => { if (e.key === "Enter" && e.target.id === "field") e.preventDefault(); });
  document.addEventListener("beforeinput", (e) => {
    if (e.target.id !== "field" || !e.cancelable) return;
    e.preventDefault();
    if (e.inputType.startsWith("delete")) type("back"); else type(e.data || "");
  });
  document.addEventListener("input", (e) => { if (e.target.id === "field") fill(e.target.value); }); // what cannot be cancelled
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
  document.addEventListener("submit", (e) => {
    if (e.target.id !== "entry") return;
    if (sent) { e.preventDefault(); e.stopPropagation(); return; } // one at a time
    sent = { typed, kind, name, screen: current() };
    slip = answered = false;
  }, true);
  document.addEventListener("htmx:finally:request", (e) => {
    if (sent && made(e.detail.ctx) === sent.screen) sent = null; // answered with nothing to draw
  });
  const made = (ctx) => Number(ctx.sourceElement?.querySelector?.("[name=screen]")?.value); // the screen that was pressed on
  let coming = 0; // the screen that the stream brings
  document.addEventListener("htmx:sse:before:message", (e) => {
    heard = performance.now();
    const { event, id } = e.detail.message;
    if (!event) coming = Number(id);
  });
  document.addEventListener("time", (e) => {
    heard = performance.now();
    if (by("count") && Number(e.detail.id) === current()) { said = 0; count_from(Number(e.detail.data)); }
  });
  document.addEventListener("htmx:before:swap", (e) => {
    const { ctx } = e.detail;
    if (ctx.sourceElement?.id === "stream") {
      if (!ctx.response?.headers.get("Content-Type")?.startsWith("text/event-stream")) { e.preventDefault(); lost(); }
      else if (coming <= current()) e.preventDefault();
      return;
    }
    if (ctx.sourceElement === document.body) return; // renew's
    const number = ctx.response?.headers.get("Nachtfach-Screen");
    // The stream may have been quicker; drawing it again would wipe what is typed.
    const from = made(ctx);
    if (number === null || Number(number) < current() || (Number(number) === current() && from !== current())) e.preventDefault();
    else answered ||= ctx.sourceElement?.id === "entry" && from === sent?.screen;
  });
  document.addEventListener("htmx:after:swap", draw);
  document.addEventListener("htmx:sse:close", (e) => { if (e.detail.reason === "ended") lost(); });
  document.addEventListener("htmx:sse:error", lost);
  document.addEventListener("htmx:error", lost);
  addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
  addEventListener("pagehide", () => { forget(); sent = null; away = true; });

  // The terminal has the browser started again when this stops. Requests do not
  // pass through the browser's main process, which draws its window and takes its
  // keys. Locks do: with one hanging, there are no beats.
  function show() {
    const tell = () => fetch("/beat", { method: "POST", signal: AbortSignal.timeout(beat) });
    navigator.locks.request("shown", { mode: "shared" }, tell).catch(() => {});
  }

  draw();
  setInterval(tick, 250);
  show();
  setInterval(show, beat);
})();
