import type { Batch, TrainingData } from "../../src/train/data/batch.ts";
import { denoised } from "../../src/train/methods/ul2r/data.ts";
import { type Denoiser, mixtureOf } from "../../src/train/methods/ul2r/denoisers.ts";
import type { DenoisingIds } from "../../src/train/methods/ul2r/tokens.ts";
import type { ProbeItem } from "./probe.ts";

const [S, R, LONG, MANY] = mixtureOf("ul2r", true) as [Denoiser, Denoiser, Denoiser, Denoiser];

/** Held-out data as the tasks that are evaluated, by their names. Every batch has a prefix, which may be empty. */
export function suitesOf(heldOut: TrainingData, tokens: DenoisingIds): Record<string, TrainingData> {
  const under = (denoiser: Denoiser) =>
    denoised(heldOut, { mixture: [{ ...denoiser, weight: 1 }], causal: 0, tokens, prefixed: true }, 0);
  return {
    causal: mapped(heldOut, unmasked),
    tagged: mapped(heldOut, (batch) => unmasked(tagged(batch, tokens.modes.S2S))),
    prefix: under(S),
    R: under(R),
    "X, long spans": under(LONG),
    "X, many spans": under(MANY),
  };
}

const mapped = (data: TrainingData, map: (batch: Batch) => Batch): TrainingData => ({
  ...data,
  prefixed: true,
  batch: (index) => map(data.batch(index)),
});

const unmasked = (batch: Batch): Batch => ({ ...batch, prefix: new Int32Array(batch.ids.length) });

/** The mode in front of each row, whose last label falls away; its first token is no label, as without a mode. */
function tagged({ ids, labels, ...batch }: Batch, mode: number): Batch {
  const moved = ids.map((_, at) => (at % batch.tokens === 0 ? mode : ids[at - 1]!));
  const same = labels.map((_, at) => (at % batch.tokens === 0 ? -1 : labels[at - 1]!));
  const labelled = same.reduce((sum, label) => sum + Number(label >= 0), 0);
  return { ...batch, ids: moved, labels: same, labelled };
}

/** Probes, a row each; `prefixed`: the prompt sees itself in both directions. */
export function probeBatch(items: readonly ProbeItem[], tokens: number, prefixed: boolean): Batch {
  const size = items.length * tokens;
  const batch = { ids: new Int32Array(size), labels: new Int32Array(size).fill(-1), prefix: new Int32Array(size) };
  for (const [row, { ids, letter }] of items.entries()) {
    batch.ids.set(ids, row * tokens);
    batch.labels[row * tokens + ids.length - 1] = letter;
    // The sentinel that asks is the first target.
    if (prefixed) batch.prefix.fill(1, row * tokens, row * tokens + ids.length - 1);
  }
  return { ...batch, rows: items.length, tokens, labelled: items.length, samples: items.length };
}
