import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { priceOfLengths } from "../engine/decode/dense-price.ts";
import { commonPrefix } from "../engine/decode/state/cached.ts";
import { calibrateRoute, load, type Model, openPipeline, type RoutePipeline } from "../index.ts";
import { readCalibrations } from "../pipelines/route/record.ts";

const NAME = "smollm2>gemma3";
const QUESTIONS = ["Name the capital of Japan.", "Tell me about the sea.", "What is 2 + 2?", "Why is the sky blue?"];
const rows = QUESTIONS.map((prompt) => ({ prompt }));
const SHORT = { maxTokens: 6 };

/** A pair, opened once, in which Swift answers all calls. */
let pair: RoutePipeline;
/** A calibration of all scores over the rows. */
const calibration = join(mkdtempSync(join(tmpdir(), "modicum-route-")), "route.json");
beforeAll(async () => {
  pair = await openPipeline(`${NAME}@t=-inf`);
});
afterAll(() => {
  pair[Symbol.dispose]();
  rmSync(dirname(calibration), { recursive: true });
});

/** A prompt that runs in different chunks is rounded differently. */
function forget({ models }: RoutePipeline): void {
  for (const { language } of Object.values(models)) language.engine.forget();
}

describe("a pair of real models", () => {
  let swift: string[];
  let strong: string[];
  beforeAll(async () => {
    const alone = async (model: Model) => {
      const texts: string[] = [];
      for (const question of QUESTIONS) texts.push((await model.complete(question, SHORT)).text);
      return texts;
    };
    [swift, strong] = [await alone(pair.models.swift), await alone(pair.models.super)];
    forget(pair);
  });

  const routed = async (pipeline: RoutePipeline) => {
    const texts: string[] = [];
    for (const question of QUESTIONS) texts.push((await pipeline.route(question, SHORT)).text);
    return texts;
  };

  test("at a threshold of -inf answers as Swift alone", async () => {
    expect(await routed(pair)).toEqual(swift);
  });

  test("at a threshold of inf answers as Super alone", async () => {
    using pipeline = await openPipeline(`${NAME}@t=inf`);
    expect(await routed(pipeline)).toEqual(strong);
    expect(strong).not.toEqual(swift);
  });

  test("under a calibrated share sends the hardest to Super, streams the same, and bills both", async () => {
    const { calibrated } = await calibrateRoute(NAME, rows, { by: "share", value: 0.5, out: calibration });
    using pipeline = await openPipeline(NAME, { route: { share: 0.5 }, calibration });
    expect(pipeline.threshold).toBeCloseTo(calibrated[0]!.threshold, 4);
    const scores = calibrated[0]!.samples.map(({ score }) => score);
    const hard = [...scores.keys()].sort((a, b) => scores[a]! - scores[b]!).slice(0, 2);
    for (const [i, question] of QUESTIONS.entries()) {
      const { route, receipt, text } = await pipeline.route(question, SHORT);
      expect(route.to).toBe(hard.includes(i) ? "super" : "swift");
      expect(text).toBe(hard.includes(i) ? strong[i] : swift[i]);
      expect(receipt.model).toBe(NAME);
      expect(receipt.work!["calls"]).toEqual({
        smollm2: { dense: 0, run: 1 },
        gemma3: { dense: 1, run: hard.includes(i) ? 1 : 0 },
      });
      expect(receipt.estimated).toBe(!hard.includes(i));
      forget(pipeline);
      expect(await streamed(pipeline, question)).toBe(text);
    }
    expect(readCalibrations(calibration).swift.name).toBe("smollm2");
    await expect(openPipeline("gemma3>smollm2@share=0.5", { calibration })).rejects.toThrow(
      /route\.json was made for smollm2 \(b179c9523d0e\) as Swift, but Swift is gemma3 \(a5fd3b62230a\)/,
    );
  });

  test("prices Super for Swift's answer as Super's own receipt would", async () => {
    const model = pair.models.super;
    forget(pair);
    const { receipt } = await model.complete(QUESTIONS[0]!, SHORT);
    forget(pair);
    const { receipt: routed, text } = await pair.route(QUESTIONS[0]!, SHORT);
    const { tokenizer } = model.language;
    // Prices for the same prompt and number of answer tokens differ by a few per cent, since tokens differ in length.
    const more = tokenizer.encode(text).length / receipt.tokens.completion;
    expect(routed.flops.dense / receipt.flops.dense).toBeGreaterThan(Math.min(1, more) * 0.9);
    expect(routed.flops.dense / receipt.flops.dense).toBeLessThan(Math.max(1, more) * 1.1);
  });
});

test("over several turns, dense is Super with the earlier turns in its cache", async () => {
  forget(pair);
  const { language } = pair.models.super;
  let chat = "";
  let before: readonly number[] = [];
  for (const [turn, question] of QUESTIONS.entries()) {
    chat += `Question: ${question}\nAnswer:`;
    const { text, receipt, finishReason } = await pair.route(chat, { ...SHORT, raw: true });
    const [ids, answer] = [language.encode(chat, true), language.tokenizer.encode(text)];
    const completion = answer.length + Number(finishReason === "stop");
    const price = (cached: number) => priceOfLengths(language, { prompt: ids.length, cached, completion }).flops;
    const cached = commonPrefix(before, ids);
    expect(cached > 10).toBe(turn > 0);
    // The two models' tokens differ in length.
    expect(receipt.flops.dense / price(cached)).toBeGreaterThan(0.85);
    expect(receipt.flops.dense / price(cached)).toBeLessThan(1.15);
    if (turn > 1) expect(receipt.flops.dense).toBeLessThan(0.7 * price(0));
    expect(receipt.flops.spent - receipt.flops.overhead).toBeLessThanOrEqual(receipt.flops.dense);
    chat += `${text}\n`;
    before = [...ids, ...answer];
  }
});

async function streamed(pipeline: RoutePipeline, prompt: string): Promise<string> {
  let text = "";
  for await (const chunk of pipeline.generate(prompt, SHORT)) text += chunk.text;
  return text;
}

describe("refused", () => {
  test.each([
    ["smollm2", /"smollm2" is not a pipeline; expected two models, SWIFT>SUPER/],
    ["smollm2>smollm2@t=1", /names one model twice/],
    ["smollm2>nothing@t=1", /no model is called "nothing"/],
    ["smollm2>gemma3@share=0.5", /smollm2>gemma3 is not calibrated for score=energy,aggregate=first/],
    [
      "smollm2>gemma3@t=1,labels=yes|a label of many tokens",
      /label "a label of many tokens" is \d+ tokens of smollm2, expected one/,
    ],
  ])("%s", async (name, sentence) => {
    await expect(openPipeline(name)).rejects.toThrow(sentence);
  });

  test("an option that is set both in the name and beside it", async () => {
    await expect(openPipeline("smollm2>gemma3@t=1", { route: { t: 2 } })).rejects.toThrow("route: t is set twice");
  });

  test("options of a single model", async () => {
    await expect(pair.route("Hi", { save: [] })).rejects.toThrow("save belongs to one model");
    await expect(pair.route("Hi", { maxTokens: 0 })).rejects.toThrow("expected at least 1 for a route");
    await expect(pair.route([1, 2])).rejects.toThrow("token ids belong to one model");
  });

  test("a pair in place of one model", async () => {
    await expect(load("smollm2>gemma3")).rejects.toThrow("smollm2>gemma3 is a pair of models");
  });

  test("a calibration of one row, or without a judge of its answers", async () => {
    const out = join(dirname(calibration), "refused.json");
    await expect(calibrateRoute(NAME, rows.slice(0, 1), { out })).rejects.toThrow("two rows or more, got 1");
    const judged = rows.slice(0, 2).map((row) => ({ ...row, answer: "Tokyo" }));
    await expect(calibrateRoute(NAME, judged, { out })).rejects.toThrow("so a judge is needed");
    const judge = () => 1;
    await expect(calibrateRoute(NAME, judged, { out, judge })).rejects.toThrow("answers all of the 2 rows correctly");
    expect(existsSync(out)).toBe(false);
  });
});

test.each([false, true])("a model shows each token's logits before it is chosen; scheduled: %s", async (scheduled) => {
  using model = await load(fileURLToPath(new URL("../models/fixtures/llama-tiny.gguf", import.meta.url)));
  if (scheduled) model.schedule({ rows: 2, queue: 2 });
  const best: number[] = [];
  const observe = (logits: Float32Array) => {
    expect(logits).toHaveLength(model.language.decoder.config.vocabulary);
    best.push(logits.indexOf(logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY)));
  };
  const { tokens } = await model.complete("abc", { ...SHORT, observe });
  expect(best).toHaveLength(SHORT.maxTokens);
  expect(best).toEqual(tokens.map(({ id }) => id));
});
