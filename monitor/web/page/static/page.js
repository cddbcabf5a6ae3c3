// Live updates of the page. The server renders every section; this script only puts what changed into place, node by
// node, so that the reader's selection, focus and opened details stay. Without it the page is complete but still.
"use strict";

(() => {
  const indicator = document.getElementById("live");
  const indicatorText = document.getElementById("live-text");
  const assets = document.body.dataset.assets;

  const isSame = (old, wanted) =>
    old.nodeType === wanted.nodeType &&
    old.nodeName === wanted.nodeName &&
    (old.nodeType !== Node.ELEMENT_NODE || old.getAttribute("data-key") === wanted.getAttribute("data-key"));

  function takeAttributes(old, wanted) {
    // What the reader opened stays open, until the state behind it changes.
    const keepsOpen = old.nodeName === "DETAILS" && old.dataset.state === wanted.dataset.state;
    for (const { name } of Array.from(old.attributes)) {
      if (!wanted.hasAttribute(name) && !(keepsOpen && name === "open")) old.removeAttribute(name);
    }
    for (const { name, value } of Array.from(wanted.attributes)) {
      if (keepsOpen && name === "open") continue;
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  function become(old, wanted) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== wanted.nodeValue) old.nodeValue = wanted.nodeValue;
      return;
    }
    takeAttributes(old, wanted);
    takeChildren(old, wanted);
  }

  function takeChildren(old, wanted) {
    let at = old.firstChild;
    for (const next of Array.from(wanted.childNodes)) {
      let match = at;
      while (match && !isSame(match, next)) match = match.nextSibling;
      if (!match) {
        old.insertBefore(next, at);
      } else {
        if (match === at) at = at.nextSibling;
        else old.insertBefore(match, at);
        become(match, next);
      }
    }
    while (at) {
      const after = at.nextSibling;
      at.remove();
      at = after;
    }
  }

  function show(state, text) {
    document.title = (state === "live" ? "" : "Not live: ") + title;
    indicator.dataset.state = state;
    if (indicatorText.textContent !== text) indicatorText.textContent = text;
  }

  const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19) + " UTC";
  let shownAt = indicatorText.textContent;
  let title = document.title;

  // A browser gives a stream up for good after a 502 or 503, so every loss is ours to mend: one way back for all.
  const FIRST_PAUSE_MS = 1000;
  const LONGEST_PAUSE_MS = 30000;
  // A frozen monitor or a dead network ends no stream. The server says something every 10 s even if nothing changes.
  const SILENT_MS = 25000;
  // A browser keeps six connections to one monitor, whatever tabs they belong to: a tab that nobody looks at gives its
  // own back, and asks now and then for the sake of its title.
  const UNSEEN_MS = 60000;
  let stream = null;
  let failures = 0;
  let next = 0;
  let heardAt = 0;

  function connect() {
    heardAt = Date.now();
    stream = new EventSource("/api/v1/live");
    stream.addEventListener("error", lose);
    stream.addEventListener("snapshot", (event) => hear(event, takeSnapshot));
    stream.addEventListener("unchanged", (event) => hear(event, () => {}));
  }

  function hear(event, take) {
    const heard = JSON.parse(event.data);
    heardAt = Date.now();
    failures = 0;
    shownAt = "as of " + clock(heard.time);
    take(heard);
    show("live", "live");
    if (document.hidden) rest();
  }

  function rest() {
    stream.close();
    clearTimeout(next);
    next = setTimeout(connect, UNSEEN_MS);
  }

  function turn() {
    if (document.hidden) {
      if (stream.readyState === EventSource.OPEN && failures === 0) rest();
    } else if (stream.readyState === EventSource.CLOSED) {
      clearTimeout(next);
      show("lost", `Not live: this is ${shownAt}. Asking the monitor again.`);
      connect();
    }
  }

  function watch() {
    if (stream.readyState !== EventSource.CLOSED && Date.now() - heardAt > SILENT_MS) lose();
  }

  function lose() {
    show("lost", `Not live: this is ${shownAt}. Asking the monitor again.`);
    stream.close();
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
    failures += 1;
    clearTimeout(next);
    next = setTimeout(connect, pause * (0.5 + Math.random() / 2)); // not all readers at once
  }

  // A message links to its incident; one that is not on the page (any more) is said to be elsewhere.
  function lookFor() {
    const named = location.hash.startsWith("#incident-");
    let anchor = location.hash.slice(1);
    try {
      anchor = decodeURIComponent(anchor);
    } catch {
      // not an address that we wrote; it is shown as it is
    }
    const isMissing = named && !document.getElementById(anchor);
    if (isMissing) document.getElementById("elsewhere-id").textContent = anchor.slice("incident-".length, 96);
    document.getElementById("elsewhere").hidden = !isMissing;
  }

  function takeSnapshot(snapshot) {
    if (snapshot.assets !== assets) {
      location.reload(); // the monitor was upgraded
      return;
    }
    title = snapshot.title;
    for (const [name, html] of Object.entries(snapshot.sections)) {
      const section = document.querySelector(`[data-live="${name}"]`);
      if (!section) continue;
      const wanted = section.cloneNode(false);
      wanted.innerHTML = html; // every name in it was escaped by the server; the CSP allows no inline script
      takeChildren(section, wanted);
    }
    lookFor();
  }

  lookFor();
  addEventListener("hashchange", lookFor);
  document.addEventListener("visibilitychange", turn);
  connect();
  const watching = setInterval(watch, 1000);
  addEventListener("pagehide", () => {
    clearInterval(watching);
    clearTimeout(next);
    stream.close();
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload());
})();
