// The page works without this. With it, the page refreshes itself, filters while one types, and sorts in place.
// What is shown is always the server's own page: it is fetched, and what differs is taken over, so that the focus,
// open details, the selection and the place on the screen stay. When the monitor does not answer, that is said.
"use strict";

(() => {
  const TIMEOUT = 8000; // of a request, in ms
  const TYPING = 180; // pause after which the server is asked, in ms
  const NAMED = 3; // changes that are read out one by one

  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  let asked = 0; // requests so far: only the answer to the last one counts
  let shownAt = Date.now();
  let failed = "";
  let timer = 0;
  let typing = 0;
  let texts = new WeakMap();

  // --- taking over what differs ---------------------------------------------------------------------------------------

  // Attributes that belong to the reader, not to the server.
  const theirs = (node, name) => name === "hidden" || (name === "open" && node.nodeName === "DETAILS");

  function takeAttributes(node, fresh) {
    for (const { name } of [...node.attributes]) {
      if (!fresh.hasAttribute(name) && !theirs(node, name)) node.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (node.getAttribute(name) !== value && !theirs(node, name)) node.setAttribute(name, value);
    }
  }

  const same = (node, fresh) => node.nodeType === fresh.nodeType && node.nodeName === fresh.nodeName && (node.id || "") === (fresh.id || "");

  function takeOver(node, fresh) {
    if (node.nodeType !== Node.ELEMENT_NODE) {
      if (node.data !== fresh.data) node.data = fresh.data;
      return;
    }
    if (node.isEqualNode(fresh)) return;
    takeAttributes(node, fresh);
    const known = new Map();
    for (const child of node.children) if (child.id) known.set(child.id, child);
    let next = node.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      const held = wanted.id ? known.get(wanted.id) : next && !next.id && same(next, wanted) ? next : null;
      if (held && same(held, wanted)) {
        takeOver(held, wanted);
        if (held === next) next = next.nextSibling;
        else node.insertBefore(held, next);
      } else {
        node.insertBefore(document.importNode(wanted, true), next);
      }
    }
    while (next) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
  }

  // --- showing a page -------------------------------------------------------------------------------------------------

  const rows = () => document.querySelectorAll("tbody[data-standing]");
  const standings = () => new Map([...rows()].map((row) => [row.id, row.dataset.standing]));

  // What the reader looks at: the focused row, or the first one on the screen; at the very top, nothing is held.
  function anchor() {
    const focused = document.activeElement && document.activeElement.closest("tbody");
    const seen = focused || (window.scrollY > 0 && [...rows()].find((row) => row.getBoundingClientRect().bottom > 0));
    return seen ? { seen, top: seen.getBoundingClientRect().top } : null;
  }

  function show(fresh, { byReader }) {
    if (fresh.documentElement.dataset.build !== root.dataset.build) {
      location.reload();
      return;
    }
    const before = standings();
    const held = byReader ? null : anchor();
    const focused = document.activeElement;
    takeOver(document.querySelector("main"), fresh.querySelector("main"));
    document.title = fresh.title;
    const icon = fresh.getElementById("icon").getAttribute("href");
    if (find("icon").getAttribute("href") !== icon) find("icon").setAttribute("href", icon);
    root.dataset.refresh = fresh.documentElement.dataset.refresh;
    for (const control of fresh.querySelectorAll("input[type=search], select")) {
      const mine = find(control.id);
      if (mine && mine !== focused && !typing) mine.value = control.value;
    }
    texts = new WeakMap();
    filterHere();
    if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    if (held && held.seen.isConnected) window.scrollBy(0, held.seen.getBoundingClientRect().top - held.top);
    say(byReader ? count() : changes(before));
  }

  const count = () => (find("count") ? find("count").textContent : "");

  function changes(before) {
    const changed = [...rows()].filter((row) => before.has(row.id) && before.get(row.id) !== row.dataset.standing);
    const told = changed.slice(0, NAMED).map((row) => `${row.querySelector("th a").textContent}: ${row.querySelector(".status").textContent}.`);
    if (changed.length > NAMED) told.push(`And ${changed.length - NAMED} more changes.`);
    return told.join(" ");
  }

  function say(text) {
    if (text) find("said").textContent = text;
  }

  // --- asking the monitor ---------------------------------------------------------------------------------------------

  async function load(address, { byReader = false } = {}) {
    const mine = ++asked;
    clearTimeout(timer);
    let problem = "";
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
      const text = await answer.text();
      if (mine !== asked) return;
      const fresh = new DOMParser().parseFromString(text, "text/html");
      if (fresh.querySelector("main[data-page]")) {
        show(fresh, { byReader });
        shownAt = Date.now();
      } else {
        problem = `the monitor answered ${answer.status}`;
      }
    } catch {
      if (mine !== asked) return;
      problem = "the monitor does not answer";
    }
    failed = problem;
    tellAge();
    plan();
  }

  const interval = () => Number(root.dataset.refresh) * 1000;

  function plan() {
    clearTimeout(timer);
    if (interval() && document.visibilityState === "visible") timer = setTimeout(load, interval(), location.href);
  }

  // A machine that slept, or a timer that was held back, is noticed as well as an answer that failed.
  function tellAge() {
    const seconds = Math.max(0, Math.round((Date.now() - shownAt) / 1000));
    const age = seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
    if (find("age")) find("age").textContent = ` (${age} ago)`;
    const late = interval() && Date.now() - shownAt > 3 * interval() + TIMEOUT;
    const stale = Boolean(failed || late);
    if (stale !== root.classList.contains("stale")) root.classList.toggle("stale", stale);
    if (!stale) {
      if (find("stale").firstChild) find("stale").replaceChildren();
      return;
    }
    const why = failed || "no answer came in time";
    const at = find("as-of") ? `since ${find("as-of").textContent}` : `for ${age}`;
    const text = `Not refreshed ${at}: ${why}. What is shown may be old.`;
    if (find("stale").firstChild?.textContent !== text) {
      const again = document.createElement("a");
      again.href = location.href;
      again.textContent = "Load it again";
      const words = document.createElement("span");
      words.textContent = text;
      find("stale").replaceChildren(words, again);
    }
  }

  // --- what the reader does -------------------------------------------------------------------------------------------

  function filterHere() {
    const words = (find("q") ? find("q").value : "").toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows()) {
      if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
      const hidden = !words.every((word) => texts.get(row).includes(word));
      if (row.hidden !== hidden) row.hidden = hidden;
    }
  }

  function go(address, { push = true } = {}) {
    clearTimeout(typing);
    typing = 0;
    if (push) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    return load(location.href, { byReader: true });
  }

  function addressOf(form) {
    const given = [...new FormData(form)].filter(([name, value]) => value && !(name === "sort" && value === "worst"));
    const query = new URLSearchParams(given).toString();
    return query ? `./?${query}` : "./";
  }

  document.addEventListener("input", (event) => {
    if (event.target.id !== "q") return;
    filterHere();
    clearTimeout(typing);
    const form = event.target.form;
    typing = setTimeout(() => go(addressOf(form), { push: false }), TYPING);
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("select")) go(addressOf(event.target.form));
  });

  document.addEventListener("submit", (event) => {
    event.preventDefault();
    go(addressOf(event.target));
  });

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-soft]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const toTop = link.dataset.soft === "top";
    await go(link.getAttribute("href"));
    if (toTop) {
      find("state").focus({ preventScroll: true });
      find("count").scrollIntoView();
    }
  });

  window.addEventListener("popstate", () => load(location.href, { byReader: true }));
  window.addEventListener("online", () => interval() && load(location.href));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && interval() && Date.now() - shownAt >= interval()) load(location.href);
    else plan();
  });

  root.classList.add("js");
  setInterval(tellAge, 1000);
  tellAge();
  plan();
})();
