// Only comforts: without this script everything is there, folded.
(function () {
  "use strict";
  var section = document.getElementById("cases");
  if (section) {
    var box = document.createElement("input");
    box.type = "search";
    box.placeholder = "filter: memfd, crash, skip …";
    box.setAttribute("aria-label", "Filter cases by name or verdict");
    section.querySelector("h2").after(box);
    var suites = section.querySelectorAll("details.suite");
    box.addEventListener("input", function () {
      var words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      suites.forEach(function (suite) {
        var shown = 0;
        suite.querySelectorAll("tbody tr").forEach(function (row) {
          var text = (row.cells[0].textContent + " " + row.dataset.v).toLowerCase();
          var fits = words.every(function (word) { return text.includes(word); });
          row.hidden = !fits;
          shown += fits ? 1 : 0;
        });
        suite.hidden = shown === 0;
        suite.open = words.length > 0 && shown > 0;
      });
    });
  }
  // Paper cannot be unfolded.
  addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (one) { one.open = true; });
  });
})();
