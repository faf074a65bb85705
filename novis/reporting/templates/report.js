"use strict";
// A click on a heading sorts each body of its table by that column: down, up, as it was.
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const original = [...table.tBodies].map((body) => [...body.rows]);

  const compare = (column, sign) => (a, b) => {
    const [x, y] = [a.cells[column].dataset.key, b.cells[column].dataset.key];
    if (x === "" || y === "") return (x === "") - (y === "");
    const difference = Number(x) - Number(y);
    return sign * (Number.isNaN(difference) ? x.localeCompare(y) : difference);
  };

  headings.forEach((heading, column) => {
    const button = heading.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const next = { none: "descending", descending: "ascending", ascending: "none" }[heading.ariaSort];
      for (const other of headings) if (other.ariaSort) other.ariaSort = "none";
      heading.ariaSort = next;
      original.forEach((rows, position) => {
        const titles = rows.filter((row) => row.classList.contains("section"));
        let others = rows.filter((row) => !row.classList.contains("section"));
        if (next !== "none") others = [...others].sort(compare(column, next === "ascending" ? 1 : -1));
        table.tBodies[position].append(...titles, ...others);
      });
    });
  });
}

// A link to a row inside closed details opens them.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView({ block: "center" });
};
window.addEventListener("hashchange", reveal);
reveal();
