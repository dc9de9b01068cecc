// A question, and the answer as it streams in; each line opens what it cites.
import { get, parts, stream, value } from "./api.js";
import { el } from "./dom.js";
import { openResource } from "./record.js";

export function askSection(patient) {
  const question = el("input", { id: "question", placeholder: "Ask about this record, for example: what was my last cholesterol?", maxlength: 2000, "aria-label": "Question", required: true, autocomplete: "off" });
  const answer = el("div", { id: "answer", "aria-live": "polite" });
  const button = el("button", { id: "ask" }, "Ask");
  const form = el("form", { class: "row", onsubmit: (event) => { event.preventDefault(); ask(patient, question.value, answer, button); } }, question, button);
  return el("section", { class: "wide" }, el("h2", {}, "Ask"), form, answer);
}

// The server keeps no conversation: the question before goes along, and is forgotten with the page.
const before = new Map();

async function ask(patient, question, place, button) {
  button.disabled = true;
  const previous = before.get(patient.id) || "";
  before.set(patient.id, question);
  place.replaceChildren(el("p", { class: "quiet" }, "Reading the record …"));
  const status = el("span", { class: "status" });
  const claims = el("div");
  try {
    await stream(`Patient/${patient.id}/$ask`, { question, previous, language: navigator.language.slice(0, 2) === "fr" ? "fr" : "en" }, (event, data) => {
      if (event === "status") {
        status.textContent = data.status;
        status.className = `status ${data.status}`;
        place.replaceChildren(status, claims);
      }
      if (event === "claim") claims.append(claim(data));
      if (event === "done") finish(data, claims, place);
    });
  } catch (error) {
    place.replaceChildren(el("p", { class: "error" }, error.message));
  }
  button.disabled = false;
}

function finish(answer, claims, place) {
  if (!parts(answer, "claim").length) return claims.append(el("p", { id: "without" }, value(parts(answer, "answer")[0])));
  claims.prepend(...lead(answer).map((text) => el("p", { id: "lead" }, text)));
  const writer = value(parts(answer, "writer")[0]);
  place.append(el("p", { class: "quiet" }, `Written by ${writer}. Every line was checked against what it cites.`));
}

// What is said before the first claim: emergency advice, or whom to ask.
function lead(answer) {
  const first = value(parts(parts(answer, "claim")[0], "text")[0]);
  const said = value(parts(answer, "answer")[0]).split(first)[0].trim();
  return said ? [said] : [];
}

function claim(data) {
  const paths = parts(data, "path").map(value);
  const cited = parts(data, "citation").map((c, n) => citation(value(c).reference, paths[n] || paths[0] || ""));
  const source = value(parts(data, "source")[0]);
  const origin = source ? [el("span", { class: "quiet" }, "explained by ", website(source))] : [];
  return el("div", { class: "claim" }, el("p", {}, value(parts(data, "text")[0])), el("div", { class: "cited" }, ...cited.slice(0, MOST), ...(cited.length > MOST ? [more(cited.slice(MOST))] : []), ...origin));
}

const MOST = 3;
function more(hidden) {
  const button = el("button", { class: "link", onclick: () => button.replaceWith(...hidden) }, `and ${hidden.length} more`);
  return button;
}

// Only an address of the web becomes a link.
function website(source) {
  return /^https:\/\//.test(source) ? el("a", { href: source, target: "_blank", rel: "noopener noreferrer" }, new URL(source).hostname) : source;
}

function citation(reference, path) {
  const open = async () => openResource(await get(`/fhir/${reference}`).catch((error) => ({ resourceType: reference, error: error.message })));
  return el("button", { class: "link citation", title: reference, onclick: open }, path || reference.split("/")[0]);
}
