// A patient's record: conditions, medicines, results with their trend.
import { operation, parts, search, value } from "./api.js";
import { trend } from "./chart.js";
import { isCircumstance } from "./circumstances.js";
import { conceptText, day, el, folded } from "./dom.js";

export function openResource(resource) {
  document.getElementById("resource-title").textContent = `${resource.resourceType}/${resource.id}`;
  document.getElementById("resource-body").textContent = JSON.stringify(resource, null, 2);
  document.getElementById("resource").showModal();
  document.getElementById("resource-body").scrollTop = 0;
}

export function recordSections(patient) {
  const conditions = el("div", { id: "conditions" });
  const circumstances = el("div", { id: "circumstances" });
  const medicines = el("div", { id: "medications" });
  const results = el("div", { id: "results" });
  showConditions(conditions, circumstances, patient);
  fill(medicines, search(`MedicationRequest?patient=${patient.id}&intent=order&_sort=-authoredon&_count=100`), medicine, (m) => GOING_ON.has(m.status));
  showResults(results, patient);
  return [
    el("section", {}, el("h2", {}, "Conditions"), conditions, circumstances),
    el("section", {}, el("h2", {}, "Medicines"), medicines),
    el("section", {}, el("h2", {}, "Results"), results),
  ];
}

const GOING_ON = new Set(["active", "on-hold"]);
const isRight = (resource) => resource.status !== "entered-in-error" && resource.verificationStatus?.coding?.[0]?.code !== "entered-in-error";
const isOver = (c) => ["inactive", "remission", "resolved"].includes(c.clinicalStatus?.coding?.[0]?.code);

async function showConditions(conditions, circumstances, patient) {
  const found = search(`Condition?patient=${patient.id}&_sort=-recorded-date&_count=100`);
  await fill(conditions, found.then((all) => all.filter((c) => !isCircumstance(c))), condition, (c) => !isOver(c));
  const social = (await found.catch(() => [])).filter(isRight).filter(isCircumstance);
  if (!social.length) return;
  const list = el("div");
  circumstances.replaceChildren(el("h2", {}, "Circumstances"), list);
  fill(list, social, condition, (c) => !isOver(c));
}

// What is current stands open; what is over is folded away.
async function fill(place, found, row, isCurrent) {
  try {
    const resources = (await found).filter(isRight);
    const current = resources.filter(isCurrent);
    const past = resources.filter((r) => !isCurrent(r));
    place.replaceChildren(current.length ? el("ul", {}, ...current.map(row)) : el("p", { class: "quiet" }, past.length ? "Nothing is current." : "Nothing is recorded."));
    if (past.length) place.append(folded(`Earlier (${past.length})`, el("ul", {}, ...past.map(row))));
  } catch (error) {
    place.replaceChildren(el("p", { class: "error" }, error.message));
  }
}

function condition(c) {
  const said = [c.clinicalStatus?.coding?.[0]?.code, c.onsetDateTime && `since ${day(c.onsetDateTime)}`, c.abatementDateTime && `until ${day(c.abatementDateTime)}`];
  return el("li", {}, el("button", { class: "link", onclick: () => openResource(c) }, conceptText(c.code) || "Condition"), el("div", { class: "quiet" }, said.filter(Boolean).join(" · ")));
}

function medicine(m) {
  const name = conceptText(m.medicationCodeableConcept) || m.medicationReference?.display || "Medicine";
  const said = el("div", { class: "quiet", role: "status" }, `${m.status} · ${day(m.authoredOn)}`);
  const item = el("li", {}, el("button", { class: "link", onclick: () => openResource(m) }, name), said);
  if (m.status === "active") item.append(el("button", { class: "plain small refill", "aria-label": `Ask for a refill of ${name}`, onclick: (event) => refill(m, said, event.target) }, "Ask for a refill"));
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
    const found = await search(`Observation?patient=${patient.id}&_sort=-date&_count=1000`);
    const groups = grouped(found.filter((o) => isRight(o) && o.valueQuantity));
    const chosen = el("select", { "aria-label": "Result", id: "result" }, ...[...groups.keys()].sort().map((name) => el("option", { value: name }, `${name} (${groups.get(name).length})`)));
    const view = el("div");
    const draw = () => {
      const group = groups.get(chosen.value) || [];
      view.replaceChildren(group.length ? trend(group) : el("p", { class: "quiet" }, "Nothing is recorded."), el("ul", {}, ...group.slice(0, 5).map(result)));
    };
    chosen.addEventListener("change", draw);
    const most = [...groups.entries()].sort((a, b) => weight(b[1]) - weight(a[1]))[0];
    if (most) chosen.value = most[0];
    place.replaceChildren(chosen, view);
    draw();
  } catch (error) {
    place.replaceChildren(el("p", { class: "error" }, error.message));
  }
}

function grouped(found) {
  const groups = new Map();
  for (const o of found) groups.set(conceptText(o.code), [...(groups.get(conceptText(o.code)) || []), o]);
  return groups;
}

// The first to be seen: laboratory before other kinds, outside its range before within, many values before few.
const isLaboratory = (o) => (o.category || []).some((c) => c.coding?.some((coding) => coding.code === "laboratory"));
const isFlagged = (o) => (o.interpretation || []).some((c) => c.coding?.some((coding) => !["N", "NEG"].includes(coding.code)));
const weight = (group) => 10000 * group.some(isLaboratory) + 1000 * group.slice(0, 2).some(isFlagged) + group.length;

function result(o) {
  const shown = `${+o.valueQuantity.value.toFixed(2)} ${o.valueQuantity.unit || ""}`;
  return el("li", {}, el("button", { class: "link", onclick: () => openResource(o) }, `${shown} on ${day(o.effectiveDateTime)}`));
}
