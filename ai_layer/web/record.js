// A patient's record: conditions, medicines, results with their trend.
import { operation, parts, search, value } from "./api.js";
import { trend } from "./chart.js";
import { conceptText, day, el } from "./dom.js";

export function openResource(resource) {
  document.getElementById("resource-title").textContent = `${resource.resourceType}/${resource.id}`;
  document.getElementById("resource-body").textContent = JSON.stringify(resource, null, 2);
  document.getElementById("resource").showModal();
}

export function recordSections(patient) {
  const conditions = el("ul", { id: "conditions" });
  const medicines = el("ul", { id: "medications" });
  const results = el("div", { id: "results" });
  fill(conditions, search(`Condition?patient=${patient.id}&_sort=-recorded-date&_count=50`), condition);
  fill(medicines, search(`MedicationRequest?patient=${patient.id}&intent=order&_sort=-authoredon&_count=50`), (m) => medicine(m, medicines));
  showResults(results, patient);
  return [
    el("section", {}, el("h2", {}, "Conditions"), conditions),
    el("section", {}, el("h2", {}, "Medicines"), medicines),
    el("section", {}, el("h2", {}, "Results"), results),
  ];
}

async function fill(list, found, row) {
  try {
    const resources = await found;
    list.replaceChildren(...resources.map(row));
    if (!resources.length) list.append(el("li", { class: "quiet" }, "Nothing is recorded."));
  } catch (error) {
    list.replaceChildren(el("li", { class: "error" }, error.message));
  }
}

function condition(c) {
  const status = conceptText(c.clinicalStatus);
  return el("li", {}, el("button", { class: "link", onclick: () => openResource(c) }, conceptText(c.code)), el("div", { class: "quiet" }, `${status} ${day(c.onsetDateTime)}`));
}

function medicine(m) {
  const said = el("div", { class: "quiet" }, `${m.status} · ${day(m.authoredOn)}`);
  const item = el("li", {}, el("button", { class: "link", onclick: () => openResource(m) }, conceptText(m.medicationCodeableConcept) || m.medicationReference?.display || "Medicine"), said);
  if (m.status === "active") item.append(el("button", { class: "plain", onclick: (event) => refill(m, said, event.target) }, "Ask for a refill"));
  return item;
}

async function refill(order, said, button) {
  button.disabled = true;
  try {
    const found = await operation(`MedicationRequest/${order.id}/$draft-refill`, {});
    const blocked = parts(found, "check").filter((c) => value(parts(c, "result")[0]) === "block");
    said.textContent = parts(found, "draft").length ? "A draft waits for your care team." : `Your care team was asked: ${blocked.map((c) => value(parts(c, "text")[0])).join(" ")}`;
  } catch (error) {
    said.textContent = error.message;
  }
}

async function showResults(place, patient) {
  try {
    const found = await search(`Observation?patient=${patient.id}&_sort=-date&_count=400`);
    const groups = Map.groupBy ? Map.groupBy(found.filter((o) => o.valueQuantity), (o) => conceptText(o.code)) : grouped(found);
    const chosen = el("select", { "aria-label": "Result", id: "result" }, ...[...groups.keys()].sort().map((name) => el("option", { value: name }, `${name} (${groups.get(name).length})`)));
    const view = el("div");
    const draw = () => {
      const group = groups.get(chosen.value) || [];
      view.replaceChildren(group.length ? trend(group) : el("p", { class: "quiet" }, "Nothing is recorded."), el("ul", {}, ...group.slice(0, 5).map(result)));
    };
    chosen.addEventListener("change", draw);
    const most = [...groups.entries()].sort((a, b) => b[1].length - a[1].length)[0];
    if (most) chosen.value = most[0];
    place.replaceChildren(chosen, view);
    draw();
  } catch (error) {
    place.replaceChildren(el("p", { class: "error" }, error.message));
  }
}

const grouped = (found) => found.filter((o) => o.valueQuantity).reduce((map, o) => map.set(conceptText(o.code), [...(map.get(conceptText(o.code)) || []), o]), new Map());

function result(o) {
  const shown = `${+o.valueQuantity.value.toFixed(2)} ${o.valueQuantity.unit || ""}`;
  return el("li", {}, el("button", { class: "link", onclick: () => openResource(o) }, `${shown} on ${day(o.effectiveDateTime)}`));
}
