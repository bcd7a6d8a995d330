/** A file's questions are asked as in `run`, the library and the server. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { load } from "../../index.ts";
import { chosenRecipe, type RegisteredRecipe, registerRecipe } from "../../savings/registered.ts";
import { jsonOf, post, serveModels, tinyWithTemplate } from "../../serve/serve.testing.ts";
import { adapterHash, writeRecord } from "../../weights/adapter/record.ts";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import type { Summary } from "../results.ts";
import { findTask } from "../tasks/registry.ts";
import { runGrid, type Watcher } from "./grid.ts";
import { runOptions } from "./options.ts";
import { TINY } from "./run.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-form-"));
afterAll(() => rmSync(folder, { recursive: true }));
const chatting = writeAt(
  path.join(folder, "chatting.gguf"),
  tinyWithTemplate("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"),
);
const silent: Watcher = { begin() {}, recipe: () => () => {} };

const rows = (...lines: object[]): string =>
  writeAt(path.join(tempFolder(), "own.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
const questions = () => rows({ prompt: "the cat", answer: "sat" }, { prompt: "a dog saw", answer: "the cat" });

const ADAPTER = path.join(import.meta.dirname, "../../weights/adapter/fixtures/llama-gguf");
const OTHER = path.join(import.meta.dirname, "../../weights/adapter/fixtures/llama-gguf-head");

async function run(
  model: string,
  spec: string,
  options = {},
  adapter?: string,
): Promise<{ summary: Summary; texts: string[] }> {
  const out = tempFolder();
  const cell = { task: await findTask(spec), source: await resolveModel(model), quant: "f32" as const };
  const [summary] = await runGrid(
    {
      cells: [{ ...cell, adapter, options: runOptions.parse(options) }],
      ...{ recipes: [], searches: [], budget: {}, out, reuse: "refuse", command: "lab run", version: "0" },
    },
    silent,
  );
  const lines = readFileSync(path.join(out, "results.jsonl"), "utf8").trim().split("\n");
  const results = lines.map((line) => JSON.parse(line) as { item: string; answer: { text: string } });
  return { summary: summary!, texts: results.sort((a, b) => +a.item - +b.item).map(({ answer }) => answer.text) };
}

const greedy = { temperature: 0, maxTokens: 128, repetitionDetection: false };

describe("a file's prompts", () => {
  test("are a user's turns for a chat model: the text is the library's, whole", async () => {
    using model = await load(chatting, { quant: "f32" });
    const { summary, texts } = await run(chatting, questions());
    expect(summary).toMatchObject({ prompt: "chat", metric: { name: "contains-answer" } });
    for (const [i, prompt] of ["the cat", "a dog saw"].entries())
      expect(texts[i]).toBe((await model.complete(prompt, greedy)).text);
  });

  test("are plain text with --raw, and for a model without a chat template", async () => {
    const plain = await run(TINY, questions());
    const raw = await run(chatting, questions(), { raw: true });
    expect(raw.texts).toEqual(plain.texts);
    expect(raw.texts).not.toEqual((await run(chatting, questions())).texts);
    for (const { summary } of [plain, raw])
      expect(summary).toMatchObject({ prompt: "raw", metric: { name: "answer-match" } });
  });

  test("as messages are used unchanged, and are not plain text", async () => {
    const messages = [
      { role: "system", content: "be short" },
      { role: "user", content: "the cat" },
    ];
    const file = rows({ messages, answer: "sat" });
    using model = await load(chatting, { quant: "f32" });
    const { summary, texts } = await run(chatting, file);
    expect(summary.prompt).toBe("chat");
    expect(texts).toEqual([(await model.complete(messages, greedy)).text]);
    const begun = [...messages, { role: "assistant", content: "a dog" }];
    const continued = await run(chatting, rows({ messages: begun, answer: "sat" }));
    expect(continued.texts).toEqual([(await model.complete(begun, greedy)).text]);
    await expect(run(chatting, file, { raw: true })).rejects.toThrow(
      /--raw sends prompts as plain text, but item "1" of .* has messages/,
    );
    await expect(run(TINY, file)).rejects.toThrow(/the model has no chat template/);
  });

  test("with choices are scored after the unchanged prompt", async () => {
    const { summary } = await run(chatting, rows({ prompt: "the cat", choices: ["sat", "ran"], gold: 0 }));
    expect(summary).toMatchObject({ prompt: "scored", chance: 0.5 });
  });
});

describe("a run with an adapter", () => {
  const own = path.join(folder, "adapter");
  beforeAll(() => {
    vi.stubEnv("MODICUM_HOME", path.join(folder, "home"));
    cpSync(ADAPTER, own, { recursive: true });
  });
  afterAll(() => void vi.unstubAllEnvs());

  test("uses the form of the adapter's training, and its recipe includes the adapter", async () => {
    await writeRecord(own, { prompt: "raw" });
    const { summary, texts } = await run(chatting, questions(), {}, own);
    expect(summary).toMatchObject({
      prompt: "raw",
      adapter: { folder: path.relative("", own), sha256: adapterHash(own) },
    });
    using direct = await load(chatting, { quant: "f32", adapter: own });
    const stop = { ...greedy, stop: ["\n"], maxTokens: 32 };
    expect(texts[0]).toBe((await direct.complete("the cat", stop)).text);
    expect(texts[0]).not.toBe((await run(chatting, questions(), { raw: true })).texts[0]);
    const { adapter } = summary;
    await registerRecipe("chatting.gguf@sku", {
      ...{ model: chatting, recipe: [], adapter, created: new Date(0).toISOString() },
    });
    using recipe = await load("chatting.gguf@sku", { quant: "f32" });
    expect((await recipe.complete("the cat", stop)).text).toBe(texts[0]);
    const server = await serveModels([`chatting.gguf=${chatting}`]);
    onTestFinished(() => server.stop(0).then(() => {}));
    const body = { messages: [{ role: "user", content: "the cat" }], max_tokens: 32, temperature: 0, stop: "\n" };
    const answer = await jsonOf(post(server, "/v1/chat/completions", { model: "chatting.gguf@sku", ...body }));
    const inAuto = await load("chatting.gguf@sku");
    onTestFinished(() => inAuto.dispose());
    expect(answer.choices[0].message.content).toBe((await inAuto.complete("the cat", stop)).text);
  });

  test("is bound to it: another adapter, or changed files, are refused", async () => {
    await registerRecipe("chatting.gguf@own", chosenRecipe(chatting, [], own));
    await expect(load("chatting.gguf@own", { adapter: OTHER })).rejects.toThrow(
      `chatting.gguf@own was registered with the adapter ${own}; expected the same here`,
    );
    const evidence = { file: "f", sha256: "0", task: "t", metric: "m", quality: 1, delta: 0, flops_saved: 0 };
    await registerRecipe("chatting.gguf@bare", { ...chosenRecipe(chatting, []), evidence });
    await expect(load("chatting.gguf@bare", { adapter: own })).rejects.toThrow(
      "chatting.gguf@bare was measured without an adapter; expected the same here",
    );
    cpSync(OTHER, own, { recursive: true, force: true });
    await expect(load("chatting.gguf@own")).rejects.toThrow("whose files have changed since; register it again");
  });
});

describe("a registered recipe's evidence", () => {
  const evidence = { file: "f", sha256: "0", task: "own.jsonl", metric: "m", quality: 1, delta: 0, flops_saved: 0 };
  const entry = (prompt?: "chat" | "raw" | "scored"): RegisteredRecipe => ({
    ...{ model: chatting, recipe: ["xattention:threshold=0.9"], created: new Date(0).toISOString() },
    evidence: { ...evidence, ...(prompt && { prompt }) },
  });

  beforeAll(async () => {
    vi.stubEnv("MODICUM_HOME", path.join(folder, "home"));
    for (const prompt of ["chat", "raw", "scored"] as const)
      await registerRecipe(`chatting.gguf@${prompt}`, entry(prompt));
    await registerRecipe("chatting.gguf@older", entry());
  });

  afterAll(() => void vi.unstubAllEnvs());

  const refusal = (name: string, measured: string, actual: string) =>
    `chatting.gguf@${name} was measured on ${measured} (own.jsonl), but this prompt is read as ${actual}`;

  test("of generated answers binds the library to their prompt's form", async () => {
    using raw = await load("chatting.gguf@raw", { quant: "f32" });
    await expect(raw.complete("a", { maxTokens: 1 })).rejects.toThrow(refusal("raw", "plain text", "a chat"));
    await raw.complete("a", { maxTokens: 1, raw: true });
    await raw.complete([1], { maxTokens: 1 });
    using chat = await load("chatting.gguf@chat", { quant: "f32" });
    await expect(chat.complete("a", { maxTokens: 1, raw: true })).rejects.toThrow(
      refusal("chat", "a chat", "plain text"),
    );
    await chat.complete("a", { maxTokens: 1 });
  });

  test("of scored texts, or from before forms were recorded, is a notice, once", async () => {
    for (const [name, sentence] of [
      ["scored", /measured by the likelihood of given texts \(own\.jsonl\)/],
      ["older", /measured before the form of prompts was recorded/],
    ] as const) {
      const onNotice = vi.fn();
      using model = await load(`chatting.gguf@${name}`, { quant: "f32", onNotice });
      for (const raw of [true, false, true]) await model.complete("a", { maxTokens: 1, raw });
      const notices = onNotice.mock.calls.flat().filter((notice: string) => notice.startsWith("chatting.gguf@"));
      expect(notices).toEqual([expect.stringMatching(sentence)]);
    }
  });

  test("binds the server: 400 for the other form, one line in the log for scored texts", async () => {
    const server = await serveModels([`chatting.gguf=${chatting}`]);
    onTestFinished(() => server.stop(0).then(() => {}));
    const chat = (model: string) =>
      post(server, "/v1/chat/completions", { model, messages: [{ role: "user", content: "a" }], max_tokens: 1 });
    const completion = (model: string) => post(server, "/v1/completions", { model, prompt: "a", max_tokens: 1 });
    const refused = await chat("chatting.gguf@raw");
    expect([refused.status, (await jsonOf(refused)).error.message]).toEqual([
      400,
      expect.stringContaining(refusal("raw", "plain text", "a chat")),
    ]);
    expect((await completion("chatting.gguf@chat")).status).toBe(400);
    for (const [ask, model] of [
      [chat, "chatting.gguf@chat"],
      [completion, "chatting.gguf@raw"],
      [chat, "chatting.gguf@scored"],
      [completion, "chatting.gguf@scored"],
    ] as const)
      expect((await ask(model)).status).toBe(200);
    expect(server.logged.filter((line) => line.includes("likelihood of given texts"))).toHaveLength(1);
  });
});
