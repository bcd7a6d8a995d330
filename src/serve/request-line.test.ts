import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonOf, serveModels, type Testing, TINY } from "./serve.testing.ts";

let server: Testing;
let secret: string;
beforeAll(async () => {
  server = await serveModels(TINY.slice(0, 1));
  ({ secret } = await server.keys.create("team", ["infer"], { recipe: [], audit: true, requestsPerMinute: 2 }));
});
afterAll(() => server.stop(0));

const lines = () => server.logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "answered");

/** The log line of one request. */
async function logged(path: string, body?: object, key = secret) {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const before = lines().length;
  const response = await fetch(server.url + path, {
    headers,
    ...(body && { method: "POST", body: JSON.stringify(body) }),
  });
  const text = await response.text();
  await expect.poll(() => lines().length).toBe(before + 1);
  return { text, line: lines().at(-1) };
}

test("a request has one line: who asked which model, how it ended, and its receipt", async () => {
  const id = (await server.keys.list())[0]?.id;
  const ask = { model: "tiny", prompt: "secret words", max_tokens: 2, temperature: 0 };
  const whole = await logged("/v1/completions", ask);
  const { receipt } = JSON.parse(whole.text);
  expect(whole.line).toMatchObject({ level: 30, method: "POST", path: "/v1/completions", status: 200, key: id });
  expect(whole.line).toMatchObject({ model: "tiny", receipt: receipt.id, ms: expect.any(Number) });
  const stream = await logged("/v1/completions", { ...ask, stream: true });
  expect(stream.text).toContain(stream.line.receipt);
  // The key's limit is two requests per minute.
  expect((await logged("/v1/completions", ask)).line).toMatchObject({ status: 429, key: id });
  expect(server.logged.join("")).not.toContain("secret words");
});

test.each([
  ["/health?x=private", undefined, 200],
  ["/v1/receipts", "mk-wrong", 401],
  ["/metrics", undefined, 403],
  ["/nothing", undefined, 404],
])("%s with the key %s has a line with %i", async (path, key, status) => {
  const { line } = await logged(path, undefined, key);
  expect(line).toMatchObject({ method: "GET", path: path.split("?")[0], status });
  expect(JSON.stringify(line)).not.toMatch(/private|mk-/);
});

test("a request that is refused for its contents also has a line", async () => {
  const open = await serveModels(TINY.slice(0, 1));
  await jsonOf(
    fetch(`${open.url}/v1/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: "{" }),
  );
  await expect.poll(() => open.logged.length).toBeGreaterThan(0);
  expect(open.logged.map((line) => JSON.parse(line))).toMatchObject([{ status: 400, path: "/v1/completions" }]);
  await open.stop(0);
});
