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

// What the next parts share: rows of the stores as objects, and the segments by category and id.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const { columns, stores: listed } = read("stores");
const stores = listed.map((row) => Object.fromEntries(row.map((value, place) => [columns[place], value])));
const segments = read("segments");
const keyOf = (category, id) => JSON.stringify([category, id]);
const segmentOf = new Map(segments.map((one) => [keyOf(one.category, one.segment_id), one]));
const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};
const calledBy = (category, id) => {
  const known = id && segmentOf.get(keyOf(category, id));
  return known ? `${id}  ${known.segment_name}` : id;
};

// Look-up: the rows of the store with the id that is typed. What is typed may differ from the id in
// case, leading zeros and a prefix of letters; the closest reading that any store has counts.
const field = document.getElementById("store");
if (field) {
  const byStore = Map.groupBy
    ? Map.groupBy(stores, (row) => row.store_id)
    : stores.reduce((all, row) => all.set(row.store_id, [...(all.get(row.store_id) ?? []), row]), new Map());
  const ids = [...byStore.keys()];
  const found = document.getElementById("found");
  const status = document.getElementById("found-status");
  const lower = (id) => id.toLowerCase();
  const digits = (id) => id.replace(/^\D+/, "").replace(/^0+(?=.)/, "");
  const readings = [
    (typed) => ids.filter((id) => id === typed),
    (typed) => ids.filter((id) => lower(id) === lower(typed)),
    (typed) => (/\d$/.test(typed) ? ids.filter((id) => digits(id) === digits(typed)) : []),
    (typed) => ids.filter((id) => lower(id).startsWith(lower(typed))),
  ];
  const shown = [
    ["Category", (row) => row.category],
    ["Segment", (row) => calledBy(row.category, row.segment_id)],
    ["Next closest", (row) => calledBy(row.category, row.second_segment_id)],
    ["Margin", (row) => row.margin],
    ["Remarks", (row) => row.flags],
    ["Why", (row) => row.reason],
    ["Most similar stores", (row) => row.peers],
  ];

  const show = () => {
    const typed = field.value.trim();
    found.replaceChildren();
    if (!typed) {
      status.textContent = "";
      return;
    }
    const matches = readings.map((reading) => reading(typed)).find((some) => some.length) ?? [];
    if (matches.length !== 1) {
      const some = ids.slice(0, 3).join(", ");
      status.textContent = matches.length
        ? `${matches.length} stores: ${matches.slice(0, 20).join(", ")}${matches.length > 20 ? ", …" : ""}`
        : `No store with this id has a segment; ids look like ${some}.`;
      return;
    }
    const rows = [...byStore.get(matches[0])];
    const isMoved = (row) => (row.flags ?? "").includes("moved");
    rows.sort((a, b) => isMoved(b) - isMoved(a));
    status.textContent = `Store ${matches[0]}: ${rows.length} ${rows.length === 1 ? "category" : "categories"}`;
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    for (const [name] of shown) {
      const cell = element("th", name);
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const [name, value] of shown) {
        const cell = line.insertCell();
        const known = name === "Segment" && segmentOf.get(keyOf(row.category, row.segment_id));
        if (known) cell.append(element("span", undefined, `swatch c${known.colour}`));
        cell.append(String(value(row) ?? "–"));
      }
    }
    found.append(table);
  };
  field.addEventListener("input", show);
  show();
}

// Lists of stores as files. Text that a spreadsheet would take for a formula gets an apostrophe.
const cell = (value) => {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
for (const button of document.querySelectorAll("button.download")) {
  button.hidden = stores.length === 0;
  button.addEventListener("click", () => {
    const { category, segment } = button.dataset;
    const own = category ? stores.filter((row) => row.category === category && row.segment_id === segment) : stores;
    const names = ["store_id", "category", "segment_id", "segment_name", "second_segment_id", "margin", "flags"];
    const nameOf = (row) => segmentOf.get(keyOf(row.category, row.segment_id))?.segment_name;
    const lines = [names, ...own.map((row) => names.map((one) => (one === "segment_name" ? nameOf(row) : row[one])))];
    const text = lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
    link.download = `${category ? `${category} ${segment}` : "store segments"}.csv`.replace(/[^\p{L}\p{N}. _-]+/gu, " ");
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// Two segments side by side.
const category = document.getElementById("compare-category");
if (category && segments.length) {
  const [first, second] = ["compare-first", "compare-second"].map((id) => document.getElementById(id));
  const compared = document.getElementById("compared");
  const { money } = compared.closest("section").dataset;
  const MOST_ROWS = 12;
  const MOST_STORES = 20;
  const option = (value, text) => {
    const made = element("option", text);
    made.value = value;
    return made;
  };
  const figure = (lane, value) =>
    value === null
      ? "–"
      : lane === "internal"
        ? `${(100 * value).toFixed(1)} %`
        : value.toLocaleString("en", { maximumSignificantDigits: 3 });

  const compare = () => {
    const pair = [first, second].map((chosen) => segmentOf.get(keyOf(category.value, chosen.value)));
    const table = document.createElement("table");
    const row = (name, values) => {
      const line = (table.tBodies[0] ?? table.createTBody()).insertRow();
      const head = element("th", name);
      head.scope = "row";
      line.append(head);
      for (const value of values) line.insertCell().append(value);
    };
    const head = table.createTHead().insertRow();
    head.append(element("td", ""));
    for (const one of pair) {
      const title = element("th");
      title.scope = "col";
      title.append(element("span", undefined, `swatch c${one.colour}`), `${one.segment_id}  ${one.segment_name}`);
      head.append(title);
    }
    row("Description", pair.map((one) => one.description));
    row("Stores", pair.map((one) => one.n_stores.toLocaleString("en")));
    row("Share of sales", pair.map((one) => figure("internal", one.share_of_sales)));
    row("Sales per store", pair.map((one) => one.sales_per_store === null ? "–" : money.replace("{}", Math.round(one.sales_per_store).toLocaleString("en"))));
    const other = new Map(pair[1].profile.map((line) => [keyOf(line[0], line[1]), line]));
    const traits = pair[0].profile
      .map((line) => [line, other.get(keyOf(line[0], line[1]))])
      .filter(([, there]) => there)
      .sort(([a, b], [c, d]) => Math.abs(d[3] - c[3]) - Math.abs(b[3] - a[3]));
    for (const [here, there] of traits.slice(0, MOST_ROWS))
      row(here[1], [figure(here[0], here[2]), figure(there[0], there[2])]);
    const nearTo = (one, next) =>
      stores
        .filter((store) => store.category === one.category && store.segment_id === one.segment_id && store.second_segment_id === next.segment_id)
        .sort((a, b) => (a.margin ?? 1) - (b.margin ?? 1))
        .map((store) => store.store_id);
    const either = [nearTo(pair[0], pair[1]), nearTo(pair[1], pair[0])];
    row("Stores whose next closest segment is the other one, closest first", either.map((some) =>
      some.length ? `${some.length}: ${some.slice(0, MOST_STORES).join(", ")}${some.length > MOST_STORES ? ", …" : ""}` : "none"));
    compared.replaceChildren(table);
  };
  const choose = () => {
    const own = segments.filter((one) => one.category === category.value);
    for (const select of [first, second])
      select.replaceChildren(...own.map((one) => option(one.segment_id, `${one.segment_id}  ${one.segment_name}`)));
    second.selectedIndex = Math.min(1, own.length - 1);
    compare();
  };
  category.append(...[...new Set(segments.map((one) => one.category))].map((name) => option(name, name)));
  category.addEventListener("change", choose);
  for (const select of [first, second]) select.addEventListener("change", compare);
  choose();
}
