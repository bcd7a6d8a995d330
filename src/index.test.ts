import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import {
  ClassifyCascade,
  labelModelOf,
  load,
  type Model,
  openClassifyPair,
  profileThresholds,
  saveProfile,
} from "./index.ts";

const fixture = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const llama = fixture("models/fixtures/llama-tiny.gguf");
const folder = mkdtempSync(join(tmpdir(), "modicum-face-"));
let model: Model;
let encoder: Model;
let classifier: Model;

beforeAll(async () => {
  [model, encoder, classifier] = await Promise.all([
    load(llama),
    load(fixture("engine/fixtures/sentences")),
    load(fixture("engine/fixtures/cross-encoder")),
  ]);
});
afterAll(() => {
  for (const loaded of [model, encoder, classifier]) loaded.dispose();
  rmSync(folder, { recursive: true });
});

/** Calls that JavaScript allows, but the TypeScript compiler refuses. */
type Call = (...words: unknown[]) => Promise<unknown>;
const untyped = (value: unknown): never => value as never;
const call = (f: unknown): Call => f as Call;
const methods = (of: unknown) => of as Readonly<Record<"completeAll" | "embed" | "classify" | "relevance", Call>>;
const profile = { modelSha256: "ab".repeat(32), stride: 8, blockSize: 64, coverage: 0.9, thresholds: [[0.5]] };
const [loop, bits] = [{} as Record<string, unknown>, 10n];
loop["loop"] = loop;

const bad: [() => Promise<unknown>, string | RegExp][] = [
  [() => call(load)(), "load's model: expected an alias, hf:…, pypi:…, npm:… or a path, got nothing"],
  [() => call(load)(5), "load's model: expected an alias, hf:…, pypi:…, npm:… or a path, got 5"],
  [() => call(load)(llama, 5), "load's options: expected object, got 5"],
  [() => call(load)(llama, null), "load's options: expected object, got null"],
  [
    () => call(load)(llama, { quant: "q9" }),
    'load\'s options.quant: expected "auto", "f32", "q8", "q4" or "q8r", got "q9"',
  ],
  [() => call(load)(llama, { quantt: "q8" }), 'load\'s options: there is no "quantt"; did you mean "quant"?'],
  [() => call(load)(llama, { save: "dense" }), 'load\'s options.save: expected a list of savings, got "dense"'],
  [() => call(load)(llama, { save: [7] }), /^load's options\.save\.0: expected a saving, such as "\S+", got 7$/],
  [() => call(load)(llama, { adapter: 1 }), "load's options.adapter: expected a folder, got 1"],
  [() => call(load)(llama, { signal: true }), "load's options.signal: expected an AbortSignal, got true"],
  [() => call(load)(llama, { onProgress: 1 }), "load's options.onProgress: expected a function, got 1"],
  [() => call(load)(llama, { offline: "yes" }), 'load\'s options.offline: expected true or false, got "yes"'],
  ...[undefined, 5, {}, [-5], [{ content: "x" }], [{ role: "user" }], [{ role: "user", content: loop }]].map(
    (prompt): [() => Promise<unknown>, RegExp] => [
      () => model.complete(untyped(prompt)),
      /^generate's prompt: expected a text, a list of turns \{ role, content \}, or a list of token ids, got (nothing|5|\{\}|\[-5\]|\[\{"content":"x"\}\]|\[\{"role":"user"\}\]|a list of 1)$/,
    ],
  ),
  [() => model.complete(untyped([{ role: "user", content: bits }])), /^generate's prompt: .*got a list of 1$/],
  [() => model.complete("x", untyped(5)), "generate's options: expected object, got 5"],
  [() => model.complete("x", untyped({ maxTokens: "a" })), 'generate\'s options.maxTokens: expected number, got "a"'],
  [() => model.complete("x", { maxTokens: -1 }), "generate's options.maxTokens: must be at least 0 (got -1)"],
  [() => model.complete("x", { maxTokens: Number.NaN }), "generate's options.maxTokens: expected number, got NaN"],
  [
    () => model.complete("x", untyped({ max_tokens: 5 })),
    'generate\'s options: there is no "max_tokens"; did you mean "maxTokens"?',
  ],
  [() => model.complete("x", untyped({ stop: "." })), 'generate\'s options.stop: expected array, got "."'],
  [() => model.complete("x", untyped({ raw: 1 })), "generate's options.raw: expected true or false, got 1"],
  [() => model.complete("x", untyped({ signal: {} })), "generate's options.signal: expected an AbortSignal, got {}"],
  [() => methods(model).completeAll({}), "completeAll's requests: expected a list of requests, got {}"],
  [() => methods(model).completeAll(["x"]), 'completeAll\'s requests.0: expected object, got "x"'],
  [
    () => methods(model).completeAll([{ prompt: "x" }, {}]),
    "completeAll's requests.1.prompt: expected a text, a list of turns { role, content }, or a list of token ids, got nothing",
  ],
  [
    () => methods(model).completeAll([{ prompt: "x", temperature: -1 }]),
    "completeAll's requests.0.temperature: must be at least 0 (got -1)",
  ],
  [() => methods(model).completeAll([], 5), "completeAll's options: expected object, got 5"],
  [() => methods(encoder).embed("text"), 'embed\'s texts: expected a list of texts or images, got "text"'],
  [() => methods(encoder).embed(), "embed's texts: expected a list of texts or images, got nothing"],
  [() => methods(encoder).embed(["a", 5]), "embed's texts.1: expected a text, token ids, or an image, got 5"],
  [() => methods(encoder).embed(["a"], { signal: 5 }), "embed's options.signal: expected an AbortSignal, got 5"],
  [
    () => methods(classifier).classify("text"),
    'classify\'s texts: expected a list of texts, of pairs of texts, or of images, got "text"',
  ],
  [
    () => methods(classifier).classify([["a", "b", "c"]]),
    'classify\'s texts.0: expected a text, a pair of texts, or an image, got ["a","b","c"]',
  ],
  [
    () => methods(classifier).classify(["a"], { labels: "x" }),
    'classify\'s options.labels: expected a list of texts, got "x"',
  ],
  [() => methods(classifier).relevance(["q"], ["a"]), 'relevance\'s query: expected a text, got ["q"]'],
  [() => methods(classifier).relevance("q", "a"), 'relevance\'s texts: expected a list of texts, got "a"'],
  [() => call(profileThresholds)("smollm2", []), /^profileThresholds' model: expected a loaded model/],
  [
    () => call(profileThresholds)(model, "text", { stride: 8, blockSize: 64, coverage: 0.9 }),
    'profileThresholds\' texts: expected a list of texts, got "text"',
  ],
  [() => call(profileThresholds)(model, ["text"]), "profileThresholds' options: expected object, got nothing"],
  [() => call(saveProfile)(5, profile), "saveProfile's path: expected a text, got 5"],
  [() => call(saveProfile)(join(folder, "p.json"), {}), /^saveProfile's profile\.modelSha256: expected /],
  [
    () => saveProfile(join(folder, "none", "p.json"), profile),
    `cannot write ${join(folder, "none", "p.json")}: a folder on its path cannot be created`,
  ],
];

test.each(bad)("%s is one sentence", async (call, sentence) => {
  const refused = expect.objectContaining({
    name: "UserError",
    message: typeof sentence === "string" ? sentence : expect.stringMatching(sentence),
  });
  await expect((async () => call())()).rejects.toThrow(refused);
});

test("a prompt of megabytes is refused with both token counts, without encoding all of it", async () => {
  const { tokenizer } = model.language;
  const encode = vi.spyOn(tokenizer, "encode");
  const context = model.language.decoder.config.context;
  const refused = expect.objectContaining({
    name: "UserError",
    message: expect.stringMatching(
      new RegExp(`^the prompt has at least \\d+ tokens, but the model's context is ${context}, and an answer needs`),
    ),
  });
  await expect(model.complete("a".repeat(3e6))).rejects.toThrow(refused);
  await expect(model.complete("a b ".repeat(1e6), { raw: true })).rejects.toThrow(refused);
  await expect(model.complete([{ role: "user", content: "a".repeat(3e6) }])).rejects.toThrow(refused);
  expect(encode.mock.calls.length).toBe(3);
  encode.mockRestore();
});

test("undefined counts as omitted", async () => {
  const { text } = await model.complete(
    "abc",
    untyped({ maxTokens: 2, seed: undefined, raw: true, signal: undefined }),
  );
  expect(text).toBe((await model.complete("abc", { maxTokens: 2, raw: true })).text);
});

test("two classifiers of the same labels are a cascade, with one receipt", async () => {
  using loaded = await load(fixture("engine/fixtures/classifier"));
  const swift = labelModelOf(loaded.encoder);
  const strong = { ...swift, name: "strong", key: "strong" };
  const cascade = new ClassifyCascade({ swift, super: strong, threshold: Number.POSITIVE_INFINITY });
  const { results, receipt } = await cascade.classify(["The food was good."]);
  expect(results[0]!.route).toMatchObject({ to: "super", model: "strong" });
  expect(receipt.work!["calls"]).toEqual({
    [swift.name]: { dense: 0, run: 1 },
    strong: { dense: 1, run: 1 },
  });
  expect(() => new ClassifyCascade({ swift, super: swift, threshold: 0 })).toThrow("expected two models");
});

test("a pair of classifiers without its files is one sentence", async () => {
  const refused = expect.objectContaining({ name: "UserError", message: expect.stringContaining("swift.json") });
  await expect(openClassifyPair(folder, { by: "share", value: 0.4 })).rejects.toThrow(refused);
});

test("a profile that fits is written", async () => {
  await saveProfile(join(folder, "fits.json"), profile);
});

test("a disposed model is reported in one sentence", async () => {
  const gone = await Promise.all([load(llama), load(fixture("engine/fixtures/sentences"))]);
  for (const one of gone) {
    one.dispose();
    one.dispose();
  }
  const refused = expect.objectContaining({ name: "UserError", message: expect.stringMatching(/disposed/) });
  await expect(gone[0].complete("x")).rejects.toThrow(refused);
  await expect(gone[0].completeAll([{ prompt: "x" }])).rejects.toThrow(refused);
  await expect(gone[1].embed(["x"])).rejects.toThrow(refused);
});
