// The words of the wall, in both languages.

const fingers = {
  de: ["", "rechter Daumen", "rechter Zeigefinger", "rechter Mittelfinger", "rechter Ringfinger", "rechter kleiner Finger",
    "linker Daumen", "linker Zeigefinger", "linker Mittelfinger", "linker Ringfinger", "linker kleiner Finger"],
  en: ["", "right thumb", "right index finger", "right middle finger", "right ring finger", "right little finger",
    "left thumb", "left index finger", "left middle finger", "left ring finger", "left little finger"],
};

const de = {
  title: "Die Wand", sign: "Abholstation", hands: "In Ihrer Hand",
  gone: "Die Anlage antwortet nicht. Das Bild kommt von selbst wieder.",
  compartment: "Fach", fingers: fingers.de,
  sizes: { small: "klein", medium: "mittel", large: "groß" },
  legendCoil: "Schloss unter Strom", legendShut: "Kontakt: zu", legendOpen: "Kontakt: offen", legendDocument: "Dokument liegt drin", legendLight: "Licht im Fach", light: "Licht im Fach",
  sensors: { tamper: ["Erschütterung auslösen", "Erschütterung!"], mains: ["Netzspannung nehmen", "Netzspannung fehlt"], enclosure: ["Technikfach öffnen", "Technikfach offen"] },
  rest: ["Ein zweiter Klick beendet es.", "Ein zweiter Klick beendet es. Wieder abholen kann man erst, wenn zwei Beschäftigte eine Runde abgeschlossen haben."],
  heater: "Heizung des Lesers",
  shut: "zu", open: "offen", document: "Dokument liegt drin", empty: "leer", jammed: "klemmt", dead: "Kontakt tot", bouncing: "Kontakt prellt",
  counts: (pulses, openings) => `${pulses} × entriegelt, ${openings} × geöffnet`,
  deeds: {
    open: "An der Tür ziehen", close: "Tür schließen", take: "Dokument nehmen", lay: "Dokument hineinlegen",
    force: "Aufbrechen", jam: "Festklemmen", dead: "Kontakt abreißen", bounce: "Kontakt prellen lassen", heal: "Reparieren",
  },
  groups: { staff: "Beschäftigte", citizens: "Abholende" },
  devices: { badge: "Kartenleser", barcode: "Belegscanner", citizen: "Briefscanner", reader: "Fingerleser", locks: "Leitung der Schlösser" },
  things: { badge: "Karte", barcode: "Beleg", citizen: "Brief", reader: "Finger" },
  notes: { badge: "Personalnr.", citizen: "Abholcode", barcode: "Nr." },
  none: {
    badge: "keine Karte da", barcode: "kein Beleg da", reader: "kein Finger da",
    citizen: "Noch kein Brief. Er wird gedruckt, sobald ein Dokument im Fach liegt.",
  },
  unplug: "Stecker ziehen", plug: "einstecken", unplugged: "Stecker gezogen", lift: "Finger abheben",
  power: "Strom", broker: "Netz", on: "an", off: "aus",
  faults: (n) => `Der Treiber hat ${n}-mal getan, was er nicht darf: `,
  log: {
    coil: (n) => `Fach ${n}: Schloss entriegelt`, opened: (n) => `Fach ${n}: Tür geht auf`, forced: (n) => `Fach ${n}: aufgebrochen!`,
    closed: (n) => `Fach ${n}: Tür zu`, taken: (n) => `Fach ${n}: Dokument genommen`, laid: (n) => `Fach ${n}: Dokument hineingelegt`,
    jammed: (n) => `Fach ${n}: Tür klemmt`, healed: (n) => `Fach ${n}: repariert`, contact: (n) => `Fach ${n}: Kontakt gestört`,
    finger: (who) => `Finger aufgelegt: ${who}`, lifted: () => "Finger abgehoben",
    unplugged: (device) => `${de.devices[device]}: Stecker gezogen`, plugged: (device) => `${de.devices[device]}: eingesteckt`,
    scan: (source, label) => `${de.things[source]} vorgehalten: ${label}`,
    sensor: (name, on) => de.sensors[name][1] + (on ? "" : " – vorbei"), heater: (on) => on ? "Heizung an" : "Heizung aus",
    power: (on) => on ? "Strom wieder da" : "Strom weg", broker: (on) => on ? "Netz wieder da" : "Netz weg",
    offer: (source, label) => `${de.things[source]} ist da: ${label}`,
  },
  refused: {
    "it is locked": "Das Schloss hält.", "it is stuck open": "Die Tür klemmt und geht nicht zu.", "it is closed": "Die Tür ist zu.",
    "a document lies there": "Dort liegt schon ein Dokument.", "no document lies there": "Dort liegt keines.",
    "unplugged": "Der Stecker ist gezogen.", "nobody reads": "Niemand liest: Ist der Strom an?",
  },
  failed: (text) => `Das ging nicht: ${text}`,
};

const en = {
  title: "The wall", sign: "Pickup terminal", hands: "In your hands",
  gone: "The terminal does not answer. The picture comes back by itself.",
  compartment: "Compartment", fingers: fingers.en,
  sizes: { small: "small", medium: "medium", large: "large" },
  legendCoil: "lock energised", legendShut: "contact: closed", legendOpen: "contact: open", legendDocument: "document inside", legendLight: "light inside", light: "light inside",
  sensors: { tamper: ["Shake the cabinet", "Cabinet shaken!"], mains: ["Take the mains away", "Mains is away"], enclosure: ["Open the electronics", "Electronics open"] },
  rest: ["A second click ends it.", "A second click ends it. Nobody collects before two clerks have finished a round."],
  heater: "Reader's heater",
  shut: "closed", open: "open", document: "document inside", empty: "empty", jammed: "jammed", dead: "contact dead", bouncing: "contact bounces",
  counts: (pulses, openings) => `unlocked ${pulses} ×, opened ${openings} ×`,
  deeds: {
    open: "Pull the door", close: "Close the door", take: "Take the document", lay: "Lay a document in",
    force: "Force it open", jam: "Jam it", dead: "Tear off the contact", bounce: "Let the contact bounce", heal: "Repair it",
  },
  groups: { staff: "Staff", citizens: "Citizens" },
  devices: { badge: "Card reader", barcode: "Slip scanner", citizen: "Letter scanner", reader: "Finger reader", locks: "Line of the locks" },
  things: { badge: "Card", barcode: "Slip", citizen: "Letter", reader: "Finger" },
  notes: { badge: "personal no.", citizen: "pickup code", barcode: "no." },
  none: {
    badge: "no card here", barcode: "no slip here", reader: "no finger here",
    citizen: "No letter yet. It is printed as soon as a document lies in its compartment.",
  },
  unplug: "unplug", plug: "plug in", unplugged: "unplugged", lift: "Lift the finger",
  power: "Power", broker: "Network", on: "on", off: "off",
  faults: (n) => `The driver did what it must not, ${n} times: `,
  log: {
    coil: (n) => `Compartment ${n}: unlocked`, opened: (n) => `Compartment ${n}: door opens`, forced: (n) => `Compartment ${n}: forced open!`,
    closed: (n) => `Compartment ${n}: door closed`, taken: (n) => `Compartment ${n}: document taken`, laid: (n) => `Compartment ${n}: document laid in`,
    jammed: (n) => `Compartment ${n}: door is jammed`, healed: (n) => `Compartment ${n}: repaired`, contact: (n) => `Compartment ${n}: contact disturbed`,
    finger: (who) => `Finger laid: ${who}`, lifted: () => "Finger lifted",
    unplugged: (device) => `${en.devices[device]}: unplugged`, plugged: (device) => `${en.devices[device]}: plugged in`,
    scan: (source, label) => `${en.things[source]} held up: ${label}`,
    sensor: (name, on) => en.sensors[name][1] + (on ? "" : " – over"), heater: (on) => on ? "Heater on" : "Heater off",
    power: (on) => on ? "Power is back" : "Power is off", broker: (on) => on ? "Network is back" : "Network is away",
    offer: (source, label) => `${en.things[source]} is here: ${label}`,
  },
  refused: {
    "it is locked": "The lock holds.", "it is stuck open": "The door is stuck and does not close.", "it is closed": "The door is closed.",
    "a document lies there": "A document lies there already.", "no document lies there": "None lies there.",
    "unplugged": "It is unplugged.", "nobody reads": "Nobody reads: is the power on?",
  },
  failed: (text) => `That did not work: ${text}`,
};

export const words = { de, en };
