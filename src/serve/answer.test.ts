import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createIndex } from "../index.ts";
import { receiptSchema } from "../ledger/receipt.ts";
import { Indexes } from "./indexes.ts";
import { termsSchema } from "./keys/terms.ts";
import { Catalogue } from "./models/catalogue.ts";
import { jsonOf, post, serveModels, type Testing, TINY, tinyWithTemplate } from "./serve.testing.ts";

const documents = [
  { id: "a", title: "Fruit", text: "Apples grow on trees." },
  { id: "b", title: "Trains", text: "The train is late again." },
];
const home = mkdtempSync(path.join(tmpdir(), "modicum-answer-"));
const TEMPLATE = "{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}";

let server: Testing;
/** The same server with memory for only one of its models. Both servers close their indexes. */
let narrow: Testing;
beforeAll(async () => {
  const before = process.env["MODICUM_HOME"];
  process.env["MODICUM_HOME"] = home;
  const sentences = TINY[1]!.slice(TINY[1]!.indexOf("=") + 1);
  for (const [index, embedding] of [
    ["notes", "none"],
    ["vectors", sentences],
    ["empty", "none"],
  ] as const) {
    await using created = await createIndex(index, { embedding });
    if (index !== "empty") await created.add(documents);
  }
  const file = path.join(home, "chatting.gguf");
  writeFileSync(file, tinyWithTemplate(TEMPLATE));
  const open = () => Indexes.open(["notes", "vectors", "empty"], undefined);
  const models = [`chatting=${file}`, `sentences=${sentences}`];
  const memory = Math.max(...(await Catalogue.open(models)).list().map(({ source }) => source.bytes));
  const all = [await open(), await open()] as const;
  if (before === undefined) delete process.env["MODICUM_HOME"];
  else process.env["MODICUM_HOME"] = before;
  server = await serveModels(models, { indexes: all[0] });
  narrow = await serveModels(models, { indexes: all[1], memory });
});
afterAll(async () => {
  await server.stop(0);
  await narrow.stop(0);
  rmSync(home, { recursive: true });
});

const ask = (more: object = {}, to = "/v1/answer") =>
  post(server, to, { model: "chatting", question: "apples?", index: "notes", max_tokens: 3, ...more });

async function eventsOf(response: Promise<Response>): Promise<Record<string, never>[]> {
  const lines = (await (await response).text()).split("\n\n").filter((line) => line.startsWith("data: {"));
  return lines.map((line) => JSON.parse(line.slice("data: ".length)));
}

describe("POST /v1/answer", () => {
  test("always: the passages, their citations, and one receipt of search and answer", async () => {
    const answered = await jsonOf(ask({ retrieval: "always" }));
    expect(answered).toMatchObject({
      ...{ object: "answer", model: "chatting", retrieved: true, citations: [] },
      documents: [{ id: "a", title: "Fruit", text: documents[0]!.text, score: expect.any(Number) }],
      gate: { method: "always", score: 1, threshold: 1 },
    });
    expect(receiptSchema.parse(answered.receipt)).toMatchObject({
      ...{ model: "chatting+expertrag", recipe: ["expertrag:retrieval=always,passages=3"], estimated: false },
      work: { calls: { chatting: { dense: 1, run: 1 } }, retrievals: { dense: 1, run: 1 } },
    });
    expect(answered.receipt.flops.overhead).toBeGreaterThan(0);
    expect(await jsonOf(fetch(`${server.url}/v1/receipts/${answered.receipt.id}`))).toEqual(answered.receipt);
  });

  test("never: no index is needed", async () => {
    const { retrieved, documents: none, receipt } = await jsonOf(ask({ retrieval: "never", index: undefined }));
    expect([retrieved, none, receipt.work.retrievals.run]).toEqual([false, [], 0]);
  });

  test("by a gate: the threshold decides, and a retrieval discards the plain prompt", async () => {
    const gate = (threshold: number) => jsonOf(ask({ gate: { method: "margin", threshold } }));
    const [all, none] = [await gate(0), await gate(1.1)];
    expect([all.retrieved, none.retrieved]).toEqual([true, false]);
    expect(all.receipt.work.calls.chatting).toEqual({ dense: 1, run: 2 });
    expect(none.receipt.work.calls.chatting).toEqual({ dense: 1, run: 1 });
    expect(all.gate.score).toBeCloseTo(none.gate.score, 5);
    const plain = await jsonOf(ask({ retrieval: "never" }));
    expect(none.text).toBe(plain.text);
  });

  test("without a calibrated gate, auto retrieves always, which the log says once", async () => {
    for (let i = 0; i < 2; i++)
      expect(await jsonOf(ask())).toMatchObject({ retrieved: true, gate: { method: "always" } });
    expect(server.logged.filter((line) => line.includes("chatting has no calibrated gate"))).toEqual([
      expect.stringContaining("modicum answer calibrate --model chatting"),
    ]);
  });

  test("by vectors: the index's model is billed, and not held together with the other", async () => {
    const { documents: hits, receipt } = await jsonOf(ask({ retrieval: "always", index: "vectors", top_k: 1 }));
    expect(hits).toHaveLength(1);
    expect(Object.keys(receipt.work.calls)).toHaveLength(2);
  });

  test("twenty concurrent requests over memory for one of its two models: none waits for itself", async () => {
    const body = { ...{ model: "chatting", question: "apples?", index: "vectors" }, max_tokens: 3 };
    const gated = { ...body, gate: { method: "margin", threshold: 0 } };
    const all = Array.from({ length: 20 }, () => jsonOf(post(narrow, "/v1/answer", gated)));
    for (const { receipt } of await Promise.all(all))
      expect(receipt.work.calls).toMatchObject({ chatting: { run: 2 }, sentences: { run: 1 } });
    const { data } = await jsonOf(fetch(`${narrow.url}/v1/models`));
    expect(data.filter(({ loaded }: { loaded: unknown[] }) => loaded.length > 0)).toHaveLength(1);
  });

  test("an empty index returns the plain answer, says so, and is logged", async () => {
    const answered = await jsonOf(ask({ retrieval: "always", index: "empty" }));
    expect(answered).toMatchObject({ retrieved: false, nothing_found: true, documents: [] });
    expect(server.logged.some((line) => line.includes("a search found nothing"))).toBe(true);
  });

  test("a stream begins with the decision", async () => {
    const events = await eventsOf(ask({ retrieval: "always", stream: true }));
    expect(events[0]).toMatchObject({ retrieved: true, documents: [{ id: "a" }], gate: { method: "always" } });
    expect(events[0]).not.toHaveProperty("text");
    expect(events.at(-1)).toMatchObject({ finish_reason: "length", receipt: { work: { retrievals: { run: 1 } } } });
  });

  test.each([
    [{ index: "note" }, 404, 'no index is called "note" here; did you mean "notes"?'],
    [{ index: undefined }, 400, "retrieval auto needs an index; expected its name"],
    [{ gate: { method: "entropy" } }, 400, "chatting has no calibrated entropy gate"],
    [{ retrieval: "never", gate: { method: "margin" } }, 400, "gate needs retrieval=auto, got retrieval=never"],
    [{ retrieval: "maybe" }, 400, "retrieval"],
    [{ question: "" }, 400, "question"],
    [{ model: "sentences" }, 400, "sentences is an encoder"],
    [{ by: "dense" }, 400, "the index notes has no vectors"],
  ])("refuses %j", async (body, status, sentence) => {
    const response = await ask({ retrieval: "by" in body ? "always" : undefined, ...body });
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([
      status,
      expect.stringContaining(sentence),
    ]);
  });
});

describe("retrieval on chats", () => {
  const messages = [
    { role: "user", content: "hi" },
    { role: "assistant", content: "yes" },
    { role: "user", content: "apples?" },
  ];
  const chat = (retrieval: object | undefined, more: object = {}) =>
    post(server, "/v1/chat/completions", {
      model: "chatting",
      messages,
      max_tokens: 3,
      temperature: 0,
      retrieval,
      ...more,
    });

  test("the last user turn is the query and holds the passages", async () => {
    const { retrieval, usage, choices } = await jsonOf(chat({ mode: "always", index: "notes" }));
    expect(retrieval).toMatchObject({ used: true, method: "always", documents: [{ id: "a" }], citations: [] });
    const plain = await jsonOf(chat(undefined));
    expect(usage.prompt_tokens).toBeGreaterThan(plain.usage.prompt_tokens + 40);
    expect(choices[0].message.role).toBe("assistant");
  });

  test("never answers as without the field", async () => {
    const [never, plain] = [await jsonOf(chat({ mode: "never" })), await jsonOf(chat(undefined))];
    expect(never.choices[0].message).toEqual(plain.choices[0].message);
    expect(never.retrieval.used).toBe(false);
    expect(plain.retrieval).toBeUndefined();
  });

  test("a stream's first event has the decision and no text", async () => {
    const events = await eventsOf(chat({ mode: "always", index: "notes" }, { stream: true }));
    expect(events[0]).toMatchObject({
      retrieval: { used: true, documents: [{ id: "a" }] },
      choices: [{ index: 0, delta: { role: "assistant" }, finish_reason: null }],
    });
    expect(events.slice(1).every((event) => !("retrieval" in event))).toBe(true);
  });

  test.each([
    [{ retrieval: { index: "notes" }, n: 2 }, "n: expected 1 with retrieval"],
    [{ retrieval: { index: "notes" }, messages: [{ role: "system", content: "x" }] }, "expected one with text"],
    [{ retrieval: {} }, "retrieval auto needs an index"],
  ])("refuses %j", async (body, sentence) => {
    const response = await chat(undefined, body);
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([400, expect.stringContaining(sentence)]);
  });
});

// This test runs last, since every request after it needs a key.
test("a key searches only the indexes in its terms", async () => {
  const { secret } = await server.keys.create("k", ["infer"], termsSchema.parse({ index: ["empty"] }));
  const answerFrom = (index: string) =>
    fetch(`${server.url}/v1/answer`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
      body: JSON.stringify({ model: "chatting", question: "apples?", index, retrieval: "always", max_tokens: 1 }),
    });
  expect([(await answerFrom("empty")).status, (await answerFrom("notes")).status]).toEqual([200, 404]);
});
