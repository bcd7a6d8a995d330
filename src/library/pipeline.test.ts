import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { calibrateRoute, load, openPipeline, type RoutePipeline } from "../index.ts";
import { readCalibrations } from "../pipelines/route/record.ts";

const NAME = "smollm2>gemma3";
const QUESTIONS = ["Name the capital of Japan.", "Tell me about the sea.", "What is 2 + 2?", "Why is the sky blue?"];
const rows = QUESTIONS.map((prompt) => ({ prompt }));
const SHORT = { maxTokens: 6 };

describe("a pair of real models", () => {
  let swift: string[];
  let strong: string[];
  beforeAll(async () => {
    const alone = async (name: string) => {
      using model = await load(name);
      const texts: string[] = [];
      for (const question of QUESTIONS) texts.push((await model.complete(question, SHORT)).text);
      return texts;
    };
    [swift, strong] = [await alone("smollm2"), await alone("gemma3")];
  });

  test.each(["-inf", "inf"])("at a threshold of %s answers as one of them alone", async (t) => {
    using pipeline = await openPipeline(`${NAME}@t=${t}`);
    const texts: string[] = [];
    for (const question of QUESTIONS) texts.push((await pipeline.route(question, SHORT)).text);
    expect(texts).toEqual(t === "inf" ? strong : swift);
  });

  test("under a calibrated share sends the hardest to Super, streams alike, and bills both", async () => {
    const out = join(mkdtempSync(join(tmpdir(), "modicum-route-")), "route.json");
    const { calibrated } = await calibrateRoute(NAME, rows, { by: "share", value: 0.5, out });
    using pipeline = await openPipeline(NAME, { route: { share: 0.5 }, calibration: out });
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
      // Starts from empty caches, as the first run did: a prompt that runs in other chunks is rounded differently.
      for (const { language } of Object.values(pipeline.models)) language.engine.forget();
      expect(await streamed(pipeline, question)).toBe(text);
    }
  });

  test("prices Super for Swift's answer as Super's own receipt would", async () => {
    using model = await load("gemma3");
    const { receipt } = await model.complete(QUESTIONS[0]!, SHORT);
    using pipeline = await openPipeline(`${NAME}@t=-inf`);
    const { receipt: routed, text } = await pipeline.route(QUESTIONS[0]!, SHORT);
    const { tokenizer } = model.language;
    // The same prompt, as many tokens of an answer: a few per cent apart, as tokens are of another length.
    const more = tokenizer.encode(text).length / receipt.tokens.completion;
    expect(routed.flops.dense / receipt.flops.dense).toBeGreaterThan(Math.min(1, more) * 0.9);
    expect(routed.flops.dense / receipt.flops.dense).toBeLessThan(Math.max(1, more) * 1.1);
  });
});

async function streamed(pipeline: RoutePipeline, prompt: string): Promise<string> {
  let text = "";
  for await (const chunk of pipeline.generate(prompt, SHORT)) text += chunk.text;
  return text;
}

describe("refused", () => {
  test.each([
    ["smollm2", /"smollm2" is no pipeline; expected two models, SWIFT>SUPER/],
    ["smollm2>smollm2@t=1", /Swift and Super are the same model/],
    ["smollm2>nothing@t=1", /no model is called "nothing"/],
    ["smollm2>gemma3@share=0.5", /smollm2>gemma3 is not calibrated for score=energy,aggregate=first/],
    [
      "smollm2>gemma3@t=1,labels=yes|a label of many tokens",
      /label "a label of many tokens" is \d+ tokens of smollm2, expected one/,
    ],
  ])("%s", async (name, sentence) => {
    await expect(openPipeline(name)).rejects.toThrow(sentence);
  });

  test("an option that is given in the name and beside it", async () => {
    await expect(openPipeline("smollm2>gemma3@t=1", { route: { t: 2 } })).rejects.toThrow("route: t is given twice");
  });

  test("what belongs to one model", async () => {
    using pipeline = await openPipeline("smollm2>gemma3@t=1");
    await expect(pipeline.route("Hi", { save: [] })).rejects.toThrow("save belongs to one model");
    await expect(pipeline.route("Hi", { maxTokens: 0 })).rejects.toThrow("at least 1 for maxTokens");
    await expect(pipeline.route([1, 2])).rejects.toThrow("token ids belong to one model");
  });

  test("a pair where one model is taken", async () => {
    await expect(load("smollm2>gemma3")).rejects.toThrow("smollm2>gemma3 is a pair of models");
  });

  test("a calibration for another pair, of one row, or without a judge of its answers", async () => {
    const out = join(mkdtempSync(join(tmpdir(), "modicum-route-")), "route.json");
    await expect(calibrateRoute(NAME, rows.slice(0, 1), { out })).rejects.toThrow("two rows or more, got 1");
    const judged = rows.map((row) => ({ ...row, answer: "Tokyo" }));
    await expect(calibrateRoute(NAME, judged, { out })).rejects.toThrow("expected a judge");
    const judge = () => 1;
    await expect(calibrateRoute(NAME, judged, { out, judge })).rejects.toThrow("Swift answers all of the 4 rows right");
    await calibrateRoute(NAME, rows, { out });
    expect(readCalibrations(out).swift.name).toBe("smollm2");
    await expect(openPipeline("gemma3>smollm2@share=0.5", { calibration: out })).rejects.toThrow(
      /route\.json was made for smollm2 \(b179c9523d0e\) as Swift, and Swift is gemma3 \(a5fd3b62230a\)/,
    );
  });
});

test.each([false, true])("a model shows each token's logits before it is chosen; scheduled: %s", async (scheduled) => {
  using model = await load("smollm2");
  if (scheduled) model.schedule({ rows: 2, queue: 2 });
  const best: number[] = [];
  const observe = (logits: Float32Array) => {
    expect(logits).toHaveLength(model.language.decoder.config.vocabulary);
    best.push(logits.indexOf(logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY)));
  };
  const { tokens } = await model.complete(QUESTIONS[0]!, { ...SHORT, observe });
  expect(best).toEqual(tokens.map(({ id }) => id));
});
