// The access log: who looked at this record, when and why, as the server's AuditEvents tell it. Others first, oneself folded away.
import { search } from "./api.js";
import { el, folded } from "./dom.js";

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DONE = { C: "added", R: "read", U: "changed", D: "removed", E: "searched or used" };
const FAILED = "was refused";

export function accessLogSection(patient) {
  const log = el("div", { id: "access-log" });
  const open = el("button", { id: "open-access-log", onclick: () => fill(log, patient) }, "Who looked at this record?");
  return el("section", { class: "wide" }, el("h2", {}, "Access log"), open, log);
}

async function fill(log, patient) {
  try {
    const events = await search(`AuditEvent?patient=${encodeURIComponent(patient.id)}&_sort=-date&_count=200`);
    const own = events.filter((event) => requestor(event).who?.reference === `Patient/${patient.id}`);
    const others = events.filter((event) => !own.includes(event));
    log.replaceChildren(others.length ? el("ul", {}, ...others.map(row)) : el("p", { class: "quiet" }, "Nobody but you."));
    if (own.length) log.append(folded(`You (${own.length})`, el("ul", {}, ...own.map(row))));
  } catch (error) {
    log.replaceChildren(el("p", { class: "error", role: "alert" }, error.message));
  }
}

const requestor = (event) => event.agent?.find((agent) => agent.requestor) || {};

function row(event) {
  const agent = requestor(event);
  const who = agent.who?.display || agent.who?.reference || agent.who?.identifier?.value || "Somebody";
  const role = agent.role?.[0]?.text;
  const did = event.outcome === "0" ? DONE[event.action] || "used" : FAILED;
  const why = event.purposeOfEvent?.[0]?.coding?.[0]?.display;
  const what = [...new Set((event.entity || []).map((entity) => entity.what?.reference?.split("/")[0]).filter(Boolean))];
  return el("li", {}, `${who}${role ? ` (${role})` : ""} ${did}`, el("div", { class: "quiet" }, [WHEN.format(new Date(event.recorded)), what.join(", "), why].filter(Boolean).join(" · ")));
}
