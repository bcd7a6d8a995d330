import { join } from "node:path";
import { tokenizerOf } from "../../src/engine/file/tokenizer-of.ts";
import { openDecoder } from "../../src/models/registry.ts";
import { openLora } from "../../src/weights/adapter/lora.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { loopExponents } from "./exponents/closed-loop.ts";
import { layerTrajectories, scaledRecurrence } from "./exponents/layer-trajectories.ts";
import { greatest, measureSpectra } from "./exponents/spectra.ts";
import { type Divergence, divergences, meanOf } from "./precision/divergence.ts";
import { type OpenModel, withRuns } from "./precision/logits.ts";

/** A model's folder, and an adapter's on it. */
export interface Models {
  readonly base: string;
  readonly adapter?: string;
}

/**
 * The number of tokens for measuring exponents, and loops; the length of divergence windows, a training row's, and
 * their number.
 */
const [TOKENS, LOOP, WINDOW, WINDOWS] = [512, 256, 64, 16];

async function opened({ base, adapter }: Models) {
  const checkpoint = openCheckpoint(base);
  const lora = adapter === undefined ? undefined : openLora(adapter);
  const model = await openDecoder(checkpoint, join(adapter ?? base, "prepared"), "f32", lora);
  const tokenizer = tokenizerOf(checkpoint, model.decoder.config.vocabulary);
  return { model, encode: (text: string) => tokenizer.encode(text) };
}

/** λ max of each layer, by its closed form if it has one and by two trajectories, of the whole model's loops, and of a recurrent network's control. */
export async function measureExponents(of: Models, text: string, seed: number, loops: boolean) {
  const { model, encode } = await opened(of);
  const ids = encode(text.slice(0, 4 * TOKENS)).slice(0, TOKENS);
  const layers = (await measureSpectra(model, ids)).map(({ exponents }) => greatest(exponents));
  const trajectories = (await layerTrajectories(model, ids, seed)).map(({ max }) => max);
  const scaled = loops && layers.length === 0 ? await layerTrajectories(model, ids, seed, scaledRecurrence) : [];
  return {
    ...{ tokens: ids.length, layers, trajectories, scaled: scaled.map(({ max }) => max) },
    ...(loops && { loops: await loopExponents(model, ids.slice(0, LOOP), seed) }),
  };
}

/**
 * Divergences of models from one of them, all in float32, over windows of a text; and of that model's own run in mixed
 * precision.
 */
export async function measureDivergence(
  reference: Models,
  others: readonly (Models & { readonly arm: string })[],
  text: string,
): Promise<Record<string, Divergence>> {
  const { model, encode } = await opened(reference);
  const ids = encode(text.slice(0, 4 * WINDOW * WINDOWS));
  const windows = Array.from({ length: WINDOWS }, (_, i) => ids.slice(i * WINDOW, (i + 1) * WINDOW));
  const logitsOf = (one: OpenModel, precision: Parameters<typeof withRuns>[1] = "fp32") =>
    withRuns(one, precision, async (run) => {
      const found: Float32Array[] = [];
      for (const window of windows) found.push((await run(window)).logits);
      return found;
    });
  const plain = await logitsOf(model);
  const { vocabulary } = model.decoder.config;
  const compared = (found: readonly Float32Array[]) =>
    meanOf(found.map((logits, i) => divergences(plain[i]!, logits, vocabulary, 1)[0]!));
  const arms: Record<string, Divergence> = {};
  for (const { arm, ...models } of others) arms[arm] = compared(await logitsOf((await opened(models)).model));
  for (const precision of ["amp-bf16", "amp-fp16"] as const)
    arms[`run in ${precision}`] = compared(await logitsOf(model, precision));
  return arms;
}
