// The demo's start page: shows kiosk and wall, and says what to try.

const words = {
  de: {
    title: "Nachtfach – Probieren", what: "Ausweise abholen, rund um die Uhr: links der Bildschirm, rechts die Fächer. Alles ist echt bis auf das Blech.",
    kiosk: "Bildschirm", wall: "Wand", console: "Konsole der Stadt", alone: "einzeln öffnen", off: "Der Strom ist aus. Rechts oben schalten Sie ihn wieder ein.",
    wait: "Einen Moment: Zwei Bedienstete machen die Station bereit.",
    steps: (n) => [
      ["Anmelden, zu zweit", "Rechts die <b>Karte</b> von clerk-1 vorhalten, links die Nummer <b>" + n[0] + "</b> tippen. Dann clerk-2 mit <b>" + n[1] + "</b>."],
      ["Beladen", "Einen <b>Beleg</b> vorhalten: Eine Tür geht auf. Tür anklicken, Dokument <b>hineinlegen</b>, Tür <b>schließen</b>. Dann links beenden; beide Karten bestätigen."],
      ["Der Brief ist da", "Er erscheint rechts, sobald die Stadt ihn gedruckt hat; Claras liegt schon da. Den <b>Brief</b> vorhalten, oder links den Abholcode tippen."],
      ["Abholen", "Den <b>Finger</b> derselben Person auflegen. Die Tür geht auf: Dokument <b>nehmen</b>, Tür <b>schließen</b>, links mit Ja antworten."],
    ],
  },
  en: {
    title: "Nachtfach – try it", what: "Collect identity documents at any hour: the screen on the left, the lockers on the right. All is real but the steel.",
    kiosk: "Screen", wall: "Wall", console: "City's console", alone: "open alone", off: "The power is off. Turn it on again at the top right.",
    wait: "One moment: two clerks make the terminal ready.",
    steps: (n) => [
      ["Two clerks sign in", "On the right, hold up the <b>card</b> of clerk-1; on the left, type <b>" + n[0] + "</b>. Then clerk-2 with <b>" + n[1] + "</b>."],
      ["Load", "Hold up a <b>slip</b>: a door opens. Click on it, <b>lay</b> the document in, <b>close</b> the door. Then finish on the left; both cards confirm."],
      ["The letter is here", "It appears on the right as soon as the city has printed it; Clara's is there already. Hold up the <b>letter</b>, or type its pickup code on the left."],
      ["Collect", "Lay the same person's <b>finger</b> on the reader. The door opens: <b>take</b> the document, <b>close</b> the door, answer Yes on the left."],
    ],
  },
};

const byId = (id) => document.getElementById(id);
let lang = (navigator.language || "").startsWith("de") ? "de" : "en";
const wanted = new URLSearchParams(location.search).get("lang");
if (wanted in words) lang = wanted;
let links = null;

// emphasised builds a step's text; <b> is the only mark in it.
function emphasised(text) {
  return text.split(/(<b>.*?<\/b>)/).map((part) => {
    if (!part.startsWith("<b>")) return part;
    const b = document.createElement("b");
    b.textContent = part.slice(3, -4);
    return b;
  });
}

function make(tag, props, ...children) {
  const e = Object.assign(document.createElement(tag), props);
  e.append(...children);
  return e;
}

function draw() {
  const w = words[lang];
  document.documentElement.lang = lang;
  document.title = w.title;
  for (const e of document.querySelectorAll("[data-t]")) e.textContent = w[e.dataset.t];
  for (const b of document.querySelectorAll("[data-lang]")) b.setAttribute("aria-pressed", String(b.dataset.lang === lang));
  byId("steps").replaceChildren(...w.steps(links.numbers).map(([title, text], i) => {
    const li = make("li", {}, make("h2", { textContent: title }), make("p", {}, ...emphasised(text)));
    li.dataset.n = i + 1;
    if (links.ready && links.step === i + 1) li.setAttribute("aria-current", "step");
    return li;
  }));
  byId("links").replaceChildren(...["kiosk", "wall", "console"].filter((k) => links[k]).map((k) =>
    make("a", { href: links[k], target: "_blank", rel: "noopener", textContent: w[k] + " ↗", title: w.alone })));
  byId("kiosk").title = w.kiosk;
  byId("wall").title = w.wall;
  byId("off").hidden = links.kiosk !== "" && links.ready;
  byId("off").textContent = links.ready ? w.off : w.wait;
}

// show loads a frame if it shows something else.
function show(id, address) {
  if (byId(id).dataset.shows === address) return;
  byId(id).dataset.shows = address;
  byId(id).src = address || "about:blank";
}

// The kiosk speaks as this page does, also after each visit, once its token has
// let it in.
let told = false;
function speak() {
  if (links && links.kiosk) byId("kiosk").src = new URL("/language/" + lang, links.kiosk).href;
}
byId("kiosk").addEventListener("load", () => {
  if (told || !links || !links.kiosk) return;
  told = true;
  speak();
});

async function look() {
  try {
    const now = await (await fetch("/links")).json();
    if (JSON.stringify(now) !== JSON.stringify(links)) {
      links = now;
      draw();
      told = told && byId("kiosk").dataset.shows === links.kiosk;
      show("kiosk", links.kiosk);
      show("wall", links.wall + "?lang=" + lang);
    }
  } catch (e) {
    console.warn("the demo does not answer", e); // it has ended, or comes back
  }
  setTimeout(look, 1000);
}

// A kiosk's screen is upright and large: it is shown smaller, as a whole.
const width = 760;
function fit() {
  const box = byId("kiosk-box"), scale = box.clientWidth / width, frame = byId("kiosk").style;
  frame.width = width + "px";
  frame.height = box.clientHeight / scale + "px";
  frame.transform = `scale(${scale})`;
}

for (const b of document.querySelectorAll("[data-lang]")) {
  b.addEventListener("click", () => {
    lang = b.dataset.lang;
    if (!links) return;
    draw();
    speak();
    show("wall", links.wall + "?lang=" + lang);
  });
}
new ResizeObserver(fit).observe(byId("kiosk-box"));
look();
