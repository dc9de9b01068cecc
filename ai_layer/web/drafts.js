// The clinician's page: drafts that wait for a signature, with their checks.
import { call, get, operation, search } from "./api.js";
import { conceptText, day, el } from "./dom.js";
import { openResource } from "./record.js";

export function draftsSection() {
  const list = el("div", { id: "drafts" });
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
  const draft = task.focus ? await get(`/fhir/${task.focus.reference}`).catch(() => null) : null;
  const title = draft ? (draft.resourceType === "Appointment" ? `Visit on ${draft.start.replace("T", " ").slice(0, 16)}` : `Refill: ${conceptText(draft.medicationCodeableConcept) || draft.medicationReference?.display || ""}`) : `For the care team: ${task.description || conceptText(task.code)}`;
  const said = el("p", { class: "error" });
  const note = el("input", { placeholder: "Note (optional)", "aria-label": "Note" });
  const decide = async (decision, buttons) => {
    buttons.forEach((b) => (b.disabled = true));
    try {
      await operation(`Task/${task.id}/$sign-off`, { decision, note: note.value });
      await refresh(list);
    } catch (error) {
      said.textContent = error.message;
      buttons.forEach((b) => (b.disabled = false));
    }
  };
  const buttons = [el("button", { class: "approve", onclick: () => decide("approve", buttons) }, "Approve"), el("button", { class: "plain reject", onclick: () => decide("reject", buttons) }, "Reject")];
  return el(
    "div",
    { class: "card", "data-task": task.id },
    el("h2", {}, title),
    el("p", { class: "quiet" }, `${task.for?.reference || ""} · ${day(task.authoredOn)}`),
    ...(task.note || []).map((n) => el("blockquote", {}, n.text)),
    el("ul", {}, ...(task.input || []).map(check)),
    ...(draft ? [el("button", { class: "link", onclick: () => openResource(draft) }, "See the draft"), note, ...buttons] : [el("button", { class: "plain", onclick: () => done(task, list, said) }, "Done")]),
    said,
  );
}

function check(input) {
  const result = input.type?.text || "";
  return el("li", { class: "check" }, el("span", {}, input.type?.coding?.[0]?.code || ""), el("span", { class: result }, result), el("span", {}, input.valueString || ""));
}

async function done(task, list, said) {
  try {
    await call("PUT", `/fhir/Task/${task.id}`, { ...task, status: "completed" }, { "if-match": `W/"${task.meta.versionId}"` });
    await refresh(list);
  } catch (error) {
    said.textContent = error.message;
  }
}
