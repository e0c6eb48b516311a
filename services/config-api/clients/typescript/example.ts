// What a CRM frontend does: save a configuration, see its first run, ask for another, read what came of it.
// node dist/example.js ADDRESS VIEW GROUP, with the caller's token in CONTACTSYNC_TOKEN.
import createClient from "openapi-fetch";
import type { components, paths } from "./config-api.js";

type Problem = components["schemas"]["ProblemBody"];

const [address = "", crm_view_id = "", google_group = ""] = process.argv.slice(2);
const token = process.env["CONTACTSYNC_TOKEN"];
const api = createClient<paths>({
  baseUrl: address,
  headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
});

function given<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.error?.code}: ${answer.error?.title}`);
  }
  return answer.data;
}

const saved = given(
  await api.POST("/v1/sync-configs", { body: { crm_view_id, google_group, direction: "two_way" } }),
);
const asked = given(
  await api.POST("/v1/sync-configs/{config_id}/runs", {
    params: { path: { config_id: saved.id }, header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { mode: "sync" },
  }),
);
const run = given(await api.GET("/v1/runs/{run_id}", { params: { path: { run_id: asked.run.id } } }));
const missing = await api.GET("/v1/runs/{run_id}", { params: { path: { run_id: crypto.randomUUID() } } });
console.log(
  JSON.stringify({
    configuration: saved.status,
    coalesced: asked.coalesced,
    state: run.state,
    missing: missing.error?.code,
  }),
);
