import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sampleSummary } from "../../lab/report/sample.testing.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { KeyStore } from "../keys/store.ts";
import { ticksTo } from "./comparison.ts";
import { withConsole } from "./console.ts";
import { modelChoices } from "./recipe-choices.ts";
import { frontiersSection } from "./sections.ts";
import { Sessions } from "./sessions.ts";
import { spentBy } from "./spent.ts";

const receipt = (recipe: string[], spent: number, hour: number): Receipt => {
  const parts = {
    ...{ model: "tiny", recipe, tokens: { prompt: 3, cached: 0, completion: 2 } },
    flops: { dense: 100, spent, overhead: 0 },
    ...{ bytes: { dense: 1, spent: 1 }, ms: { queue: 0, load: 0, encode: 0, prefill: 1, decode: 1 }, estimated: false },
    work: { exits: { dense: 0, run: 2 } },
  };
  return makeReceipt(parts, Date.UTC(2026, 0, 1, hour));
};
const receipts = [receipt(["dynamax"], 60, 3), receipt([], 100, 3), receipt(["dynamax"], 80, 1)];
const sum = { ...receipts[0]!, receipts: 3, estimated: 0, flops: { dense: 300, spent: 240, overhead: 0, saved: 0.2 } };

const folder = mkdtempSync(join(tmpdir(), "modicum-console-"));
const keys = new KeyStore(join(folder, "keys.json"));
const requests: { path: string; authorization: string | null; body: unknown }[] = [];
let [admin, user] = ["", ""];
/** Releases the answers with the recipe `waits`. */
let open = () => {};
const gate = new Promise<void>((resolve) => {
  open = resolve;
});

const model = (id: string, more: object) => ({ id, bytes: 5e6, recipe: [], recipes: [], loaded: [], ...more });
const models = [
  model("tiny", { kind: "decoder", recipes: ["tiny@fast"] }),
  model("tiny@fast", { kind: "decoder", parent: "tiny", recipe: ["dynamax"] }),
  model("sentences", { kind: "encoder" }),
];

/** Stands in for the API: checks keys, and records all requests. */
async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const authorization = request.headers.get("authorization");
  requests.push({ path: pathname, authorization, body: request.body && (await request.json()) });
  if (pathname === "/") return new Response("Modicum: see /docs\n");
  const key = authorization && (await keys.find(authorization.slice("Bearer ".length)));
  if (!key) return Response.json({ error: { message: "API key required" } }, { status: 401 });
  if (pathname === "/v1/receipts")
    return Response.json({
      data: receipts.slice(0, Number(searchParams.get("limit"))),
      sum,
      keys: [{ ...sum, key: key.id }],
    });
  if (pathname === "/v1/models") return Response.json({ data: models });
  if (pathname === "/v1/savings")
    return Response.json({ data: [{ kind: "saving", name: "dynamax", models: ["tiny"] }] });
  if (requests.at(-1)!.body && JSON.stringify(requests.at(-1)!.body).includes("waits")) await gate;
  const message = { content: "<b>red</b>" };
  return Response.json({ choices: [{ message, finish_reason: "stop" }], receipt: receipts[0] });
}

const app = withConsole({ version: "1.2.3", keys, lab: undefined, answer });
const html = { accept: "text/html,*/*;q=0.8" };
const form = (path: string, fields: [string, string][], headers: Record<string, string> = {}) =>
  app.request(path, {
    method: "POST",
    headers: { host: "localhost", origin: "http://localhost", ...headers },
    body: new URLSearchParams(fields),
  });
/** A form's fields; the second recipe is typed. */
const trial = (prompt: string, first: string, second: string): [string, string][] => [
  ["model", "tiny"],
  ["prompt", prompt],
  ["recipe-1:tiny", first],
  ["recipe-2:tiny", "own"],
  ["own-2", second],
];
const signIn = async (key: string) => (await form("/console/sign-in", [["key", key]])).headers.get("set-cookie");

beforeAll(async () => {
  admin = (await keys.create("ops", ["admin"])).secret;
  user = (await keys.create("<app>", ["infer"])).secret;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("programs get the API's text at /, people a sign-in, which accepts only admin keys", async () => {
  expect(await (await app.request("/")).text()).toBe("Modicum: see /docs\n");
  const page = await app.request("/", { headers: html });
  expect(page.status).toBe(401);
  expect(await page.text()).toContain('type="password" name="key"');
  expect(await signIn("mk-wrong")).toBeNull();
  expect(await signIn(user)).toBeNull();
  expect(await signIn(admin)).toMatch(/^modicum_console=[\w-]{32}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
});

test("an admin sees models, spending and keys, but no key's secret or hash; signing out ends that", async () => {
  const cookie = (await signIn(admin))!.split(";")[0]!;
  const page = await (await app.request("/", { headers: { ...html, cookie } })).text();
  for (const text of ["tiny dynamax", "30.0 %", "&lt;app&gt;", "--lab FOLDER", "data:image/svg+xml;base64,"])
    expect(page).toContain(text);
  for (const { hash } of await keys.list()) expect(page).not.toContain(hash);
  expect(page).not.toContain(admin);
  await form("/console/sign-out", [], { cookie });
  expect((await app.request("/", { headers: { ...html, cookie } })).status).toBe(401);
});

test("a prompt is answered under both recipes with the visitor's key; answers are text", async () => {
  const cookie = (await signIn(admin))!.split(";")[0]!;
  const fields = trial("colours\r\nor?", "dense", "dynamax prune:keep=0.5");
  requests.length = 0;
  const page = await (await form("/console/chat", fields, { cookie })).text();
  const chats = requests.filter(({ path }) => path === "/v1/chat/completions");
  expect(chats.map(({ authorization }) => authorization)).toEqual([`Bearer ${admin}`, `Bearer ${admin}`]);
  const messages = [{ role: "user", content: "colours\nor?" }];
  const terms = { model: "tiny", messages, max_tokens: 200, seed: 1, cache_prompt: false };
  expect(chats.map(({ body }) => body)).toEqual([
    { ...terms, savings: [] },
    { ...terms, savings: ["dynamax", "prune:keep=0.5"] },
  ]);
  expect(page.match(/&lt;b&gt;red&lt;\/b&gt;/g)).toHaveLength(2);
  expect(page).toContain('<th scope="row">Exits</th><td class="n">2</td>');
  expect(page).toContain("colours\nor?</textarea>");
});

test("the first answer is there before the second is computed", async () => {
  const cookie = (await signIn(admin))!.split(";")[0]!;
  const response = await form("/console/chat", trial("x", "dense", "waits"), { cookie });
  let page = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    page += chunk;
    if (page.includes("Answering with waits … If the page ends here, the server has stopped.")) open();
  }
  expect(page).toMatch(/<h3>dense<[\s\S]*<h3>waits<[\s\S]*<\/html>$/);
});

test("a registered recipe is a choice of its model, and is requested by its name alone", async () => {
  const cookie = (await signIn(admin))!.split(";")[0]!;
  const choices = modelChoices(models as never, [{ kind: "saving", name: "lookup", summary: "", models: ["tiny"] }]);
  expect(choices.map(({ id, named, preferred }) => [id, named.map(({ text }) => text), preferred])).toEqual([
    ["tiny", ["tiny@fast"], "lookup"],
  ]);
  requests.length = 0;
  await (await form("/console/chat", trial("x", "tiny@fast", "dense"), { cookie })).text();
  const [first] = requests.filter(({ path }) => path === "/v1/chat/completions");
  expect(first!.body).toMatchObject({ model: "tiny@fast" });
  expect(first!.body).not.toHaveProperty("savings");
});

test.each([
  [[0, 0.5, 1], 1],
  [[0, 2.5, 5, 7.5], 7.4],
  [[0, 5e9, 10e9, 15e9], 10.9e9],
  [[0, 0.5, 1], 0.99],
])("ticks %j reach %d", (ticks, most) => expect(ticksTo(most)).toEqual(ticks));

test("a form of another site is refused before any request", async () => {
  const cookie = (await signIn(admin))!.split(";")[0]!;
  requests.length = 0;
  const response = await form("/console/chat", [["prompt", "x"]], { cookie, origin: "https://evil.example" });
  expect([response.status, requests]).toEqual([403, []]);
});

test("sums are by hour and recipe, in order of time", () => {
  const bars = spentBy([...receipts, receipt(["dynamax"], 20, 3)], 3_600_000);
  expect(bars.map(({ recipe, receipts, spent }) => [recipe, receipts, spent])).toEqual([
    ["tiny dynamax", 1, 80],
    ["tiny dynamax", 2, 80],
    ["tiny dense", 1, 100],
  ]);
});

test("a session ends by itself", () => {
  let now = 0;
  const sessions = new Sessions(() => now);
  const id = sessions.open("secret");
  expect(sessions.secretOf(id)).toBe("secret");
  now = 12 * 3_600_000;
  expect([sessions.secretOf(id), sessions.secretOf("other")]).toEqual([undefined, undefined]);
});

test("a frontier of few items says that its intervals are unreliable", () => {
  const shown = (items: number) => frontiersSection([{ ...sampleSummary(2), items }]).text;
  expect(shown(1)).toContain('<p class="quiet">intervals of 1 item are unreliable, expected at least 10</p>');
  expect(shown(10)).not.toContain("unreliable");
});
