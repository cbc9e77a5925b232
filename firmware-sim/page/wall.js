// The wall in the browser: shows what the simulator says, and tells it what a
// person does. It keeps nothing of its own but the language and what is open.

import { words } from "./words.js";

const byId = (id) => document.getElementById(id);
const wanted = new URLSearchParams(location.search).get("lang");
let lang = wanted in words ? wanted : (navigator.language || "").startsWith("de") ? "de" : "en";
let w = words[lang];
let state = null;   // as the simulator last told it
let shown = "";     // what the fixed parts were drawn from
let menuOf = 0;     // the compartment whose menu is open
const doors = new Map();
const forced = new Set();
const log = [];

// make builds an element with properties, data and children.
function make(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  const { data = {}, aria = {}, ...rest } = props;
  Object.assign(e, rest);
  Object.assign(e.dataset, data);
  for (const [k, v] of Object.entries(aria)) e.setAttribute("aria-" + k, v);
  e.append(...children.filter((c) => c !== null));
  return e;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", "#" + name);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

// post does a deed; a refusal is told in words.
async function post(path, body) {
  try {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (answer.ok) {
      byId("toast").hidden = true;
      return true;
    }
    toast((await answer.json()).error);
  } catch (e) {
    toast(String(e.message || e));
  }
  return false;
}

let toastEnds = 0;
function toast(text) {
  const known = Object.keys(w.refused).find((k) => text.includes(k));
  const at = byId("toast");
  at.textContent = known ? w.refused[known] : w.failed(text);
  at.hidden = false;
  clearTimeout(toastEnds);
  toastEnds = setTimeout(() => { at.hidden = true; }, 5000);
}

// ---- doors

const heights = { small: 1, medium: 1.35, large: 1.9 };

function buildDoors() {
  const wall = byId("doors");
  doors.clear();
  wall.replaceChildren();
  const rows = [];
  let columns = 1;
  for (const p of state.layout) {
    rows[p.row - 1] = Math.max(rows[p.row - 1] || 0, heights[p.size]);
    columns = Math.max(columns, p.column);
  }
  wall.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  wall.style.gridTemplateRows = Array.from(rows, (h) => `minmax(${Math.round(44 * (h || 0.3))}px, ${h || 0.3}fr)`).join(" ");
  const order = state.doors.map((d, i) => [d, state.layout[i]]).sort(([, a], [, b]) => a.row - b.row || a.column - b.column);
  for (const [d, place] of order) wall.append(buildDoor(d.number, place));
}

function buildDoor(n, place) {
  const button = make("button", { type: "button", className: "door", data: { door: n }, aria: { haspopup: "menu" } },
    make("span", { className: "inside" }, make("b", { data: { n } }), make("span", { className: "card" }, make("i"))),
    make("span", { className: "leaf" },
      make("b", { className: "number", textContent: n }), make("i", { className: "glyph" }), make("i", { className: "handle" }), make("i", { className: "wedge" })),
    make("span", { className: "lamps" }, make("i", { className: "lamp light" }), make("i", { className: "lamp coil" }), make("i", { className: "lamp contact" })));
  button.addEventListener("click", (e) => { e.stopPropagation(); menuOf === n ? closeMenu(true) : openMenu(n); });
  const cell = make("li", { className: "cell " + place.size }, button);
  cell.style.gridRow = place.row;
  cell.style.gridColumn = place.column;
  doors.set(n, button);
  return cell;
}

function drawDoor(d) {
  const e = doors.get(d.number);
  const flags = {
    open: d.open, document: d.document, jammed: d.jammed, coil: d.coil, lit: d.light, "contact-open": d.contact_open,
    dead: d.contact === "dead", bouncing: d.contact === "bouncing", forced: forced.has(d.number) && d.open,
  };
  for (const [name, on] of Object.entries(flags)) e.classList.toggle(name, on);
  e.setAttribute("aria-label", `${w.compartment} ${d.number}: ${condition(d)}`);
  e.setAttribute("aria-expanded", String(menuOf === d.number));
}

function condition(d) {
  const list = [d.open ? w.open : w.shut, d.document ? w.document : w.empty];
  if (d.light) list.push(w.light);
  if (d.jammed) list.push(w.jammed);
  if (d.contact !== "sound") list.push(w[d.contact]);
  return list.join(", ");
}

// ---- the menu of a door

function deedsOf(d) {
  return [
    d.open ? (d.document ? "take" : "lay") : "open",
    d.open && "close", null,
    !d.open && "force", !d.jammed && "jam", d.contact === "sound" && "dead", d.contact === "sound" && "bounce",
    (d.jammed || d.contact !== "sound") && "heal",
  ].filter((deed) => deed !== false);
}

function openMenu(n) {
  menuOf = n;
  drawMenu();
  byId("menu").querySelector("button").focus();
}

function closeMenu(back) {
  const from = doors.get(menuOf);
  menuOf = 0;
  byId("menu").hidden = true;
  if (from) from.setAttribute("aria-expanded", "false");
  if (back && from) from.focus();
}

function drawMenu() {
  const d = state.doors[menuOf - 1];
  const menu = byId("menu");
  if (!d) return closeMenu(false);
  const focused = menu.contains(document.activeElement) ? document.activeElement.dataset.deed : null;
  const list = make("div", { role: "menu" });
  list.setAttribute("aria-label", `${w.compartment} ${d.number}`);
  for (const deed of deedsOf(d)) {
    if (deed === null) { list.append(make("hr")); continue; }
    const item = make("button", { type: "button", role: "menuitem", data: { deed }, textContent: w.deeds[deed] });
    item.addEventListener("click", () => perform(d.number, deed));
    list.append(item);
  }
  menu.replaceChildren(
    make("p", {}, make("b", { textContent: `${w.compartment} ${d.number}` }), ` ${w.sizes[state.layout[d.number - 1].size]}`),
    make("p", { className: "small", textContent: condition(d) }),
    list,
    make("p", { className: "small", textContent: w.counts(d.pulses, d.openings) }));
  menu.hidden = false;
  place(menu, doors.get(d.number));
  // Who has laid something in, or taken it, closes next.
  if (focused !== null) (menu.querySelector(`[data-deed="${focused}"]`) || menu.querySelector("[data-deed=close]") || menu.querySelector("button")).focus();
}

// place puts the menu beside its door, inside the window.
function place(menu, door) {
  const at = door.getBoundingClientRect(), size = menu.getBoundingClientRect();
  let x = at.right + 6;
  if (x + size.width > innerWidth - 8) x = at.left - size.width - 6;
  menu.style.left = Math.max(8, Math.min(x, innerWidth - size.width - 8)) + "px";
  menu.style.top = Math.max(8, Math.min(at.top, innerHeight - size.height - 8)) + "px";
}

async function perform(n, deed) {
  if (deed === "force") forced.add(n);
  await post(`/api/doors/${n}`, { do: deed });
  if (deed === "open" || deed === "close") closeMenu(true);
}

function menuKeys(e) {
  if (menuOf === 0) return;
  const items = [...byId("menu").querySelectorAll("button")];
  const at = items.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (e.key === "Escape") closeMenu(true);
  else if (e.key === "Tab") closeMenu(false);
  else if (step) { items[(at + step + items.length) % items.length].focus(); e.preventDefault(); }
}

// ---- devices, and what is held up to them

const groups = [["staff", ["badge", "barcode"]], ["citizens", ["citizen", "reader"]]];
const pictures = { badge: "badge", barcode: "barcode", citizen: "qr", reader: "finger", locks: "bolt" };

function buildColumn() {
  const column = byId("column");
  column.replaceChildren(byId("hands"));
  for (const [group, list] of groups) {
    const present = list.filter((device) => state.devices.includes(device));
    column.append(make("h3", { textContent: w.groups[group] }), ...present.map(buildDevice));
  }
  if (state.devices.includes("locks")) column.append(buildDevice("locks"));
}

function buildDevice(device) {
  const things = device === "reader" ? state.people.map(buildFinger) : state.offers.filter((o) => o.source === device).map(buildOffer);
  const out = state.unplugged.includes(device);
  const plug = make("button", { type: "button", className: "plug", data: { plug: device }, title: w.devices[device] + ": " + (out ? w.plug : w.unplug) },
    icon("plug"), make("span", { textContent: out ? w.plug : w.unplug }));
  plug.addEventListener("click", () => post(out ? "/api/plug" : "/api/unplug", { device }));
  const rest = device === "locks" ? null : things.length
    ? make("div", { className: "things" }, ...things)
    : make("p", { className: "none", textContent: w.none[device] });
  const finger = device === "reader" && state.reader.finger !== "";
  return make("section", { className: "device " + device + (out ? " out" : "") + (finger ? " busy" : ""), data: { device }, aria: { label: w.devices[device] } },
    make("div", { className: "picture" }, icon(pictures[device])),
    make("div", { className: "head" }, make("h4", { textContent: w.devices[device] }), plug), rest);
}

// buildFixtures are the sensors of the terminal itself, and its heater's lamp.
function buildFixtures() {
  const list = state.wired.map((name) => {
    const tripped = state.sensors[name];
    const b = make("button", { type: "button", className: "switch sensor", data: { sensor: name }, aria: { pressed: String(tripped) },
      title: tripped ? w.rest[name === "mains" ? 0 : 1] : "" }, icon("bell"), w.sensors[name][tripped ? 1 : 0]);
    b.addEventListener("click", () => post("/api/sensors/" + name, { tripped: !tripped }));
    return b;
  });
  if (state.heating) {
    list.push(make("p", { className: "heater" + (state.heater ? " lit" : ""), data: { heater: String(state.heater) } }, icon("heat"), `${w.heater} ${state.heater ? w.on : w.off}`));
  }
  return list;
}

function buildOffer(o) {
  const chip = make("button", { type: "button", className: "thing " + o.source, data: { text: o.text } },
    make("b", { textContent: o.label }), o.note ? make("small", {}, make("span", { className: "what", textContent: w.notes[o.source] + " " }), make("span", { className: "note", textContent: o.note })) : null);
  chip.title = `${w.things[o.source]}: ${o.label}`;
  chip.addEventListener("click", async () => {
    if (!await post("/api/scan", { source: o.source, text: o.text })) return;
    tell("scan", o.source, o.label);
    flash(o.source);
  });
  return chip;
}

function buildFinger(p) {
  const lies = onReader() === p.name;
  const chip = make("button", { type: "button", className: "thing finger", data: { person: p.name }, aria: { pressed: String(lies) } },
    icon("finger"), make("b", { textContent: p.label }),
    make("small", { textContent: lies ? w.lift : w.fingers[p.finger] }));
  chip.title = `${p.label}: ${lies ? w.lift : w.fingers[p.finger]}`;
  chip.addEventListener("click", () => post("/api/finger", lies ? { lift: true } : { finger: p.name, for: "15s" }));
  return chip;
}

// onReader is whose finger lies on the reader.
function onReader() { return state.reader.finger.replace(/\/\d+$/, ""); }

function flash(device) {
  const e = document.querySelector(`[data-device="${device}"] .picture`);
  if (!e) return;
  e.classList.remove("flash");
  void e.offsetWidth; // so that the animation begins anew
  e.classList.add("flash");
}

function buildSwitches() {
  const at = byId("switches");
  at.replaceChildren(...buildFixtures());
  for (const [name, picture] of [["power", "bolt"], ["broker", "net"]]) {
    if (!(name in state)) continue;
    const on = state[name];
    const b = make("button", { type: "button", className: "switch", role: "switch", data: { switch: name }, aria: { checked: String(on) } },
      icon(picture), `${w[name]} ${on ? w.on : w.off}`);
    b.addEventListener("click", async () => {
      b.disabled = true;
      await post("/api/" + name, { on: !on });
      b.disabled = false;
    });
    at.append(b);
  }
}

// ---- what happened

function tell(key, ...args) {
  log.unshift({ time: new Date().toTimeString().slice(0, 8), key, args });
  log.length = Math.min(log.length, 4);
  drawLog();
}

function drawLog() {
  byId("log").replaceChildren(...log.map((l) => make("li", { className: l.key }, make("time", { textContent: l.time }), w.log[l.key](...l.args))));
}

function compare(before, now) {
  for (const [i, d] of now.doors.entries()) {
    const was = before.doors[i];
    if (was) compareDoor(was, d);
  }
  const finger = (s) => s.reader.finger;
  if (finger(now) !== finger(before)) {
    const who = now.people.find((p) => p.name === onReader());
    finger(now) ? tell("finger", who ? who.label : finger(now)) : tell("lifted");
  }
  for (const device of now.devices) {
    const out = now.unplugged.includes(device);
    if (out !== before.unplugged.includes(device)) tell(out ? "unplugged" : "plugged", device);
  }
  for (const name of now.wired) if (now.sensors[name] !== before.sensors[name]) tell("sensor", name, now.sensors[name]);
  if (now.heating && now.heater !== before.heater) tell("heater", now.heater);
  for (const name of ["power", "broker"]) if (now[name] !== before[name]) tell(name, now[name]);
  for (const o of now.offers) if (!before.offers.some((b) => b.text === o.text)) tell("offer", o.source, o.label);
}

function compareDoor(was, d) {
  const n = d.number;
  if (d.pulses !== was.pulses) { forced.delete(n); tell("coil", n); }
  if (d.openings !== was.openings) tell(forced.has(n) ? "forced" : "opened", n);
  if (d.document !== was.document) tell(d.document ? "laid" : "taken", n);
  if (!d.open && was.open) { forced.delete(n); tell("closed", n); }
  const well = (x) => !x.jammed && x.contact === "sound";
  if (d.jammed && !was.jammed) tell("jammed", n);
  else if (d.contact !== "sound" && d.contact !== was.contact) tell("contact", n);
  else if (well(d) && !well(was)) tell("healed", n);
}

// ---- all together

function draw() {
  const fixed = JSON.stringify([lang, state.terminal, state.layout]);
  if (fixed !== shown) {
    shown = fixed;
    document.documentElement.lang = lang;
    document.title = `Nachtfach – ${w.title}`;
    for (const e of document.querySelectorAll("[data-t]")) e.textContent = w[e.dataset.t];
    for (const b of document.querySelectorAll("[data-lang]")) b.setAttribute("aria-pressed", String(b.dataset.lang === lang));
    byId("terminal").textContent = state.terminal;
    buildDoors();
    drawLog();
  }
  state.doors.forEach(drawDoor);
  keepFocus(() => { buildColumn(); buildSwitches(); });
  document.body.classList.toggle("dark", state.power === false);
  const faults = byId("faults");
  faults.hidden = state.fault_count === 0;
  faults.textContent = state.fault_count ? w.faults(state.fault_count) + state.faults[state.faults.length - 1] : "";
  if (menuOf) drawMenu();
}

// keepFocus draws, and gives the focus back to whom it took it from.
let columnFrom = "";
function keepFocus(build) {
  const from = JSON.stringify([lang, state.devices, state.unplugged, state.people, state.offers, state.reader, state.power, state.broker, state.sensors, state.heater]);
  if (from === columnFrom) return;
  columnFrom = from;
  const name = Object.entries(document.activeElement.dataset)[0];
  build();
  if (!name) return;
  const again = [...document.querySelectorAll(`[data-${name[0]}]`)].find((e) => e.dataset[name[0]] === name[1]);
  if (again && again !== document.activeElement) again.focus();
}

function receive(text) {
  const before = state;
  state = JSON.parse(text);
  if (before) compare(before, state);
  draw();
  document.body.classList.add("ready");
}

function watch() {
  const events = new EventSource("/api/events");
  events.onopen = () => { byId("gone").hidden = true; };
  events.onmessage = (e) => { byId("gone").hidden = true; receive(e.data); };
  events.onerror = () => {
    byId("gone").textContent = w.gone;
    byId("gone").hidden = false;
    if (events.readyState !== EventSource.CLOSED) return; // it tries again by itself
    setTimeout(watch, 1000);
  };
}

for (const b of document.querySelectorAll("[data-lang]")) {
  b.addEventListener("click", () => { lang = b.dataset.lang; w = words[lang]; if (state) draw(); });
}
document.addEventListener("click", (e) => { if (menuOf && !byId("menu").contains(e.target)) closeMenu(false); });
document.addEventListener("keydown", menuKeys);
addEventListener("resize", () => { if (menuOf) drawMenu(); });
document.body.classList.toggle("framed", window !== window.top); // the page around it has a switch of its own
watch();
