import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type KindName, kinds } from "../../engine/kinds/index.ts";
import { UserError } from "../../util/errors.ts";
import { load } from "../load.ts";
import type { Model } from "../model.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));
const examples: Record<KindName, string> = {
  decoder: fixture("llama-tiny.gguf"),
  "diffusion language model": "planner-tiny",
  encoder: fileURLToPath(new URL("../../engine/fixtures/sentences", import.meta.url)),
  "encoder with a decoder": fixture("t5-gated"),
  "encoder of images and texts": fixture("clip"),
  "image encoder": fixture("dinov2"),
  "image generator": fixture("unet"),
};

const image = fixture("pictures/wide.png");
const calls: Record<string, (model: Model) => Promise<unknown>> = {
  complete: (model) => model.complete("a", { maxTokens: 1 }),
  completeAll: (model) => model.completeAll([{ prompt: "a", maxTokens: 1 }]),
  embed: (model) => model.embed(["a"]),
  "embed an image": (model) => model.embed([{ image }]),
  classify: (model) => model.classify(["a"], { labels: ["b", "c"] }),
  relevance: (model) => model.relevance("a", ["b"]),
  imagine: (model) => model.imagine({ steps: 1 }),
  recognize: (model) => model.recognize({ image, boxes: "auto", labels: ["b"] }),
};

async function outcome(model: Model, call: (model: Model) => Promise<unknown>): Promise<string> {
  try {
    await call(model);
    return "runs";
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.message.replace(model.name, "M");
  }
}

test.each(kinds.map(({ name }) => name))("%s: what runs, and the sentence about every other call", async (kind) => {
  using model = await load(examples[kind]);
  const outcomes: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) outcomes[name] = await outcome(model, call);
  expect(outcomes).toMatchSnapshot();
});

test("a disposed model refuses every call", async () => {
  const model = await load(examples.encoder);
  model.dispose();
  for (const call of Object.values(calls))
    expect(await outcome(model, call)).toBe("M: the model was used after it was disposed; load it again");
});
