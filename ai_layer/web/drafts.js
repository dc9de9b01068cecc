// The clinician's page: drafts that wait for a signature, with what they change, the checks and their evidence. $review tells it.
import { call, get, operation, parts, search, value } from "./api.js";
import { conceptText, day, el, personName } from "./dom.js";
import { openResource } from "./record.js";

export function draftsSection() {
  const list = el("div", { id: "drafts", tabindex: "-1", "aria-label": "Drafts" });
  refresh(list);
  return el("section", { class: "wide" }, el("h2", {}, "Drafts to sign off"), list);
}

async function refresh(list) {
  try {
    const tasks = await search("Task?status=requested&_sort=-authored-on&_count=50");
    list.replaceChildren(...(await Promise.all(tasks.map((task) => card(task, list)))));
    if (!tasks.length) list.append(el("p", { class: "quiet" }, "Nothing waits."));
  } catch (error) {
    list.replaceChildren(el("p", { class: "error" }, error.message));
  }
}

async function card(task, list) {
  const seen = await get(`/fhir/Task/${task.id}/$review`).catch(() => null);
  const draft = task.focus ? await get(`/fhir/${task.focus.reference}`).catch(() => null) : null;
  const title = draft ? (draft.resourceType === "Appointment" ? `${task.code?.coding?.[0]?.code === "cancellation" ? "Cancel the visit" : "Visit"} on ${when(draft.start)}` : `Refill: ${conceptText(draft.medicationCodeableConcept) || draft.medicationReference?.display || ""}`) : `For the care team: ${task.description || conceptText(task.code)}`;
  const said = el("p", { class: "error", role: "alert" });
  const note = el("input", { placeholder: "Note (optional)", "aria-label": `Note: ${title}` });
  const decide = async (decision, buttons) => {
    buttons.forEach((b) => (b.disabled = true));
    try {
      await operation(`Task/${task.id}/$sign-off`, { decision, note: note.value, draft: value(parts(seen || {}, "draft")[0])?.reference });
      await refresh(list);
      list.focus();
    } catch (error) {
      said.textContent = error.message;
      buttons.forEach((b) => (b.disabled = false));
    }
  };
  const buttons = [el("button", { class: "approve", onclick: () => decide("approve", buttons) }, "Approve"), el("button", { class: "plain reject", onclick: () => decide("reject", buttons) }, "Reject")];
  return el(
    "div",
    { class: "card", "data-task": task.id },
    el("h3", {}, title),
    el("p", { class: "quiet" }, ...(await whose(task.for?.reference)), `asked on ${day(task.authoredOn)}`),
    ...(task.note || []).map((n) => el("blockquote", {}, n.text)),
    ...changes(seen),
    el("ul", { class: "checks" }, ...byWeight(seen ? parts(seen, "check").map(told) : (task.input || []).map(noted)).map(check)),
    ...(draft ? [el("button", { class: "link", onclick: () => openResource(draft) }, "See the draft"), ...editing(draft, list, said), note, el("div", { class: "row" }, ...buttons)] : [el("button", { class: "plain", onclick: () => done(task, list, said) }, "Done")]),
    said,
  );
}

// Whose draft it is, as a link to the record.
async function whose(reference) {
  if (!reference) return [];
  const patient = await get(`/fhir/${reference}`).catch(() => null);
  return [el("a", { href: `/?patient=${encodeURIComponent(reference.split("/").pop())}` }, patient ? personName(patient) : reference), " · "];
}

// A visit stands in the clinic's own time, as the Slot was written.
const when = (start) => `${day(start)} at ${start.slice(11, 16)}`;

// What the draft changes against the order that it renews.
function changes(seen) {
  const found = seen ? parts(seen, "change").map((c) => ["path", "before", "after"].map((name) => value(parts(c, name)[0]))) : [];
  if (!found.length) return [];
  const rows = found.map(([path, before, after]) => el("tr", {}, el("td", {}, path), el("td", {}, before ?? "—"), el("td", {}, after ?? "—")));
  return [el("table", { class: "changes" }, el("caption", {}, "Against the order"), el("tr", {}, ...["Element", "Order", "Draft"].map((name) => el("th", { scope: "col" }, name))), ...rows)];
}

// A check as $review tells it, or as the Task has kept it.
const told = (found) => ({ name: value(parts(found, "name")[0]), result: value(parts(found, "result")[0]), text: value(parts(found, "text")[0]), cited: parts(found, "citation").map((c) => value(c).reference) });
const noted = (input) => ({ name: input.type?.coding?.[0]?.code || "", result: input.type?.text || "", text: input.valueString || "", cited: [] });

// What asks for a look comes first; the rest keeps its order.
const WEIGHT = ["block", "warn", "unknown", "pass"];
const byWeight = (checks) => [...checks].sort((a, b) => WEIGHT.indexOf(a.result) - WEIGHT.indexOf(b.result));

function check(found) {
  const evidence = found.cited.map((name) => el("button", { class: "link small", onclick: () => opened(name) }, name.split("/_history/")[0]));
  return el("li", { class: "check" }, el("span", {}, found.name), el("span", { class: found.result }, found.result), el("span", {}, found.text, " ", ...evidence.flatMap((one) => [one, " "])));
}

// A clinician changes the draft before the decision; the checks run again on what is saved. A dosage in other words replaces its coded parts.
function editing(draft, list, said) {
  if (draft.resourceType !== "MedicationRequest") return [];
  const dosage = draft.dosageInstruction || [];
  const words = el("input", { value: dosage[0]?.text || "", "aria-label": "Dosage" });
  const repeats = el("input", { type: "number", min: "0", value: draft.dispenseRequest?.numberOfRepeatsAllowed ?? "", "aria-label": "Repeats" });
  const save = async () => {
    const steps = [];
    if (words.value !== (dosage[0]?.text || "")) steps.push(dosage.length ? { op: "replace", path: "/dosageInstruction/0", value: { text: words.value } } : { op: "add", path: "/dosageInstruction", value: [{ text: words.value }] });
    if (repeats.value !== String(draft.dispenseRequest?.numberOfRepeatsAllowed ?? "")) steps.push(draft.dispenseRequest ? { op: "add", path: "/dispenseRequest/numberOfRepeatsAllowed", value: Number(repeats.value) } : { op: "add", path: "/dispenseRequest", value: { numberOfRepeatsAllowed: Number(repeats.value) } });
    if (!steps.length) return;
    try {
      await call("PATCH", `/fhir/MedicationRequest/${draft.id}`, steps, { "content-type": "application/json-patch+json", "if-match": `W/"${draft.meta.versionId}"` });
      await refresh(list);
    } catch (error) {
      said.textContent = error.message;
    }
  };
  return [el("details", { class: "edit" }, el("summary", {}, "Change the draft"), el("div", { class: "row" }, words, repeats, el("button", { class: "plain save", onclick: save }, "Save")))];
}

const opened = (name) => get(`/fhir/${name}`).then(openResource, () => null);

async function done(task, list, said) {
  try {
    await call("PUT", `/fhir/Task/${task.id}`, { ...task, status: "completed" }, { "if-match": `W/"${task.meta.versionId}"` });
    await refresh(list);
  } catch (error) {
    said.textContent = error.message;
  }
}
