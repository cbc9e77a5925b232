// Keeps the page as it is in the record: on each change it is read again, and
// what is shown replaced. Without script the pages work, and stand still.
(() => {
  const lamp = document.getElementById("lamp");
  let stale = false, busy = false, heard = performance.now();

  const show = (live) => {
    lamp.dataset.live = live;
    lamp.textContent = live ? lamp.dataset.wordLive : lamp.dataset.wordCut;
  };

  // Nothing is replaced under the hand of somebody who writes.
  const writing = () => {
    const at = document.activeElement;
    if (at && at.matches("main input, main textarea")) return true;
    return [...document.querySelectorAll("main textarea")].some((t) => t.value !== t.defaultValue);
  };

  const refresh = async () => {
    stale = true;
    if (busy || writing()) return;
    busy = true;
    try {
      while (stale && !writing()) {
        stale = false;
        const answer = await fetch(location.href, { credentials: "same-origin" });
        if (answer.status >= 500) throw new Error(answer.status);
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (writing()) { // who began while the page was read
          stale = true;
          break;
        }
        const open = [...document.querySelectorAll("main details[open]")].map((d) => d.id);
        const here = document.activeElement && document.activeElement.id;
        for (const part of ["main", "nav"]) {
          const fresh = document.importNode(next.querySelector(part), true);
          document.querySelector(part).replaceWith(fresh);
        }
        open.forEach((id) => id && document.getElementById(id)?.setAttribute("open", ""));
        if (here) document.getElementById(here)?.focus({ preventScroll: true });
        document.title = next.title;
      }
    } catch {
      stale = true;
      show(false);
    } finally {
      busy = false;
    }
  };

  const source = new EventSource("/live");
  const alive = () => { heard = performance.now(); show(true); };
  source.addEventListener("change", () => { alive(); refresh(); });
  source.addEventListener("beat", () => { alive(); refresh(); }); // ages grow
  source.onerror = () => show(false);
  document.addEventListener("focusout", () => setTimeout(() => stale && refresh(), 200));
  setInterval(() => { if (performance.now() - heard > 25000) show(false); }, 5000);
})();
