// Elements made from data. Text is always set as text, so nothing in a record can become markup.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElementNS(tag === "svg" || SVG.has(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
const SVG = new Set(["path", "circle", "rect", "g", "title"]);
export const text = (content, attributes = {}) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "text");
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = content;
  return made;
};
export const show = (...children) => document.getElementById("main").replaceChildren(...children);
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
// A date as people write it; a year or a month alone stays as precise as it is.
export const day = (value) => (/^\d{4}-\d\d-\d\d/.test(value || "") ? DAY.format(new Date(`${value.slice(0, 10)}T00:00Z`)) : value || "");
export const conceptText = (concept) => plain(concept?.text || concept?.coding?.find((c) => c.display)?.display || concept?.coding?.[0]?.code || "");
// SNOMED CT ends its full names with the kind of thing, which tells a reader nothing: "Anemia (disorder)".
const plain = (name) => name.replace(/ \((disorder|finding|person|situation|event|procedure|observable entity|morphologic abnormality)\)$/, "");
// A list whose later part is folded away behind a line that can be opened.
export const folded = (summary, list) => el("details", {}, el("summary", {}, summary), list);
export const personName = (patient) => [patient.name?.[0]?.given?.join(" "), patient.name?.[0]?.family].filter(Boolean).join(" ") || patient.name?.[0]?.text || patient.id;
