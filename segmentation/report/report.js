"use strict";

// Tables: a click on a column header sorts by it, a second one the other way round. The numbers to sort
// by are in data-value; text is compared as people read it.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const key = (row) => {
        const cell = row.cells[column];
        return "value" in cell.dataset ? Number(cell.dataset.value || "-Infinity") : cell.textContent.trim();
      };
      const compare = (a, b) =>
        typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
      const body = table.tBodies[0];
      const rows = [...body.rows].sort((a, b) => (ascending ? 1 : -1) * compare(key(a), key(b)));
      body.append(...rows);
    });
  });
}

// Charts: a store says its id when pointed at. The picture stays for paper, and until the chart is near.
const draw = (entries, watcher) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    const chart = target.querySelector(".chart");
    const { data, layout } = JSON.parse(target.querySelector("script").textContent);
    target.classList.add("charted");
    chart.hidden = false;
    Plotly.newPlot(chart, data, layout, { displayModeBar: false, responsive: true });
  }
};
const watcher = new IntersectionObserver(draw, { rootMargin: "400px" });
for (const chart of document.querySelectorAll(".chart")) watcher.observe(chart.parentElement);

// Look-up: the rows of the store with the id that is typed, or the ids that begin with it.
const field = document.getElementById("store");
if (field) {
  const { columns, stores } = JSON.parse(document.getElementById("stores").textContent);
  const byStore = new Map();
  for (const row of stores) {
    const id = row[0];
    if (!byStore.has(id)) byStore.set(id, []);
    byStore.get(id).push(row);
  }
  const ids = [...byStore.keys()];
  const found = document.getElementById("found");
  const status = document.getElementById("found-status");
  const names = { store_id: "Store", category: "Category", segment: "Segment", margin: "Margin", flags: "Remarks", reason: "Why", peers: "Most similar stores" };

  const show = () => {
    const wanted = field.value.trim().toLowerCase();
    found.replaceChildren();
    if (!wanted) {
      status.textContent = "";
      return;
    }
    const exact = ids.filter((id) => id.toLowerCase() === wanted);
    const matches = exact.length ? exact : ids.filter((id) => id.toLowerCase().startsWith(wanted));
    if (matches.length !== 1) {
      status.textContent = matches.length
        ? `${matches.length} stores: ${matches.slice(0, 20).join(", ")}${matches.length > 20 ? ", …" : ""}`
        : "No store with this id sells anything.";
      return;
    }
    const rows = byStore.get(matches[0]);
    status.textContent = `Store ${matches[0]}: ${rows.length} ${rows.length === 1 ? "category" : "categories"}`;
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    for (const column of columns.slice(1)) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = names[column];
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const value of row.slice(1)) line.insertCell().textContent = value ?? "–";
    }
    found.append(table);
  };
  field.addEventListener("input", show);
  show();
}
