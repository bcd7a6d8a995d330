/** Tests that a model with an adapter reads prompts in the form that the adapter was trained on. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { openAdapted } from "../engine/file/adapters.ts";
import { load, type Model, UserError } from "../index.ts";
import { tinyWithTemplate } from "../serve/serve.testing.ts";
import { adapterHash, readRecord, writeRecord } from "../weights/adapter/record.ts";
import { templateHash } from "../weights/tokenizer/index.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-adapter-form-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);
const poet = path.join(import.meta.dirname, "../weights/adapter/fixtures/llama-gguf");

const TEMPLATE = "{% for m in messages %}the {{ m.content }} on {% endfor %}";
const base = at("base.gguf");
writeFileSync(base, tinyWithTemplate(TEMPLATE));
const template = templateHash({ chatTemplate: TEMPLATE })!;
for (const name of ["raw", "chat", "other", "none"]) cpSync(poet, at(name), { recursive: true });
await writeRecord(at("raw"), { prompt: "raw", template });
await writeRecord(at("chat"), { prompt: "chat", template });
await writeRecord(at("other"), { prompt: "chat", template: "0".repeat(64) });

const options = { maxTokens: 6 } as const;
const text = "a cat and a hat";
const turn = [{ role: "user", content: text }];
const idsOf = async (model: Model, ...call: Parameters<Model["complete"]>) => {
  const { tokens, receipt } = await model.complete(...call);
  return [receipt.tokens.prompt, ...tokens.map(({ id }) => id)];
};

test("a text and one user turn are plain text for a raw adapter, unless the caller says otherwise", async () => {
  using model = await load(base, { adapters: { raw: at("raw"), chat: at("chat"), none: at("none") } });
  const read = (prompt: Parameters<Model["complete"]>[0], adapter?: string, raw?: boolean) =>
    idsOf(model, prompt, { ...options, adapter, ...(raw !== undefined && { raw }) });
  const [plain, chat] = [await read(text, "none", true), await read(text, "none", false)];
  expect(plain).not.toEqual(chat);
  for (const prompt of [text, turn]) {
    expect(await read(prompt, "raw")).toEqual(plain);
    expect(await read(prompt, "raw", false)).toEqual(chat);
    for (const name of ["chat", "none"]) expect(await read(prompt, name)).toEqual(chat);
  }
  expect(await read(text, "chat", true)).toEqual(plain);
  expect(await read(text)).toEqual(await read(turn, undefined, false));
  const all = [undefined, "raw", "chat"].map((adapter) => ({ prompt: text, ...options, adapter }));
  const together = (await model.completeAll(all)).map(({ tokens }) => tokens.map(({ id }) => id));
  expect(together).toEqual([(await read(text)).slice(1), plain.slice(1), chat.slice(1)]);
});

test("an adapter for every request is also read in its form", async () => {
  using model = await load(base, { adapter: at("raw") });
  expect(await idsOf(model, turn, options)).toEqual(await idsOf(model, text, { ...options, raw: true }));
  expect(model.language.formOf(text)).toBe("raw");
  expect(model.language.formOf(text, false)).toBe("chat");
  expect(model.language.formOf([1, 2])).toBeUndefined();
});

test("the same holds for a merged adapter", async () => {
  cpSync(path.join(poet, "../llama"), at("merged"), { recursive: true });
  await writeRecord(at("merged"), { prompt: "raw" });
  const biased = path.join(import.meta.dirname, "../models/fixtures/llama-biased");
  const { own, records } = await openAdapted(biased, { adapter: at("merged") });
  expect([own, records.get(undefined)]).toEqual([undefined, { name: "merged", prompt: "raw" }]);
});

test.each<[string, object[], object]>([
  ["3 turns", [...turn, { role: "assistant", content: "b" }, ...turn], {}],
  ["a turn of role system", [{ role: "system", content: "b" }], {}],
  ["a turn with an image or other parts", [{ role: "user", content: [{ type: "image" }] }], {}],
  ["tools", turn, { tools: [{ type: "function", function: { name: "f" } }] }],
])("a raw adapter refuses %s in one sentence that names it", async (got, turns, more) => {
  using model = await load(base, { adapter: at("raw") });
  const run = model.complete(turns as never, { ...options, ...more });
  await expect(run).rejects.toThrow(UserError);
  await expect(run).rejects.toThrow(
    `the adapter "raw" was trained on plain text: expected one user turn of text, got ${got}`,
  );
});

test("another chat template is one notice; a damaged record is one sentence", async () => {
  const notices: string[] = [];
  const onNotice = (sentence: string) => void notices.push(sentence);
  for (const adapter of [at("other"), at("chat"), at("raw"), at("none")])
    (await load(base, { adapter, onNotice })).dispose();
  expect(notices).toEqual([
    `the adapter "other" was trained with a different chat template, but the template of ${base} is used: answers may be worse`,
  ]);
  writeFileSync(path.join(at("other"), "modicum.json"), '{ "prompt": "plain" }');
  await expect(load(base, { adapter: at("other") })).rejects.toThrow(
    'modicum.json: "prompt": expected "chat" or "raw", got "plain"',
  );
});

test("an adapter's hash depends on what it computes; its record may be removed", async () => {
  expect(adapterHash(at("raw"))).toBe(adapterHash(at("none")));
  expect(adapterHash(at("raw"))).not.toBe(
    adapterHash(path.join(import.meta.dirname, "../weights/adapter/fixtures/llama-gguf-head")),
  );
  expect(() => adapterHash(folder)).toThrow(UserError);
  await writeRecord(at("chat"), undefined);
  expect(readRecord(at("chat"))).toBeUndefined();
});
