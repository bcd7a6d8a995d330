/** A controller that stops each answer at its second token: how the library, the server and the lab report it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { load } from "../src/index.ts";
import { openAnswering } from "../src/lab/answer/index.ts";
import type { AnswerOf, GenerationItem } from "../src/lab/item.ts";
import { parseRecipe } from "../src/savings/recipe.ts";
import { registerRecipe } from "../src/savings/registered.ts";
import { jsonOf, post, serveModels, type Testing } from "../src/serve/serve.testing.ts";
import { writeExits } from "../src/train/methods/exit-heads/write.ts";
import { modelHash, resolveModel } from "../src/weights/sources/index.ts";
import { root } from "./program.testing.ts";

const PATH = join(root, "packages", "models", "expertrag-world");
const folder = mkdtempSync(join(tmpdir(), "modicum-stopped-"));
const save = `sec:exit=1,stop=0,file=${join(folder, "exits")}`;
/** Without a controller, the model continues this prompt for ever. */
const PROMPT = " tana harkin";

let server: Testing;
beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", folder);
  await writeController();
  await registerRecipe("world@stop", { model: "world", recipe: [save], created: new Date().toISOString() });
  server = await serveModels([`world=${PATH}`]);
});
afterAll(async () => {
  await server.stop(0);
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** Weights of 0 make all actions equally likely; Stop is the first. */
async function writeController(): Promise<void> {
  using model = await load(PATH);
  const sha256 = await modelHash(model.language.source);
  const { hidden } = model.language.decoder.config;
  const measured = [{ auc: 0.5, positiveRate: 0.5, ece: 0 }];
  await writeExits(join(folder, "exits"), {
    metadata: {
      ...{ saving: "sec", model: { name: "world", sha256 }, layers: [2], head: { mode: "shared" } },
      deciders: [{ kind: "controller", topK: 1, temperatures: [1], measured }],
      data: { name: "none", sha256, tokens: 1 },
      measured: { tokens: 1, right: [0, 1], agree: [0, 1], neverRight: 0 },
    },
    weights: new Map([["controller.weight", { shape: [3, hidden], values: new Float32Array(3 * hidden) }]]),
  });
}

test("the library: a completion at a place was stopped, after its first token", async () => {
  using model = await load(PATH);
  const place = { line: 1, column: PROMPT.length + 1, maxTokens: 8 };
  const [dense, stopped] = [
    await model.completeAt(PROMPT, place),
    await model.completeAt(PROMPT, { ...place, save: [save] }),
  ];
  expect([dense.stopped, stopped.stopped, stopped.finishReason]).toEqual([false, true, "stopped"]);
  expect(dense.text.startsWith(stopped.text)).toBe(true);
  expect(stopped.receipt.tokens.completion).toBe(1);
  expect(stopped.receipt.flops.overhead).toBeGreaterThan(0);
});

test("the server: stopped beside finish_reason stop, whole and streamed; absent for a dense answer", async () => {
  const request = { prompt: PROMPT, max_tokens: 8, temperature: 0 };
  const ask = (model: string, more = {}) => post(server, "/v1/completions", { ...request, model, ...more });
  const [dense, whole] = [await jsonOf(ask("world")), await jsonOf(ask("world@stop"))];
  expect(whole.choices[0]).toMatchObject({ finish_reason: "stop", stopped: true });
  expect(dense.choices[0]).not.toHaveProperty("stopped");
  const events = (await (await ask("world@stop", { stream: true })).text()).split("\n\n").slice(0, -2);
  const choices = events.map((event) => JSON.parse(event.slice("data: ".length)).choices[0]);
  expect(choices.at(-1)).toMatchObject({ finish_reason: "stop", stopped: true });
  expect(choices.map(({ text }) => text).join("")).toBe(whole.choices[0].text);
});

test("the lab: the answer was stopped, with its tokens and their layers", async () => {
  const source = await resolveModel(PATH);
  using model = await openAnswering({ source, quant: "auto", truncate: undefined });
  const item: GenerationItem = {
    ...{ kind: "generation", id: "0", prompt: PROMPT, stop: [], maxTokens: 8, answers: ["x"], answerTokens: [1] },
  };
  using dense = await model.under([]);
  using sec = await model.under(parseRecipe([save]));
  const [whole, stopped] = [await dense.plan(item)!(), await sec.plan(item)!()];
  const { tokens } = whole.answer as AnswerOf["generation"];
  expect(whole.answer).toMatchObject({ layers: 4 });
  expect(whole.answer).not.toHaveProperty("stopped");
  // All layers for the first token, and two for the stopped one.
  expect(stopped.answer).toMatchObject({ tokens: tokens!.slice(0, 1), layers: 3, stopped: true });
  expect((await sec.together!([item]))[0]!.answer).toEqual(stopped.answer);
});

test("the lab omits the end token from its tokens, and keeps tokens only on request", async () => {
  const source = await resolveModel(PATH);
  using model = await openAnswering({ source, quant: "auto", truncate: undefined });
  using dense = await model.under([]);
  const question: GenerationItem = {
    ...{ kind: "generation", id: "0", prompt: " tana harkin pet", stop: [], maxTokens: 8, answers: ["x"] },
  };
  expect((await dense.plan(question)!()).answer).toEqual({ text: " magpie" });
  const { tokens } = (await dense.plan({ ...question, answerTokens: [1] })!()).answer as AnswerOf["generation"];
  expect(dense.tokenizer!.decode(tokens!)).toBe(" magpie");
  expect(tokens).toHaveLength(1);
  const promptTokens = dense.tokenizer!.encode(" tana harkin pet");
  const ofTokens = await dense.plan({ ...question, prompt: "none", promptTokens })!();
  expect(ofTokens.answer).toEqual({ text: " magpie" });
});
