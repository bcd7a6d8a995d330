import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { load } from "../../index.ts";
import { chosenRecipe, registerRecipe } from "../../savings/registered.ts";
import { remoteFromText } from "../fleet/file.ts";
import { jsonOf, serveModels, type Testing, TINY } from "../serve.testing.ts";

const SPARSE = "xattention:threshold=0.3,blockSize=8,stride=4,minLengthForSparse=70";
const home = mkdtempSync(path.join(tmpdir(), "modicum-home-"));
let server: Testing;
const secrets: Record<string, string> = {};
beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", home);
  server = await serveModels(TINY.slice(0, 2), {}, [remoteFromText("far=http://127.0.0.1:9")]);
  for (const scope of ["admin", "infer"] as const) secrets[scope] = (await server.keys.create(scope, [scope])).secret;
});
afterAll(async () => {
  await server.stop(0);
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

// biome-ignore lint/suspicious/noExplicitAny: what comes is what is tested
async function call(method: string, at: string, body?: object, scope = "admin"): Promise<[number, any]> {
  const headers = { authorization: `Bearer ${secrets[scope]}`, "content-type": "application/json" };
  const response = await fetch(server.url + at, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  return [response.status, await jsonOf(response)];
}
const add = (body: object, scope?: string) => call("POST", "/v1/recipes", body, scope);
const fast = { name: "fast", model: "tiny", savings: [SPARSE] };

test("a recipe is registered, requested by name, listed, replaced and deleted", async () => {
  expect(await add(fast)).toEqual([200, { name: "tiny@fast", recipe: [SPARSE] }]);
  const ask = () => call("POST", "/v1/completions", { model: "tiny@fast", prompt: "abc", max_tokens: 1 }, "infer");
  expect((await ask())[1].receipt.recipe).toEqual([SPARSE]);
  expect((await call("GET", "/v1/recipes", undefined, "infer"))[1].data).toEqual([
    { name: "tiny@fast", recipe: [SPARSE] },
  ]);
  expect((await call("GET", "/v1/models"))[1].data.map(({ id }: { id: string }) => id)).toContain("tiny@fast");
  using model = await load("tiny@fast");
  expect(model.recipe.map(({ text }) => text)).toEqual([SPARSE]);
  expect(await add({ ...fast, savings: [] })).toEqual([200, { name: "tiny@fast", recipe: [], replaced: [SPARSE] }]);
  expect((await ask())[1].receipt.recipe).toEqual([]);
  expect(await call("DELETE", "/v1/recipes/tiny@fast")).toEqual([
    200,
    { name: "tiny@fast", object: "recipe", deleted: true },
  ]);
  expect((await ask())[0]).toBe(404);
  expect((await call("DELETE", "/v1/recipes/tiny%40fast"))[0]).toBe(404);
});

test("a recipe whose default has changed shows the option that it keeps; an unreadable one, its typed text", async () => {
  const created = new Date(0).toISOString();
  for (const [name, recipe] of Object.entries({ older: ["dynamax"], newer: ["dynamax:from=1"], gone: ["nosuch:a=1"] }))
    await registerRecipe(`tiny@${name}`, { model: "tiny", recipe, created });
  const step = "dynamax:fill=copy-kv/ssm-partial";
  for (const path of ["/v1/recipes", "/v1/models"]) {
    const { data } = (await call("GET", path))[1];
    expect(data).toContainEqual(expect.objectContaining({ recipe: [step] }));
    expect(data).toContainEqual(expect.objectContaining({ recipe: ["nosuch:a=1"] }));
  }
  for (const name of ["older", "newer", "gone"]) await call("DELETE", `/v1/recipes/tiny@${name}`);
});

test("simultaneous registrations are all stored", async () => {
  const names = Array.from({ length: 12 }, (_, i) => `r${i}`);
  await Promise.all(names.map((name) => add({ ...fast, name })));
  const registry = Object.keys(JSON.parse(readFileSync(path.join(home, "recipes.json"), "utf8")));
  expect(registry).toEqual(expect.arrayContaining(names.map((name) => `tiny@${name}`)));
});

test.each<[object, string, number, RegExp]>([
  [fast, "infer", 403, /^this call needs the scope admin/],
  [{ ...fast, model: "tyni" }, "admin", 404, /did you mean "tiny"/],
  [{ ...fast, model: "tiny@r0" }, "admin", 404, /no model is called "tiny@r0"/],
  [{ ...fast, name: "a b" }, "admin", 400, /^name: expected letters/],
  [{ ...fast, name: "../x" }, "admin", 400, /^name: expected letters/],
  [{ ...fast, name: "__proto__@" }, "admin", 400, /^name: expected letters/],
  [{ ...fast, savings: ["xattention:treshold=1"] }, "admin", 400, /there is no option "treshold"/],
  [{ ...fast, savings: [SPARSE, SPARSE] }, "admin", 400, /a recipe can have only one of them/],
  [{ ...fast, savings: SPARSE }, "admin", 400, /^savings: expected a list of at most 8 savings/],
  [
    { ...fast, savings: ["xattention:thresholds=/etc/passwd"] },
    "admin",
    400,
    /^xattention: thresholds names a file, which only the command line may register/,
  ],
  [{ ...fast, model: "sentences" }, "admin", 400, /^sentences is an encoder, which has no seams for savings/],
  [{ ...fast, model: "far" }, "admin", 400, /^far runs on other servers, which keep its recipes/],
  [{ name: "fast" }, "admin", 400, /^model: expected/],
])("%j by a key of scope %s: %i", async (body, scope, status, sentence) => {
  const [got, { error }] = await add(body, scope);
  expect([got, error.message]).toEqual([status, expect.stringMatching(sentence)]);
});

test("another method gets the list of methods; deleting needs an admin", async () => {
  expect((await call("PUT", "/v1/recipes", {}))[1].error.message).toBe("/v1/recipes takes GET or POST, got PUT");
  expect((await call("DELETE", "/v1/recipes/tiny@r0", undefined, "infer"))[0]).toBe(403);
  const { paths } = await jsonOf(fetch(`${server.url}/openapi.json`));
  expect(Object.keys(paths["/v1/recipes"])).toEqual(["get", "post"]);
});

test("a recipe with an adapter names it in the list, in receipts, and in the library's receipts", async () => {
  const folder = path.join(import.meta.dirname, "../../weights/adapter/fixtures/llama-gguf");
  await registerRecipe("tiny@poet", chosenRecipe(TINY[0]!.slice("tiny=".length), [], folder));
  expect((await call("GET", "/v1/recipes"))[1].data).toContainEqual({
    ...{ name: "tiny@poet", recipe: [], adapter: "llama-gguf" },
  });
  const request = { prompt: "abc", max_tokens: 1, n: 2 };
  const [, answer] = await call("POST", "/v1/completions", { ...request, model: "tiny@poet" });
  expect(answer.receipt).toMatchObject({ model: "tiny", adapter: "llama-gguf" });
  const [, plain] = await call("POST", "/v1/completions", { ...request, model: "tiny" });
  expect(plain.receipt).not.toHaveProperty("adapter");
  using model = await load("tiny@poet");
  const { receipt } = await model.complete("abc", { raw: true, maxTokens: 1 });
  expect(receipt).toMatchObject({ adapter: "llama-gguf" });
});
