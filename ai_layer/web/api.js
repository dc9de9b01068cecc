// The server's FHIR API. Errors carry the OperationOutcome's own words.
export async function call(method, path, body, headers = {}) {
  const options = { method, headers: { accept: "application/fhir+json", ...headers } };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] ??= path.startsWith("/fhir") ? "application/fhir+json" : "application/json";
  }
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(await words(answer));
  return answer;
}
async function words(answer) {
  try {
    const outcome = await answer.json();
    return outcome.issue?.map((issue) => issue.diagnostics).join(" ") || `Error ${answer.status}`;
  } catch {
    return `Error ${answer.status}`;
  }
}
export const get = async (path) => (await call("GET", path)).json();
export const search = async (path) => ((await get(`/fhir/${path}`)).entry || []).filter((e) => e.search?.mode !== "outcome").map((e) => e.resource);
export const parameters = (values) => ({
  resourceType: "Parameters",
  parameter: Object.entries(values).filter(([, v]) => v).map(([name, value]) => ({ name, valueString: value })),
});
export const operation = async (path, values) => (await call("POST", `/fhir/${path}`, parameters(values))).json();
export const parts = (found, name) => (found.parameter || found.part || []).filter((p) => p.name === name);
export const value = (parameter) => parameter && Object.entries(parameter).find(([k]) => k.startsWith("value"))?.[1];

// Server-sent events of a POST: calls back with (event, data) as they come in.
export async function stream(path, values, each) {
  const answer = await call("POST", `/fhir/${path}`, parameters(values), { accept: "text/event-stream" });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value: chunk, done } = await reader.read();
    if (done) return;
    rest += chunk;
    const events = rest.split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1];
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (name && data) each(name, JSON.parse(data));
    }
  }
}
