import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { receiptSchema } from "../../ledger/receipt.ts";
import { Catalogue } from "../models/catalogue.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "../serve.testing.ts";

let server: Testing;
beforeAll(async () => {
  server = await serveModels([TINY[0]!, "tiny+vote@n=4"]);
});
afterAll(() => server.stop(0));

const ask = (path: string, body: object) => post(server, path, { model: "tiny+vote", max_tokens: 3, seed: 1, ...body });
const completion = { prompt: "Once upon a time" };

test("a pipeline answers completions, with its own field and one receipt", async () => {
  const { choices, vote, receipt } = await jsonOf(ask("/v1/completions", completion));
  expect(choices[0].text).not.toBe("");
  expect(vote.answers.reduce((sum: number, { count }: { count: number }) => sum + count, 0)).toBe(vote.drawn);
  expect(receiptSchema.parse(receipt)).toMatchObject({
    ...{ model: "tiny+vote", recipe: ["vote:n=4"] },
    work: { calls: { tiny: { dense: 1, run: vote.drawn } } },
  });
});

test("each of several answers has its own vote, and equal seeds return equal answers", async () => {
  const { choices, vote } = await jsonOf(ask("/v1/completions", { ...completion, n: 2 }));
  expect([choices.length, vote]).toEqual([2, undefined]);
  const [alone] = (await jsonOf(ask("/v1/completions", completion))).choices;
  expect(choices[0]).toMatchObject({ text: alone.text, vote: { drawn: expect.any(Number) } });
});

test("twenty concurrent requests over a pool of one model: none waits for itself", async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => jsonOf(ask("/v1/completions", completion))));
  expect(new Set(answers.map(({ choices }) => choices[0].text)).size).toBe(1);
});

test.each([false, true])(
  "twenty concurrent requests for a pair, streamed: %s, over memory for one of its models: none waits for itself",
  async (stream) => {
    const untied = fileURLToPath(new URL("../../models/fixtures/llama-tiny-untied.gguf", import.meta.url));
    const models = [TINY[0]!, `untied=${untied}`];
    const memory = Math.max(...(await Catalogue.open(models)).list().map(({ source }) => source.bytes));
    const narrow = await serveModels(models, { memory });
    const body = { ...completion, model: "tiny>untied@t=inf", max_tokens: 3, temperature: 0, stream };
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await post(narrow, "/v1/completions", body)).text()),
    );
    for (const answer of answers) {
      expect(answer).toContain('"route":{"to":"super","model":"untied"');
      expect(answer).toContain('"calls":{"tiny":{"dense":0,"run":1},"untied":{"dense":1,"run":1}}');
    }
    const { data } = await jsonOf(fetch(`${narrow.url}/v1/models`));
    expect(data.filter(({ loaded }: { loaded: unknown[] }) => loaded.length > 0)).toHaveLength(1);
    await narrow.stop(0);
  },
);

test("models list it, and other paths report its kind", async () => {
  const { data } = await jsonOf(fetch(`${server.url}/v1/models`));
  expect(data.at(-1)).toMatchObject({ id: "tiny+vote", recipe: ["vote:n=4"], models: { model: "tiny" } });
  const refused = await jsonOf(ask("/v1/completions", { ...completion, savings: ["lookup"] }));
  expect(refused.error).toMatchObject({ param: "savings", message: /savings apply to one model; in/ });
  const embedded = await jsonOf(post(server, "/v1/embeddings", { model: "tiny+vote", input: "a" }));
  expect(embedded.error.message).toMatch(/^tiny\+vote is a vote of one model's answers, which /);
});
