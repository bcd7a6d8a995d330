import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openPipeline, openTextPipeline } from "../../index.ts";
import { textPipelineNamed } from "../../pipelines/registry.ts";
import { calibrationOf, keepCalibration } from "../../pipelines/route/record.ts";
import { scoreOptions } from "../../pipelines/scores.ts";
import { tempFolder, withEnv } from "../../weights/sources/helpers.testing.ts";
import { modelHash, resolveModel } from "../../weights/sources/index.ts";
import type { Result } from "../results.ts";
import { runGrid, type Watcher } from "../run/grid.ts";
import { runOptions } from "../run/options.ts";
import { TINY, textTask } from "../run/run.testing.ts";

const UNTIED = fileURLToPath(new URL("../../models/fixtures/llama-tiny-untied.gguf", import.meta.url));

/** The results of a pair on the word task, by recipe. */
async function results(pair: string): Promise<Map<string, Result[]>> {
  const pipeline = textPipelineNamed(pair)!;
  const resultsByName = new Map<string, Result[]>();
  const watcher: Watcher = {
    begin() {},
    recipe(_, recipe) {
      const all: Result[] = [];
      resultsByName.set(recipe, all);
      return (result) => void all.push(result);
    },
  };
  const source = await resolveModel(pipeline.roles[pipeline.pipeline.dense]!);
  const cell = { task: textTask(6), source, quant: "auto" as const, pipeline, options: runOptions.parse({}) };
  const grid = { cells: [cell], recipes: [], searches: [], budget: {}, reuse: "refuse" as const };
  await runGrid({ ...grid, out: join(tempFolder(), "run"), command: "lab run", version: "0" }, watcher);
  return resultsByName;
}

const texts = (all: readonly Result[]) =>
  [...all].sort((a, b) => a.item.localeCompare(b.item)).map(({ answer }) => (answer as { text: string }).text);

test("a pair's run has Super alone as dense, and all answers come from the model that its threshold selects", async () => {
  const [hard, easy] = [await results(`${TINY}>${UNTIED}@t=inf`), await results(`${TINY}>${UNTIED}@t=-inf`)];
  expect([...hard.keys()]).toEqual(["dense", "route:t=inf"]);
  expect(texts(hard.get("route:t=inf")!)).toEqual(texts(hard.get("dense")!));
  expect(texts(easy.get("dense")!)).toEqual(texts(hard.get("dense")!));
  expect(texts(easy.get("route:t=-inf")!)).not.toEqual(texts(easy.get("dense")!));
});

test("a pair's run decides by the pair's calibration, as the library does, and is refused without one", async () => {
  withEnv({ MODICUM_HOME: tempFolder() });
  const pair = `${TINY}>${UNTIED}@share=0.5`;
  await expect(results(pair)).rejects.toThrow("is not calibrated for score=energy,aggregate=first");
  const identity = async (name: string) => ({ name, sha256: await modelHash(await resolveModel(name)), recipe: [] });
  const both = { swift: await identity(TINY), super: await identity(UNTIED) };
  const data = { name: "words", sha256: "c".repeat(64), prompts: "raw", maxTokens: 1 } as const;
  using scored = await openPipeline(`${TINY}>${UNTIED}@t=-inf`);
  const scores: number[] = [];
  const items = [];
  for await (const item of textTask(6).items({ seed: 0, limit: 6, countTokens: () => 1 })) {
    if (item.kind !== "generation") throw new Error("expected texts");
    const { route } = await scored.route(item.prompt, { raw: true, maxTokens: item.maxTokens, temperature: 0 });
    scores.push(route.score!);
    items.push(item);
  }
  const samples = scores.map((score) => ({ score }));
  const record = calibrationOf(samples, scoreOptions.parse({}), { by: "share", value: 0.5 }, data);
  const file = join(process.env["MODICUM_HOME"]!, "routes", "own.json");
  const quant = "auto";
  await keepCalibration(file, { swift: { ...both.swift, quant }, super: { ...both.super, quant } }, record);
  using opened = await openTextPipeline(pair);
  const routed = (await results(pair)).get("route:share=0.5")!;
  const by = new Map(routed.map((result) => [result.item, (result.answer as { text: string }).text]));
  const went = new Set<string>();
  for (const { id, prompt, stop, maxTokens } of items) {
    for (const { language } of Object.values(opened.models)) language.engine.forget();
    const options = { raw: true, stop: [...stop], maxTokens, temperature: 0, repetitionDetection: false };
    const { text, shown } = await opened.complete(prompt, options);
    expect(by.get(id)).toBe(text);
    went.add((shown as { to: string }).to);
  }
  expect(went).toEqual(new Set(["swift", "super"]));
});
