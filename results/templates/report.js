// Only comforts: without this script everything is there, folded.
(function () {
  "use strict";
  function all(selector, root) { return Array.from((root || document).querySelectorAll(selector)); }

  // Filter: everything with a name, by words of its name, kernels, reason or verdict.
  var ITEMS = ".card, .cases tbody tr, .figures tbody tr, .skips li";
  var box = document.createElement("input");
  box.type = "search";
  box.placeholder = "filter: memfd, crash, skip …   ( / )";
  box.setAttribute("aria-label", "Filter by name, kernel, reason or verdict");
  function words(item) {
    if (item.words === undefined) {
      var parts = item.matches("tr") ? [item.cells[0].textContent, item.dataset.v || ""]
        : all("h3, p", item).map(function (one) { return one.textContent; });
      item.words = parts.join(" ").toLowerCase();
    }
    return item.words;
  }
  function filter() {
    var wanted = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    all(ITEMS).forEach(function (item) {
      item.hidden = !wanted.every(function (word) { return words(item).includes(word); });
    });
    all("main > section, .suite, .more").forEach(function (group) {
      var items = all(ITEMS, group);
      var shown = items.some(function (item) { return !item.hidden; });
      group.hidden = wanted.length > 0 && !shown;
      if (group.matches("details")) { group.open = wanted.length > 0 && shown; }
    });
  }
  if (document.querySelector(ITEMS)) {
    document.querySelector("main").prepend(box);
    box.addEventListener("input", filter);
  }

  // Keys.
  function visible(selector) { return all(selector).filter(function (one) { return one.offsetParent !== null; }); }
  function go(to) {
    if (!to) { return; }
    to.tabIndex = -1;
    to.focus({ preventScroll: true });
    to.scrollIntoView({ block: "start" });
  }
  function step(selector, by) {
    var list = visible(selector), at = list.indexOf(document.activeElement);
    // Nothing chosen yet: what comes next on the screen.
    if (at < 0) {
      var below = list.findIndex(function (one) { return one.getBoundingClientRect().top > 1; });
      at = by > 0 ? (below < 0 ? list.length - 1 : below) : (below < 0 ? list.length - 1 : Math.max(below - 1, 0));
      return go(list[at]);
    }
    go(list[Math.min(Math.max(at + by, 0), list.length - 1)]);
  }
  var KEYS = {
    "/": function () { box.focus(); box.select(); },
    j: function () { step(".card", 1); },
    k: function () { step(".card", -1); },
    n: function () { step("h2", 1); },
    p: function () { step("h2", -1); },
    o: function () {
      var texts = all("details", document.activeElement.closest(".card") || document.createElement("i"));
      var open = !texts.some(function (one) { return one.open; });
      texts.forEach(function (one) { one.open = open; });
    },
  };
  addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) { return; }
    if (event.target === box) {
      if (event.key === "Escape") { box.value = ""; filter(); box.blur(); }
      return;
    }
    if (KEYS[event.key]) { event.preventDefault(); KEYS[event.key](); }
  });
  var help = document.createElement("p");
  help.className = "keys";
  help.innerHTML = "<kbd>/</kbd> filter <kbd>j</kbd> <kbd>k</kbd> next, previous failure <kbd>o</kbd> its texts " +
    "<kbd>n</kbd> <kbd>p</kbd> next, previous section";
  document.querySelector("footer").prepend(help);

  // A link into something folded opens it.
  function reveal() {
    var target = location.hash && document.getElementById(location.hash.slice(1));
    for (var one = target; one; one = one.parentElement) { if (one.matches("details")) { one.open = true; } }
    if (target) { target.scrollIntoView(); }
  }
  addEventListener("hashchange", reveal);
  reveal();

  // Paper cannot be unfolded.
  addEventListener("beforeprint", function () { all("details").forEach(function (one) { one.open = true; }); });
})();
