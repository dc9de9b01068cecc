// A trend: one line of values over time, with the reference range behind it where the results carry one.
import { day, el, text } from "./dom.js";

export function trend(observations) {
  const points = observations
    .filter((o) => typeof o.valueQuantity?.value === "number" && o.effectiveDateTime)
    .map((o) => ({ at: Date.parse(o.effectiveDateTime), value: o.valueQuantity.value, label: day(o.effectiveDateTime) }))
    .sort((a, b) => a.at - b.at);
  if (points.length < 2) return el("p", { class: "quiet" }, "One value; a trend needs two.");
  const range = observations.find((o) => o.referenceRange?.[0])?.referenceRange[0];
  const values = points.map((p) => p.value).concat([range?.low?.value, range?.high?.value].filter((v) => v !== undefined));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [points[0].at, points.at(-1).at];
  const x = (at) => 8 + (304 * (at - first)) / (last - first || 1);
  const y = (v) => 118 - (96 * (v - low)) / (high - low || 1);
  const unit = observations[0].valueQuantity.unit || "";
  const svg = el("svg", { class: "trend", viewBox: "0 0 320 144", role: "img", "aria-label": `Trend of ${points.length} values, from ${points[0].value} ${unit} on ${points[0].label} to ${points.at(-1).value} ${unit} on ${points.at(-1).label}` });
  if (range?.low?.value !== undefined && range?.high?.value !== undefined)
    svg.append(el("rect", { class: "range", x: 8, width: 304, y: y(range.high.value), height: Math.max(1, y(range.low.value) - y(range.high.value)) }));
  svg.append(el("path", { d: points.map((p, n) => `${n ? "L" : "M"}${x(p.at).toFixed(1)} ${y(p.value).toFixed(1)}`).join("") }));
  for (const p of points) svg.append(el("circle", { cx: x(p.at), cy: y(p.value), r: 3 }, el("title", {}, `${p.label}: ${p.value} ${unit}`)));
  svg.append(text(points[0].label, { x: 8, y: 138 }), text(points.at(-1).label, { x: 312, y: 138, "text-anchor": "end" }));
  svg.append(text(`${+points.at(-1).value.toFixed(2)} ${unit}`, { x: 312, y: 12, "text-anchor": "end" }));
  return svg;
}
