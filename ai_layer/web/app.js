// Who is signed in decides the page: a patient's own record, or a clinician's drafts and patients.
import { accessLogSection } from "./accesslog.js";
import { call, get, search } from "./api.js";
import { askSection } from "./ask.js";
import { day, el, personName as name, show } from "./dom.js";
import { draftsSection } from "./drafts.js";
import { recordSections } from "./record.js";

const about = (patient) => [patient.gender, patient.birthDate && `born ${day(patient.birthDate)}`].filter(Boolean).join(" · ");

async function start() {
  const me = await get("/auth/me").catch(() => null);
  if (!me) return signIn();
  document.getElementById("who").replaceChildren(
    el("span", {}, `${me.subject} (${me.role})`),
    el("button", { class: "plain", id: "sign-out", onclick: async () => { await call("POST", "/auth/logout", {}); location.assign("/"); } }, "Sign out"),
  );
  const chosen = new URLSearchParams(location.search).get("patient") || me.patient;
  if (chosen) return showPatient(await get(`/fhir/Patient/${encodeURIComponent(chosen)}`), me);
  const patients = await search("Patient?_count=200&_sort=family");
  show(...(me.role === "clinician" ? [draftsSection()] : []), patientList(patients));
}

function showPatient(patient, me) {
  const title = el("section", { class: "wide" }, el("h2", { id: "patient" }, name(patient)), el("p", { class: "quiet" }, about(patient)));
  if (me.role !== "patient") title.append(el("a", { href: "/" }, "All patients"));
  document.title = `${name(patient)} · Chartline`;
  show(title, askSection(patient), ...recordSections(patient), ...(me.role === "patient" ? [accessLogSection(patient)] : []));
}

function patientList(patients) {
  return el("section", { class: "wide" }, el("h2", {}, "Patients"), el("ul", { id: "patients" }, ...patients.map((p) => el("li", {}, el("a", { href: `/?patient=${encodeURIComponent(p.id)}` }, name(p)), el("span", { class: "quiet" }, ` ${about(p)}`)))));
}

function signIn() {
  const user = el("input", { name: "username", id: "username", autocomplete: "username", required: true });
  const password = el("input", { name: "password", id: "password", type: "password", autocomplete: "current-password", required: true });
  const said = el("p", { class: "error", id: "sign-in-error", role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    try {
      await call("POST", "/auth/login", { username: user.value, password: password.value });
      location.assign("/");
    } catch (error) {
      said.textContent = error.message;
      password.value = "";
      password.focus();
    }
  };
  show(el("section", { class: "narrow" }, el("h2", {}, "Sign in"), el("form", { onsubmit: submit }, el("label", {}, "Name", user), el("label", {}, "Password", password), el("button", { id: "sign-in" }, "Sign in"), said), el("p", { class: "quiet" }, el("code", {}, "chartline demo"), " prints the sign-ins of its patients.")));
  user.focus();
}

start().catch((error) => show(el("section", {}, el("p", { class: "error", role: "alert" }, error.message), el("a", { href: "/" }, "Back to the start"))));
