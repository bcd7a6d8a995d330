import type { Block, CodeBits, MatrixAttrs } from "../../graph/index.ts";
import { traceDense } from "../../models/programs/segments.ts";
import { openDecoder } from "../../models/registry.ts";
import { namesByteProducts, processorBits } from "../../runtime/processor.ts";
import { type Product, type Timer, type Twice, timeProducts } from "../../runtime/product-times.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { mayHaveFourBits, type Quant } from "../../weights/prepared/quant.ts";
import {
  type CodesTuning,
  keepTuning,
  type RotatedTuning,
  rotatedLoss,
  type Tuning,
  tunes,
  tuningOf,
} from "../../weights/prepared/tuning.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";

/** The number of tokens in the timed request. */
const REQUEST = { prompt: 256, answer: 128 };

/** The processor's own width, or the default form, is kept unless the other is faster by this factor. */
const LEAST_GAIN = 1.1;

/**
 * The maximum time of rotated bytes at any row count, as a multiple of the default form's: products are only part of a
 * step, and single-row times vary by a tenth between timings.
 */
const MOST_LOSS = 1.25;

/** The number of rows that represent a prompt when the code width is chosen. */
const ROWS = 64;

/** Row counts for timing rotated bytes. */
const ROTATED_ROWS = { step: 1, batch: 8, prompt: 256 };

/** The largest ratio between two measurements that counts as steady. */
const STEADY = 1.15;

/**
 * The number of weights to time, from the first layer on. For a decode step, they must exceed the caches; memory does
 * not limit a prompt, so fewer are enough.
 */
const SAMPLE = { decode: 2 ** 27, prefill: 2 ** 21 };

/** A model to time; only models with a known hash may run in rotated bytes by default. */
interface TunedModel {
  readonly source: Pick<ResolvedModel, "path" | "sha256">;
  readonly checkpoint: Checkpoint;
  readonly quant: Quant;
}

/** Times a model's products on this processor once, and stores the choices for later calls. Nothing is timed for a model with only one form. */
export async function tuneOnce(model: TunedModel): Promise<void> {
  // These checks are cheaper than tracing the model.
  if (!tunes() || (!mayHaveFourBits(model.checkpoint, model.quant) && !mayRotate(model))) return;
  const folder = preparedFolder(model.source.path);
  const known = tuningOf(folder);
  const choice = await tune(model, timeProducts, known);
  // This error is ignored: in a read-only folder, preparing the weights raises an error as well.
  if (choice && choice !== known) await keepTuning(folder, choice).catch(() => {});
}

/** True for a model whose next load will time rotated bytes. */
export const awaitsTuning = (model: Omit<TunedModel, "checkpoint">): boolean =>
  tunes() && mayRotate(model) && tuningOf(preparedFolder(model.source.path))?.rotated === undefined;

/** True for a decoder known to lose almost nothing in rotated bytes, on a processor that supports them. */
const mayRotate = ({ source, quant }: Omit<TunedModel, "checkpoint">): boolean =>
  quant === "auto" && rotatedLoss(source) !== undefined && namesByteProducts() === true;

/**
 * The fastest forms of a model on this machine, found by timing matrices of its sizes, unless `known` already has them;
 * undefined if there is no choice.
 */
export async function tune(
  model: TunedModel,
  timer: Timer = timeProducts,
  known?: Tuning,
): Promise<Tuning | undefined> {
  const codes = known?.bits === undefined ? await tuneCodes(model, timer) : known;
  const rotated = known?.rotated ?? (await tuneRotated(model, codes?.bits ?? processorBits(), timer));
  const isNew = (codes !== undefined && codes !== known) || rotated !== known?.rotated;
  if (!isNew) return known;
  if (codes) return { ...codes, ...(rotated && { rotated }) };
  return rotated && { rotated };
}

/**
 * The fastest code width of a decoder's 4-bit types; undefined if it has no such types. If the machine is too busy to
 * time, its instructions decide the width.
 */
async function tuneCodes(model: TunedModel, timer: Timer): Promise<CodesTuning | undefined> {
  if (!mayHaveFourBits(model.checkpoint, model.quant)) return undefined;
  const products = (await productsOf(model, 4)).filter(({ form }) => form.kind === "codes" && form.bits === 4);
  if (products.length === 0) return undefined;
  const forms = { 4: products, 8: products.map(inEightBits) };
  const timed = async (most: number, rows: number) => {
    const { ms, steady } = await timesOf(forms, { most, rows }, timer);
    return { 4: Math.min(...ms[4]), 8: Math.min(...ms[8]), steady };
  };
  const decode = await timed(SAMPLE.decode, 1);
  const prefill = await timed(SAMPLE.prefill, ROWS);
  const ms = { 4: { decode: decode[4], prefill: prefill[4] }, 8: { decode: decode[8], prefill: prefill[8] } };
  const steady = decode.steady && prefill.steady;
  return { bits: steady ? fastest(ms) : processorBits(), steady, ms };
}

const inEightBits = ({ n, k }: Product): Product => ({
  ...{ n, k },
  form: { kind: "codes", bits: 8, block: 32, corrected: false },
});

/**
 * The choice between rotated bytes and the default form of a decoder's layers; undefined for a model that may not run
 * in rotated bytes. Rotated bytes are rejected if both measurements for a step, a batch or a prompt are more than a
 * quarter slower.
 */
async function tuneRotated(model: TunedModel, bits: CodeBits, timer: Timer): Promise<RotatedTuning | undefined> {
  if (!mayRotate(model)) return undefined;
  const rotated = (await productsOf({ ...model, quant: "q8r" }, bits)).filter(({ form }) => form.kind === "bytes");
  // The last product is the head, which is the same in both forms.
  const own = (await productsOf(model, bits)).slice(0, rotated.length);
  if (!rotated.every(({ n, k }, i) => own[i]?.n === n && own[i].k === k)) return undefined;
  const timed = (of: keyof typeof ROTATED_ROWS) => {
    const most = of === "prompt" ? SAMPLE.prefill : SAMPLE.decode;
    return timesOf({ default: own, rotated }, { most, rows: ROTATED_ROWS[of] }, timer);
  };
  const [step, batch, prompt] = [await timed("step"), await timed("batch"), await timed("prompt")];
  const least = (of: "default" | "rotated") => ({
    step: Math.min(...step.ms[of]),
    batch: Math.min(...batch.ms[of]),
    prompt: Math.min(...prompt.ms[of]),
  });
  const ms = { default: least("default"), rotated: least("rotated") };
  const all = [step, batch, prompt];
  const steady = all.every((each) => each.steady);
  const slower = all.some((each) => Math.min(...each.ms.rotated) > MOST_LOSS * Math.max(...each.ms.default));
  const request = ({ step, prompt }: { readonly step: number; readonly prompt: number }) =>
    REQUEST.answer * step + REQUEST.prompt * prompt;
  return { chosen: steady && !slower && request(ms.default) >= LEAST_GAIN * request(ms.rotated), steady, ms };
}

/** The milliseconds that one row of all products takes in each form, extrapolated from a sample. */
async function timesOf<F extends string | number>(
  forms: Readonly<Record<F, readonly Product[]>>,
  { most, rows }: { readonly most: number; readonly rows: number },
  timer: Timer,
): Promise<{ readonly ms: Readonly<Record<F, Twice>>; readonly steady: boolean }> {
  const names = Object.keys(forms) as F[];
  const all = forms[names[0]!];
  const count = sampleSize(all, most);
  const share = weightsOf(all) / weightsOf(all.slice(0, count)) / rows;
  const each = <T>(make: (name: F) => T) => Object.fromEntries(names.map((name) => [name, make(name)])) as Record<F, T>;
  const ms = await timer(
    each((name) => forms[name].slice(0, count)),
    rows,
  );
  return {
    ms: each((name) => [ms[name][0] * share, ms[name][1] * share]),
    steady: names.every((name) => isSteady(ms[name])),
  };
}

const isSteady = ([first, second]: Twice): boolean => Math.max(first, second) <= STEADY * Math.min(first, second);

/** The matrix products of one pass through the model that have weights in codes or bytes. */
async function productsOf({ source, checkpoint, quant }: TunedModel, bits: CodeBits): Promise<Product[]> {
  const { decoder, weights } = await openDecoder(checkpoint, preparedFolder(source.path), quant, undefined, bits);
  const graphs = weights.imagined(() => traceDense(decoder));
  return graphs
    .flatMap(({ nodes }) => nodes)
    .flatMap(({ op, inputs, attrs }): Product[] => {
      const size = (operand: number, axis: number) => Number(inputs[operand]!.shape.at(axis));
      if (op.name === "byteLinear") return [{ n: size(1, 1), k: size(1, 0), form: { kind: "bytes", rotation: 32 } }];
      if (op.name !== "quantizedLinear") return [];
      const { bits, corrected } = attrs as MatrixAttrs;
      const block = ((size(1, 2) * 8) / bits) as Block;
      return [{ n: size(1, 0), k: size(0, -1), form: { kind: "codes", bits, corrected, block } }];
    });
}

const weightsOf = (products: readonly Product[]): number => products.reduce((sum, { n, k }) => sum + n * k, 0);

/** The number of leading products that together hold at least `most` weights; all products if they hold fewer. */
function sampleSize(products: readonly Product[], most: number): number {
  const enough = products.findIndex((_, i) => weightsOf(products.slice(0, i + 1)) >= most);
  return enough < 0 ? products.length : enough + 1;
}

function fastest(ms: CodesTuning["ms"]): CodeBits {
  const request = (bits: CodeBits) => REQUEST.answer * ms[bits].decode + REQUEST.prompt * ms[bits].prefill;
  const own = processorBits();
  const other = own === 4 ? 8 : 4;
  return request(own) > LEAST_GAIN * request(other) ? other : own;
}
