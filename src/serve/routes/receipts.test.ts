import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonOf, serveModels, type Testing, TINY } from "../serve.testing.ts";

let server: Testing;
const keys: Record<string, { id: string; secret: string }> = {};
const ids: Record<string, string[]> = {};
const headers = (name: string) => ({
  authorization: `Bearer ${keys[name]!.secret}`,
  "content-type": "application/json",
});
const get = (name: string, at: string) => fetch(server.url + at, { headers: headers(name) });

async function ask(name: string, path: string, body: object): Promise<string> {
  const init = { method: "POST", headers: headers(name), body: JSON.stringify(body) };
  const { receipt } = await jsonOf(fetch(server.url + path, init));
  expect(receipt.key).toBe(keys[name]!.id);
  return receipt.id;
}

beforeAll(async () => {
  server = await serveModels(TINY.slice(0, 2));
  for (const name of ["ann", "bob", "ops"]) {
    const { secret, key } = await server.keys.create(name, [name === "ops" ? "admin" : "infer"]);
    keys[name] = { id: key.id, secret };
  }
  const short = { model: "tiny", prompt: "abc", max_tokens: 2 };
  ids["ann"] = [
    await ask("ann", "/v1/completions", { ...short, n: 2 }),
    await ask("ann", "/v1/embeddings", { model: "sentences", input: "abc" }),
  ];
  ids["bob"] = [await ask("bob", "/v1/completions", short)];
});
afterAll(() => server.stop(0));

const idsOf = (answer: { data: { id: string }[] }) => answer.data.map(({ id }) => id).toReversed();

describe("receipts", () => {
  test("of a key cover its own requests, and no others, whatever it requests", async () => {
    for (const at of ["/v1/receipts", `/v1/receipts?key=${keys["ann"]!.id}`]) {
      const own = await jsonOf(get("bob", at));
      expect([idsOf(own), own.sum.receipts, "keys" in own]).toEqual([ids["bob"], 1, false]);
    }
  });

  test("of another key are as unknown as receipts that do not exist", async () => {
    const [foreign, none] = [ids["ann"]![0]!, "0".repeat(36)];
    const answers = await Promise.all(
      [foreign, none].map(async (id) => {
        const response = await get("bob", `/v1/receipts/${id}`);
        return [response.status, (await response.text()).replaceAll(id, "ID")];
      }),
    );
    expect(answers[0]![0]).toBe(404);
    expect(answers[0]).toEqual(answers[1]);
    expect((await get("ann", `/v1/receipts/${foreign}`)).status).toBe(200);
    expect((await get("ops", `/v1/receipts/${foreign}`)).status).toBe(200);
  });

  test("are all visible to an admin, for one key on request, with sums by key", async () => {
    const all = await jsonOf(get("ops", "/v1/receipts"));
    expect(idsOf(all)).toEqual([...ids["ann"]!, ...ids["bob"]!]);
    const counts = all.keys.map((sum: { key: string; receipts: number }) => [sum.key, sum.receipts]);
    expect(Object.fromEntries(counts)).toEqual({ [keys["ann"]!.id]: 2, [keys["bob"]!.id]: 1 });
    const spent = all.keys.map((sum: { flops: { spent: number } }) => sum.flops.spent);
    expect(spent[0] + spent[1]).toBe(all.sum.flops.spent);
    const one = await jsonOf(get("ops", `/v1/receipts?key=${keys["ann"]!.id}&model=tiny`));
    expect([idsOf(one), one.sum.receipts]).toEqual([[ids["ann"]![0]], 1]);
  });
});

test("are hidden from callers without a key, even other anonymous ones", async () => {
  const open = await serveModels(TINY.slice(0, 1), { allowAnonymous: true });
  await open.keys.create("team", ["infer"]);
  const response = await fetch(`${open.url}/v1/receipts`);
  expect([response.status, (await jsonOf(response)).error.message]).toEqual([
    401,
    expect.stringContaining("API key required"),
  ]);
  await open.stop(0);
});
