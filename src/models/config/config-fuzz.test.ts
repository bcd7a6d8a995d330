/** Every architecture's configuration with one or two changed values opens, or is refused in one sentence. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { CallCounter } from "../../util/calls.testing.ts";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { type Checkpoint, type ConfigSource, openCheckpoint } from "../../weights/checkpoint.ts";
import { Metadata } from "../../weights/gguf/metadata.ts";
import type { GgufValue } from "../../weights/gguf/values.ts";
import type { Weights } from "../../weights/prepared/weights.ts";
import { traceHidden } from "../encoder/encoder-graphs.ts";
import type { PromptParts } from "../image-generator/image-generator.ts";
import { traceLatents, traceNoise, tracePixels } from "../image-generator/image-generator-graphs.ts";
import { traceImages, traceTexts } from "../images/image-text-graphs.ts";
import { traceImageVector } from "../images/images-graphs.ts";
import { openImages, openImageText, openVision } from "../images/open-vision.ts";
import { traceAnyVision } from "../images/vision-graph.ts";
import { traceDense } from "../programs/segments.ts";
import { isOfKind, openDecoder, openEncoder, openImageGenerator, openSeq2Seq } from "../registry.ts";
import { traceDecoded, traceSource } from "../seq2seq/seq2seq-graphs.ts";

const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-config-fuzz-"));
const counter = new CallCounter();
afterAll(() => {
  counter[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const random = seededRandom(4);
const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;

const numbers = [0, -1, 1, 2, 2.5, 3, 7, 16, 32, 64, 1e9, 1e308, -1e12, 1e-30];
const words = ["", "x", "full_attention", "sliding_attention", "yarn", "longrope"];
const json = [...numbers, ...words, null, true, false, [], {}, [1], ["a"], { a: 1 }, undefined];
const values: GgufValue[] = [
  ...numbers,
  Number.NaN,
  ...words,
  true,
  false,
  2n ** 63n,
  [],
  [true, false],
  new Int32Array([-1, 5]),
];

/** Finds all places in a JSON value. */
function places(value: unknown): { of: Record<string, unknown>; key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  const of = value as Record<string, unknown>;
  return Object.keys(of).flatMap((key) => [{ of, key }, ...places(of[key])]);
}

function mutated(source: ConfigSource, changes: number): ConfigSource {
  if (source.kind === "huggingface") {
    const config = structuredClone(source.config) as Record<string, unknown>;
    for (let i = 0; i < changes; i++) {
      const { of, key } = pick(places(config));
      of[key] = structuredClone(pick(json));
    }
    return { ...source, config };
  }
  const odd = new Map(Array.from({ length: changes }, () => [pick([...source.metadata.keys()]), pick(values)]));
  const metadata = new Metadata(source.path);
  for (const [key, value] of source.metadata) metadata.set(key, odd.get(key) ?? value);
  return { ...source, metadata };
}

/** Opens a checkpoint as `show` does, without reading weights or writing files. */
async function survey(checkpoint: Checkpoint): Promise<void> {
  const [weights, trace] = await opened(checkpoint);
  weights.survey(trace);
  if (!isOfKind("vision–language model", checkpoint)) return;
  const { vision, weights: own } = await openVision(checkpoint, folder, "f32");
  own.survey(() => traceAnyVision(vision));
}

async function opened(checkpoint: Checkpoint): Promise<[Weights, () => unknown]> {
  if (isOfKind("encoder", checkpoint)) {
    const { encoder, weights } = await openEncoder(checkpoint, folder, "f32");
    return [weights, () => traceHidden(encoder)];
  }
  if (isOfKind("encoder with a decoder", checkpoint)) {
    const { model, weights } = await openSeq2Seq(checkpoint, folder, "f32");
    return [weights, () => [traceSource(model), traceDecoded(model)]];
  }
  if (isOfKind("encoder of images and texts", checkpoint)) {
    const { model, weights } = await openImageText(checkpoint, folder, "f32");
    return [weights, () => [traceTexts(model), traceImages(model, 1)]];
  }
  if (isOfKind("image encoder", checkpoint)) {
    const { model, weights } = await openImages(checkpoint, folder, "f32");
    return [weights, () => traceImageVector(model)];
  }
  if (isOfKind("image generator", checkpoint)) {
    const { model, weights } = await openImageGenerator(checkpoint, folder);
    const { unet, prompts } = model;
    const side = unet.config.imageSize;
    const around = ({ texts, autoencoder }: PromptParts) => [
      traceHidden(texts),
      tracePixels(autoencoder, side),
      traceLatents(autoencoder, side),
    ];
    return [weights, () => [traceNoise(unet), prompts && around(prompts)]];
  }
  const { decoder, weights } = await openDecoder(checkpoint, folder, "f32");
  return [weights, () => traceDense(decoder)];
}

const files = readdirSync(fixtures)
  .flatMap((name) => [name, `${name}/model.gguf`, `${name}/encoder.gguf`])
  .filter(
    (name) =>
      /\.gguf$/.test(name) ||
      ["config.json", "model_index.json"].some((file) => existsSync(path.join(fixtures, name, file))),
  )
  .map((name) => path.join(fixtures, name))
  .filter((file) => existsSync(file));

describe.each(files.map((file) => [path.relative(fixtures, file), file]))("%s", (_, file) => {
  const checkpoint = openCheckpoint(file);

  test("is sound as it is", async () => await expect(survey(checkpoint)).resolves.not.toThrow());

  test("20 mutations: opened, or refused in one sentence, with little work", async () => {
    for (let i = 0; i < 20; i++) {
      const config = mutated(checkpoint.config, 1 + (i % 2));
      const failure = await failureOf(() => survey({ ...checkpoint, config }));
      if (failure === undefined) continue;
      expect(failure).toBeInstanceOf(UserError);
      expect((failure as UserError).message).not.toContain("\n");
    }
    expect(counter.calls()).toBeLessThan(2e6);
  });
});

async function failureOf(act: () => Promise<void>): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
}
