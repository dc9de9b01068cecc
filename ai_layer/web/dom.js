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
export const day = (value) => (value ? value.slice(0, 10) : "");
export const conceptText = (concept) => concept?.text || concept?.coding?.find((c) => c.display)?.display || concept?.coding?.[0]?.code || "";
