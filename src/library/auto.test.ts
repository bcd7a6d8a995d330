/** Answers under a certificate: the recipe, the guarantee and the budget on their receipts. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type ChatMessage, load, type Model } from "../index.ts";
import {
  type Certificate,
  certificateFile,
  keepCertificate,
  requireWeights,
  switchFile,
} from "../savings/auto/certificate.ts";
import { certificateOf } from "../savings/auto/fixture.testing.ts";
import { parseRecipe } from "../savings/recipe.ts";
import { TINY, tinyWithTemplate } from "../serve/serve.testing.ts";
import { adapterHash } from "../weights/adapter/record.ts";
import { modelHash, resolveModel } from "../weights/sources/index.ts";

const FILE = TINY[0]!.slice("tiny=".length);
const EXIT = "exit:layer=1,fill=copy-kv";
const folder = mkdtempSync(path.join(tmpdir(), "modicum-auto-"));
const shared = { model: "" };
let model: Model;

const keep = (name: string, over: Partial<Certificate> = {}) =>
  keepCertificate(name, certificateOf(EXIT, { ...shared, form: "auto", ...over }));

beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", folder);
  shared.model = await modelHash(await resolveModel(FILE));
  await keep("mine");
  model = await load(FILE, { save: ["auto:mine"] });
});
afterAll(() => {
  model.dispose();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const PROMPT = "once upon a time there was a house";
const ask = (options = {}, prompt = PROMPT) => model.complete(prompt, { maxTokens: 4, ...options });

test("a receipt names the recipe that ran and the guarantee, and the answer is that recipe's", async () => {
  const [certified, named] = [await ask(), await ask({ save: [EXIT] })];
  expect(certified.receipt).toMatchObject({
    recipe: [EXIT],
    guarantee: { risk: 0.05, confidence: 0.95, loss: "agreement", certificate: "mine" },
  });
  expect(certified.receipt).not.toHaveProperty("unguaranteed");
  expect(certified.text).toBe(named.text);
  expect(certified.receipt.flops.spent).toBeLessThan(certified.receipt.flops.dense);
});

test("a prompt shorter than the test's is answered by dense, and the receipt says why", async () => {
  const [short, dense] = [await ask({}, "once"), await ask({ save: [] }, "once")];
  expect(short.receipt).toMatchObject({ recipe: [], guarantee: null, unguaranteed: "length" });
  expect(short.text).toBe(dense.text);
});

test("a budget chooses within the ladder, and the receipt says whether it was met", async () => {
  const { receipt } = await ask({ budget: { flops: 1e9 } });
  expect(receipt).toMatchObject({ recipe: [], budget: { asked: { flops: 1e9 }, met: true } });
  expect(receipt.budget?.spent.flops).toBe(receipt.flops.spent);
  expect((await ask({ budget: { flops: 1 } })).receipt).toMatchObject({
    ...{ recipe: [EXIT], budget: { met: false }, guarantee: { certificate: "mine" } },
  });
});

test("a conversation keeps the recipe with the cached prefix, even if another is cheaper from the start", async () => {
  const file = path.join(folder, "chat.gguf");
  writeFileSync(file, tinyWithTemplate("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"));
  using chat = await load(file);
  const sparse = "xattention:threshold=0.3,blockSize=8,stride=4,minLengthForSparse=8";
  const price = (fixed: number, each: number) => ({ fixed, new: each, attended: 0, answer: 0 });
  const same = { flops: price(0, 1), bytes: price(0, 1) };
  const recipes = {
    dense: { loss: 0, ms: price(120, 1), ...same },
    [sparse]: { loss: 0.01, ms: price(0, 3), ...same },
  };
  const ladder: Certificate["ladder"] = [{ tokens: [0, 10_000], rungs: [sparse, "dense"] }];
  const hash = await modelHash(await resolveModel(file));
  await keep("chat", { model: hash, prompt: "chat", lengths: [1, 10_000], ladder, recipes });
  const say = (messages: readonly ChatMessage[]) =>
    chat.complete(messages, { maxTokens: 4, save: ["auto:chat"], budget: { ms: 1 } });

  const first: ChatMessage[] = [{ role: "user", content: "once upon a time there was a house" }];
  const { text, receipt: begun } = await say(first);
  expect(begun).toMatchObject({ recipe: [sparse], tokens: { cached: 0 } });
  expect(begun.budget!.predicted.ms).toBe(3 * begun.tokens.prompt);

  const second: ChatMessage[] = [
    ...first,
    { role: "assistant", content: text },
    { role: "user", content: "and who lived in it, by the river and the tree" },
  ];
  const { receipt: going } = await say(second);
  const { prompt, cached } = going.tokens;
  expect(going.recipe).toEqual([sparse]);
  expect(cached).toBeGreaterThanOrEqual(begun.tokens.prompt - 1);
  expect(going.budget!.predicted.ms).toBe(3 * (prompt - cached));

  // Repeats the turn with nothing cached.
  chat.language.engine.forget();
  const { receipt: cold } = await say(second);
  expect(cold).toMatchObject({ recipe: [], tokens: { cached: 0 }, budget: { predicted: { ms: 120 + prompt } } });
  // By now, dense has the whole prefix cached, and the sparse recipe's prefix is no longer cached.
  expect((await say(second)).receipt).toMatchObject({ recipe: [], budget: { predicted: { ms: 121 } } });
});

test("looking up a price neither copies nor touches the cache", async () => {
  const { slots } = model.language.engine;
  await ask();
  using lease = await model.language.use(parseRecipe(["auto:mine"]));
  const state = () =>
    slots.batches.flatMap((batch) =>
      batch.slots.map(({ used, busy, tokens, bytes }) => [used, busy, [...tokens], bytes]),
    );
  const before = state();
  const prompt = model.language.encode(PROMPT);
  const cached = vi.fn((key: string | undefined) => slots.reusable(prompt, key));
  lease.plan(prompt.length, [], { form: "raw", sampling: {}, constrained: false, maxTokens: 4, cached });
  expect(cached.mock.results.map(({ value }) => value)).toContain(prompt.length - 1);
  expect(state()).toEqual(before);
});

test("a budget without a certificate, and a certificate beside a saving, are refused", async () => {
  await expect(ask({ save: [], budget: { ms: 5 } })).rejects.toThrow("a budget needs a certificate");
  await expect(ask({ save: ["auto:mine", EXIT] })).rejects.toThrow("auto:mine is a whole recipe");
  await expect(ask({ budget: {} })).rejects.toThrow("expected ms, flops or both");
});

test("another way to sample is refused by name", async () => {
  await expect(ask({ temperature: 0.7 })).rejects.toThrow(
    "auto:mine was certified with temperature off, but this request's is 0.7; tune for this case",
  );
});

test("a model with an adapter has separate certificates", async () => {
  const adapter = fileURLToPath(new URL("../weights/adapter/fixtures/llama-gguf", import.meta.url));
  using adapted = await load(FILE, { adapter });
  const under = (name: string, to: Model) => to.complete(PROMPT, { maxTokens: 4, raw: true, save: [`auto:${name}`] });
  await keep("adapted", { adapter: adapterHash(adapter) });
  expect((await under("adapted", adapted)).receipt.guarantee).toMatchObject({ certificate: "adapted" });
  await expect(under("mine", adapted)).rejects.toThrow(/with no adapter, but this request's is the adapter \w{12};/);
  await expect(under("adapted", model)).rejects.toThrow(/with the adapter \w{12}, but this request's is no adapter;/);
});

test("while it is switched off, everything is dense", async () => {
  await keep("off");
  writeFileSync(switchFile("off"), "");
  expect((await ask({ save: ["auto:off"] })).receipt).toMatchObject({ recipe: [], unguaranteed: "off" });
});

test("a certificate of another model or form, a changed one and a missing one are refused", async () => {
  await keep("other", { model: "f".repeat(64) });
  await expect(ask({ save: ["auto:other"] })).rejects.toThrow(/certified for the model f{12}…, but this is \w{12}…/);
  await keep("rounded", { form: "q4" });
  await expect(ask({ save: ["auto:rounded"] })).rejects.toThrow("certified for weights of the form q4");
  await keep("rotated", { form: "q8r" });
  await expect(ask({ save: ["auto:rotated"] })).rejects.toThrow(
    /form q8r, but this is \w+; tune again, or name the model that it was tuned on; --quant q8r runs in that form$/,
  );
  const inBytes = { model: certificateOf(EXIT, shared).model, quant: "q8r" } as const;
  expect(() => requireWeights("mine", "", certificateOf(EXIT, shared), inBytes)).toThrow(
    /but this is q8r; .*; MODICUM_TUNE=off keeps auto in the default form$/,
  );
  await keep("edited");
  const certificate = certificateOf(EXIT, { ...shared, risk: 0.001 });
  writeFileSync(certificateFile("edited"), JSON.stringify({ certificate, sha256: "0".repeat(64) }));
  await expect(ask({ save: ["auto:edited"] })).rejects.toThrow("was changed after it was issued");
  await expect(ask({ save: ["auto:none"] })).rejects.toThrow("there is no certificate with that name");
  await expect(ask({ save: ["auto:"] })).rejects.toThrow("expected the name of a certificate");
});
