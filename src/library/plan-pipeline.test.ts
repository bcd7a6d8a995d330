import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generate, generateOptions } from "../engine/decode/answer/generate.ts";
import type { PromptSpan } from "../engine/decode/run/spans.ts";
import type { Channel } from "../engine/diffusion/plan/name.ts";
import { spanOf } from "../engine/diffusion/plan/projector.ts";
import type { Receipt } from "../ledger/receipt.ts";
import { checkPlanText, planningFor, promptFor } from "../pipelines/plan/plan.ts";
import { Buffer } from "../runtime/buffer.ts";
import { completeOptions } from "../train/methods/complete.ts";
import { openProjector } from "../train/methods/projector/open.ts";
import type { ProjectorOptions } from "../train/methods/projector/projector.ts";
import { parseMethod } from "../train/methods/registry.ts";
import { Passes } from "../train/step/passes.ts";
import type { Subject } from "../train/subject/subject.ts";
import { load } from "./load.ts";
import { carry, projectingIn, TOKENS, trainPlanners } from "./plan.testing.ts";
import { openPlanner, type PlanPipeline } from "./plan-pipeline.ts";
import { openTextPipeline, type ShownChunk } from "./text-pipeline.ts";
import { openBase, train } from "./train.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-plan-"));
const at = (name: string): string => path.join(root, name);

const projecting = projectingIn(root);

/** The bytes of a model's weights. */
const hashOf = (name: string): string =>
  createHash("sha256")
    .update(readFileSync(path.join(at(name), "model.safetensors")))
    .digest("hex");

beforeAll(() => trainPlanners(root));
afterAll(() => rmSync(root, { recursive: true }));

describe("training a projector", () => {
  test("neither model's weights change, and the projector names both", async () => {
    const before = ["planner", "executor"].map(hashOf);
    await train({ ...projecting, steps: 3, batch: 2, validation: 0 }, { out: at("again") });
    expect(["planner", "executor"].map(hashOf)).toEqual(before);
    const metadata = JSON.parse(readFileSync(path.join(at("again"), "plan.json"), "utf8"));
    expect(metadata).toMatchObject({ tokens: TOKENS, sizes: { from: 32, inner: 48, to: 48 }, data: { samples: 4 } });
  });

  test("only the projector has gradients, which equal finite differences through the frozen executor", async () => {
    const options = completeOptions({ ...projecting, batch: 2, validation: 0 });
    const own = parseMethod(options.method!).options as ProjectorOptions;
    const { subject, data } = await openProjector(options, own, (model) => openBase(model, {}));
    const { trainee, store } = subject as Subject;
    const { rows, tokens } = data.training;
    using passes = await Passes.create(trainee, store, { rows, tokens, packed: false }, false);
    const batch = data.training.batch(0);
    const trained = store.parameters.filter((parameter) => parameter.trained).map(({ name }) => name);
    expect(trained.every((name) => name.startsWith("projector."))).toBe(true);
    expect(trained).toHaveLength(5);
    store.zeroGradients();
    await passes.train(batch, 1);
    for (const name of ["projector.norm.weight", "projector.down.bias", "projector.up.weight"]) {
      const { offset } = store.parameter(name);
      const values = store.valuesOf(store.parameter(name));
      const gradients = new Float32Array(store.gradients.memory, 4 * offset, values.length);
      const [start, length] = [values.slice(), Math.hypot(...gradients)];
      const lossAt = async (step: number) => {
        values.set(start.map((value, i) => value + (step * gradients[i]!) / length));
        return (await passes.evaluate(batch)).nats;
      };
      // Along the gradient, the slope of the loss is the gradient's length. Short steps suffer from rounding, long ones
      // from curvature.
      const across = async (h: number) => (await lossAt(h)) - (await lossAt(-h));
      const errors: number[] = [];
      for (const share of [0.003, 0.01, 0.03, 0.1]) {
        const h = share * (Math.hypot(...start) || 0.5);
        errors.push(Math.abs((8 * (await across(h)) - (await across(2 * h))) / (12 * h) / length - 1));
      }
      values.set(start);
      expect(Math.min(...errors), name).toBeLessThan(5e-3);
    }
    subject[Symbol.dispose]();
  });

  test.each([
    [{ model: `${at("executor")}+${at("planner")}` }, "does not fill in masked tokens"],
    [{ model: `${at("planner")}+${at("planner")}` }, "does not accept embeddings instead of tokens"],
    [{ model: at("planner") }, "is not a planner with an executor"],
    [{ lora: { rank: 2 } }, "lora: only the projector is trained"],
    [{ freezeMask: "mask.json" }, "freezeMask: only the projector is trained"],
    [{ data: at("texts.jsonl") }, 'expected "prompt" (a question) and "completion"'],
  ])("%o is refused", async (options, sentence) => {
    writeFileSync(at("texts.jsonl"), '{"text":"abc"}\n');
    await expect(train({ ...projecting, ...options }, { out: at("refused") })).rejects.toThrow(sentence);
  });
});

describe("a planner with an executor", () => {
  let pipeline: PlanPipeline;
  beforeAll(async () => {
    pipeline = await openPlanner(projecting.model, { projector: at("projector") });
  });
  afterAll(() => pipeline.dispose());
  const ends = { ends: "never" } as const;

  test.each(["latent", "text", "none"] as const)(
    "%s: answers, shows its plan, and bills both models",
    async (channel) => {
      const { plan, receipt, text } = await pipeline.answer("abca", { planning: { channel, ...ends } });
      expect(text.length).toBeLessThanOrEqual(8);
      const planned = channel === "none" ? 0 : 1;
      expect(plan).toMatchObject({ channel, tokens: planned * TOKENS });
      expect(plan.text).toHaveLength(planned * TOKENS);
      // One pass per token, and one more for the states.
      expect(plan.passes).toBe(planned * (channel === "latent" ? TOKENS + 1 : TOKENS));
      const { flops, work, tokens } = receipt;
      expect(flops.overhead > 0).toBe(channel !== "none");
      expect(flops.spent).toBeGreaterThan(flops.overhead);
      expect(work!["passes"]).toEqual({ dense: tokens.completion, run: tokens.completion + plan.passes });
    },
  );

  test("without a plan, the receipt is the executor's alone", async () => {
    const { receipt } = await pipeline.answer("abca", { planning: { channel: "none" } });
    expect(receipt.flops).toMatchObject({ overhead: 0, saved: 0 });
  });

  /** The executor's logits of two tokens after the question abca, with a substitute for the plan. */
  async function logitsBehind(place: PromptSpan): Promise<Float32Array[]> {
    const { executor } = pipeline.opened;
    const planning = pipeline.planning({ channel: "text", ...ends });
    const { prompt, embeddings } = promptFor(executor, "abca", planning, place);
    const seen: Float32Array[] = [];
    const observe = (logits: Float32Array) => void seen.push(logits.slice());
    const options = { ...generateOptions.parse({ maxTokens: 2 }), observe };
    for await (const _ of generate(executor.engine, executor.tokenizer, prompt, options, { embeddings }));
    return seen;
  }
  const apart = (a: Float32Array, b: Float32Array) => Math.max(...a.map((z, i) => Math.abs(z - b[i]!)));

  test("rows of the token table in the plan's place give the tokens' logits", async () => {
    const { span } = await carry(pipeline.opened, "abca", pipeline.planning({ channel: "text", ...ends }));
    const ids = span as readonly number[];
    const rows = await embedded(pipeline, ids);
    const [asTokens, asRows] = [await logitsBehind(ids), await logitsBehind(spanOf(rows))];
    expect(asRows).toHaveLength(asTokens.length);
    for (const [i, logits] of asTokens.entries()) expect(apart(logits, asRows[i]!)).toBeLessThan(1e-5);
    expect(asTokens[0]).not.toEqual((await logitsBehind(spanOf(rows.map((x) => x + 1))))[0]);
  });

  test("the executor reads the latent plan: another question's plan changes its logits", async () => {
    const planning = pipeline.planning({ channel: "latent", ...ends });
    const spanFor = async (question: string) => (await carry(pipeline.opened, question, planning)).span;
    const [own] = await logitsBehind(await spanFor("abca"));
    const [again] = await logitsBehind(await spanFor("abca"));
    const [other] = await logitsBehind(await spanFor("cabb"));
    expect(apart(own!, again!)).toBeLessThan(5e-6);
    expect(apart(own!, other!)).toBeGreaterThan(2e-5);
  });

  test("a plan's tokens or rows stand in the executor's prompt, after their mark", async () => {
    const promptOf = async (channel: Channel) =>
      (await pipeline.answer("abca", { planning: { channel, ...ends } })).receipt.tokens.prompt;
    const [none, text, latent] = [await promptOf("none"), await promptOf("text"), await promptOf("latent")];
    expect([text, latent]).toEqual([none + 1 + TOKENS, none + 1 + TOKENS]);
  });

  test.each(["text", "latent"] as const)("a request's own steps apply to a plan as %s", async (channel) => {
    const { plan } = await pipeline.answer("abca", { planning: { channel, steps: 2, ...ends } });
    expect(plan.passes).toBe(channel === "latent" ? 3 : 2);
  });

  test("a stopped answer has the receipt of both models", async () => {
    const stop = new AbortController();
    const stopped: Receipt[] = [];
    const { tokenizer } = pipeline.opened.executor;
    const reading = async () => {
      const options = { signal: stop.signal, onStopped: (it: Receipt) => void stopped.push(it) };
      const endless = { logitBias: { [tokenizer.eos!]: -100 }, planning: { channel: "text", ...ends } } as const;
      for await (const _ of pipeline.generate("abca", { ...endless, ...options })) stop.abort();
    };
    await expect(reading()).rejects.toThrow();
    expect(stopped).toHaveLength(1);
    expect(stopped[0]!.flops.overhead).toBeGreaterThan(0);
    expect(stopped[0]).toMatchObject({ model: pipeline.name, recipe: ["plan:channel=text"] });
  });

  test("the seed determines a sampled plan", async () => {
    const planning = { channel: "text", remasking: "random", temperature: 3, ...ends } as const;
    const drawn = async (seed: number) => (await pipeline.answer("abca", { seed, planning })).plan.text;
    const plans = [await drawn(1), await drawn(2), await drawn(3), await drawn(4)];
    expect(await drawn(1)).toBe(plans[0]);
    expect(new Set(plans).size).toBeGreaterThan(1);
  });

  test.each([
    ["latent", { maxPlanTokens: 3 }, "trained for plans of 4 tokens, got 3"],
    ["text", { steps: 3, block: 2 }, "steps: 3 is not a multiple of the number of blocks, 2"],
    ["text", { block: 5 }, "block: 5 tokens are more than the 4 to fill in"],
    ["text", { maxPlanTokens: 60 }, "reads at most 64"],
  ] as const)("%s with %o is refused", async (channel, options, sentence) => {
    await expect(pipeline.answer("abca", { planning: { channel, ...options } })).rejects.toThrow(sentence);
  });

  test("a plan of end tokens only is refused", async () => {
    const { planner } = pipeline.opened;
    const vocabulary = planner.programs.decoder.config.vocabulary;
    const end = planner.tokenizer.eos!;
    const score = async (_: Int32Array, places: readonly number[]) =>
      Float32Array.from({ length: places.length * vocabulary }, (_, i) => Number(i % vocabulary === end));
    const run = () => ({ vocabulary, score, passes: 1, spent: { flops: 1, bytes: 1 }, [Symbol.dispose]: () => {} });
    const silent = Object.create(planner, { run: { value: run } });
    const planning = pipeline.planning({ channel: "text", ends: "free" });
    const { shown } = await carry({ ...pipeline.opened, planner: silent }, "abca", planning);
    expect(() => checkPlanText(shown, "silent")).toThrow("silent: the plan consists only of end tokens");
  });

  test("an empty question, an option of one model, and an unknown one are refused", async () => {
    await expect(pipeline.answer("", {})).rejects.toThrow("the question is empty");
    await expect(pipeline.answer("abca", { suffix: "x" })).rejects.toThrow("suffix applies to one model");
    const one = { planning: { chanel: "text" } as object };
    await expect(pipeline.answer("abca", one)).rejects.toThrow('there is no option "chanel"');
  });
});

test("as a text pipeline it answers in as many tokens, and its plan comes first", async () => {
  const settings = { planning: { channel: "latent", ends: "never" }, projector: at("projector") };
  using pipeline = await openTextPipeline(projecting.model, { settings });
  const pieces: ShownChunk[] = [];
  for await (const piece of pipeline.generate("abca")) pieces.push(piece);
  const [first, last] = [pieces[0]!, pieces.at(-1)!];
  expect(first).toMatchObject({ text: "", tokens: [], shown: { channel: "latent", tokens: TOKENS } });
  expect(last.shown).toEqual(first.shown);
  using own = await openPlanner(projecting.model, { projector: at("projector") });
  const { text, receipt } = await own.answer("abca", { planning: { channel: "latent", ends: "never" } });
  expect(pieces.map((piece) => piece.text).join("")).toBe(text);
  expect(last.receipt).toMatchObject({ flops: receipt.flops, work: receipt.work, tokens: receipt.tokens });
  await expect(openTextPipeline(`${at("executor")}+${at("planner")}`)).rejects.toThrow(
    "does not fill in masked tokens",
  );
});

test("a value attached to a model is made once, again after a failure, and freed with it", async () => {
  const model = await load(at("executor"));
  const makes: string[] = [];
  const make = async () => {
    makes.push("made");
    if (makes.length === 1) throw new Error("broken");
    return { [Symbol.dispose]: () => void makes.push("freed") };
  };
  await expect(model.attached("part", make)).rejects.toThrow("broken");
  expect(await model.attached("part", make)).toBe(await model.attached("part", make));
  model.dispose();
  await Promise.resolve();
  expect(makes).toEqual(["made", "made", "freed"]);
});

test("without a projector, a planner without chat plans for an executor with it", () => {
  const wording = (planner: boolean, executor: boolean) =>
    planningFor({ channel: "text" }, undefined, { planner, executor }).template;
  expect(wording(true, true)).toBe("chat-1");
  expect(wording(false, true)).toBe("half-1");
  expect([wording(false, false), wording(true, false)]).toEqual(["bare-1", "bare-1"]);
});

test("a projector of other models is refused, and a latent plan without one", async () => {
  cpSync(at("projector"), at("foreign"), { recursive: true });
  const file = path.join(at("foreign"), "plan.json");
  const metadata = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...metadata, executor: { ...metadata.executor, sha256: "0".repeat(64) } }));
  await expect(openPlanner(projecting.model, { projector: at("foreign") })).rejects.toThrow(
    "the projector is for the executor",
  );
  await expect(load(projecting.model)).rejects.toThrow("is a planner with an executor, only for `run` and openPlanner");
  using plain = await openPlanner(projecting.model);
  await expect(plain.answer("abca", { planning: { channel: "latent" } })).rejects.toThrow("no projector was trained");
});

/** The executor's embeddings of tokens. */
async function embedded({ opened }: PlanPipeline, ids: readonly number[]): Promise<Float32Array> {
  const { programs } = opened.executor.engine;
  const { hidden } = programs.decoder.config;
  using tokens = new Buffer("i64", ids.length);
  using rows = new Buffer("f32", ids.length * hidden);
  new BigInt64Array(tokens.memory).set(ids.map(BigInt));
  const binding = { ids: tokens.view([1, ids.length]), branchOut: rows.view([1, ids.length, hidden]) };
  await programs.embedding.bind(binding).run();
  return new Float32Array(rows.memory).slice();
}
