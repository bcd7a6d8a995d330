import type { CodeBits, MatrixAttrs } from "../../graph/index.ts";
import { traceDense } from "../../models/programs/segments.ts";
import { openDecoder } from "../../models/registry.ts";
import { processorBits } from "../../runtime/processor.ts";
import { type Product, type Timer, type Twice, timeProducts } from "../../runtime/product-times.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { mayHaveFourBits, type Quant } from "../../weights/prepared/quant.ts";
import { keepTuning, type Tuning, tunes, tuningOf } from "../../weights/prepared/tuning.ts";

/** The tokens of the request whose time decides. */
const REQUEST = { prompt: 256, answer: 128 };

/** The processor's own width stays unless the other is faster by this factor. */
const LEAST_GAIN = 1.1;

/** Rows of the products that stand for a prompt's. */
const ROWS = 64;

/** The most by which two measurements of a steady time differ. */
const STEADY = 1.15;

/** Weights that are timed, from the first layer on: a step's are too many for a core's cache, a prompt's do not wait for memory. */
const SAMPLE = { decode: 2 ** 24, prefill: 2 ** 21 };

/** Times a model's products on this processor once, and keeps the choice; later calls find it. Nothing is timed for a model without 4-bit types. */
export async function tuneOnce(checkpoint: Checkpoint, folder: string, quant: Quant): Promise<void> {
  // It is cheaper to tell than by tracing the model.
  if (!tunes() || !mayHaveFourBits(checkpoint, quant) || tuningOf(folder)) return;
  const made = await tune(checkpoint, folder, quant);
  // A folder that cannot be written to has no prepared weights either, which is said when they are made.
  if (made) await keepTuning(folder, made).catch(() => {});
}

/**
 * The width of codes in which a decoder's 4-bit types run fastest here, by timing matrices of the model's sizes; undefined if it has
 * no 4-bit types. On a machine that is too busy to tell, what its instructions suggest.
 */
export async function tune(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant,
  timer: Timer = timeProducts,
): Promise<Tuning | undefined> {
  const products = await productsOf(checkpoint, folder, quant);
  if (products.length === 0) return undefined;
  const timed = async (most: number, rows: number) => {
    const sample = sampleOf(products, most);
    const share = weightsOf(products) / weightsOf(sample) / rows;
    const ms = await timer(sample, rows);
    return { 4: Math.min(...ms[4]) * share, 8: Math.min(...ms[8]) * share, steady: isSteady(ms[4]) && isSteady(ms[8]) };
  };
  const decode = await timed(SAMPLE.decode, 1);
  const prefill = await timed(SAMPLE.prefill, ROWS);
  const ms = { 4: { decode: decode[4], prefill: prefill[4] }, 8: { decode: decode[8], prefill: prefill[8] } };
  const steady = decode.steady && prefill.steady;
  return { bits: steady ? fastest(ms) : processorBits(), steady, ms };
}

const isSteady = ([first, second]: Twice): boolean => Math.max(first, second) <= STEADY * Math.min(first, second);

/** The products of one pass through the model whose matrices can be of 4-bit codes. */
async function productsOf(checkpoint: Checkpoint, folder: string, quant: Quant): Promise<Product[]> {
  const { decoder, weights } = await openDecoder(checkpoint, folder, quant, undefined, 4);
  const graphs = weights.imagined(() => traceDense(decoder));
  return graphs
    .flatMap(({ nodes }) => nodes)
    .flatMap(({ op, inputs, attrs }) => {
      if (op.name !== "quantizedLinear") return [];
      const { bits, corrected } = attrs as MatrixAttrs;
      const [n, k] = [Number(inputs[1]!.shape[0]), Number(inputs[0]!.shape.at(-1))];
      return bits === 4 ? [{ n, k, minimum: corrected }] : [];
    });
}

const weightsOf = (products: readonly Product[]): number => products.reduce((sum, { n, k }) => sum + n * k, 0);

/** The first products, until they hold so many weights. */
function sampleOf(products: readonly Product[], most: number): Product[] {
  const enough = products.findIndex((_, i) => weightsOf(products.slice(0, i + 1)) >= most);
  return enough < 0 ? [...products] : products.slice(0, enough + 1);
}

function fastest(ms: Tuning["ms"]): CodeBits {
  const request = (bits: CodeBits) => REQUEST.answer * ms[bits].decode + REQUEST.prompt * ms[bits].prefill;
  const own = processorBits();
  const other = own === 4 ? 8 : 4;
  return request(own) > LEAST_GAIN * request(other) ? other : own;
}
