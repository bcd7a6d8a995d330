import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { load } from "../../index.ts";
import { DecoderPrograms } from "../../models/programs/programs.ts";
import { openDecoder } from "../../models/registry.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { JsonObject } from "../../weights/json.ts";
import { preparedFolder } from "../../weights/sources/index.ts";
import { chunkAfter } from "../decode/run/chunk.ts";
import { Meter } from "./meter.ts";
import { type AnswerLengths, shapeOf } from "./shape.ts";

const folder = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const configOf = (name: string): JsonObject => JSON.parse(readFileSync(`${folder(name)}/config.json`, "utf8"));

/** The engine's bill for a prompt, some of it cached, and an answer. */
async function metered(name: string, { prompt, cached, completion }: Omit<AnswerLengths, "answers">) {
  const file = folder(`models/fixtures/${name}`);
  const { decoder, weights } = await openDecoder(openCheckpoint(file), preparedFolder(file));
  using programs = await DecoderPrograms.compile(decoder, weights);
  const meter = new Meter(programs);
  for (let past = cached, tokens = 0; past < prompt; past += tokens) {
    tokens = Math.min(chunkAfter(programs, past), prompt - past);
    meter.layers(tokens, past);
  }
  meter.head(1);
  for (let past = prompt; past < prompt + completion - 1; past++) {
    meter.layers(1, past);
    meter.head(1);
  }
  return meter.total();
}

describe("a shape alone costs what the engine bills with the weights", () => {
  test.each(["llama-yarn", "qwen2-window", "gpt2", "gemma3", "phi3"])("%s: prompt, cache and steps", async (name) => {
    const shape = await shapeOf(configOf(`models/fixtures/${name}`), "config.json");
    for (const lengths of [
      { prompt: 20, cached: 0, completion: 12 },
      { prompt: 300, cached: 7, completion: 90 },
    ]) {
      const { flops, bytes } = await metered(name, lengths);
      const estimate = shape.generated({ ...lengths, answers: 1 });
      expect(Math.abs(estimate.flops / flops.dense - 1)).toBeLessThan(1e-9);
      // The shape omits biases that only the checkpoint's weights reveal.
      expect(Math.abs(estimate.bytes / bytes.dense - 1)).toBeLessThan(1e-2);
    }
  });

  test("an encoder's texts", async () => {
    using model = await load(folder("engine/fixtures/sentences"));
    const { receipt } = await model.embed(["A man is eating food.", "A man is eating food."]);
    const { flops } = (await shapeOf(configOf("engine/fixtures/sentences"), "config.json")).read(
      2,
      receipt.tokens.prompt,
    );
    expect(Math.abs(flops / receipt.flops.dense - 1)).toBeLessThan(1e-9);
  });
});

test("several answers share their prompt", async () => {
  const shape = await shapeOf(configOf("models/fixtures/llama-yarn"), "config.json");
  const one = shape.generated({ prompt: 30, cached: 0, completion: 9, answers: 1 });
  const prompt = shape.generated({ prompt: 30, cached: 30, completion: 9, answers: 1 });
  const three = shape.generated({ prompt: 30, cached: 0, completion: 27, answers: 3 });
  expect(three.flops).toBeCloseTo(one.flops + 2 * prompt.flops, 0);
});

test("what has no shape is told", async () => {
  await expect(() => shapeOf({}, "a.json")).rejects.toThrow('a.json: "model_type" is missing, expected a name');
  await expect(() => shapeOf({ model_type: "lama" }, "a.json")).rejects.toThrow('did you mean "llama"?');
  const encoder = await shapeOf(configOf("engine/fixtures/sentences"), "b.json");
  expect(() => encoder.generated({ prompt: 1, cached: 0, completion: 1, answers: 1 })).toThrow(
    "b.json is an encoder's",
  );
});
