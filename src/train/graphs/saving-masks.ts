import type { DType, Graph, Tensor } from "../../graph/index.ts";
import type { Decoder } from "../../models/decoder/decoder.ts";
import type { LayerMask } from "../../savings/masks.ts";
import type { VisualSpan } from "../../savings/plan.ts";
import { meansPreset, parseStep } from "../../savings/recipe.ts";
import { savings } from "../../savings/registry.ts";
import { UserError } from "../../util/errors.ts";
import type { Batch } from "../data/batch.ts";
import type { RunData } from "../data/open.ts";
import { methodName } from "../methods/method.ts";
import type { TrainOptions } from "../options.ts";
import type { BatchInput, Shape } from "./stack.ts";

/** Added to the score of a hidden key: far below any score, and finite, because 0 times an infinite term is NaN. */
const HIDDEN = -1e9;

/** A saving that is active during training: masks hide what it would skip. */
export class SavingMasks {
  /** Attention masks: layers with the same mask share an input. */
  readonly #seen: readonly LayerMask[];
  readonly #narrows: boolean;
  /** The last mask of each input, for reuse, since images have the same positions in most rows. */
  readonly #last = new Map<LayerMask, { readonly key: string; readonly mask: Float32Array }>();

  constructor(private readonly layers: readonly LayerMask[]) {
    this.#seen = [...new Set(layers)].filter(({ sees }) => sees);
    this.#narrows = layers.some(({ share }) => share < 1);
  }

  /** A term to add to a layer's scores, f32 [rows, tokens, tokens]; undefined if attention is dense. */
  scores(g: Graph, layer: number, { rows, tokens }: Shape): Tensor | undefined {
    const at = this.#seen.indexOf(this.layers[layer]!);
    return at < 0 ? undefined : inputOf(g, nameOf(at), "f32", [rows, tokens, tokens]);
  }

  /**
   * The share of a layer's neurons that run for tokens marked 1 in `some` i64 [rows, tokens]; undefined if all run.
   */
  neurons(
    g: Graph,
    layer: number,
    { rows, tokens }: Shape,
  ): { readonly share: number; readonly some: Tensor } | undefined {
    const { share } = this.layers[layer]!;
    return share < 1 ? { share, some: inputOf(g, "visual", "i64", [rows, tokens]) } : undefined;
  }

  inputs({ rows, tokens, visual = [] }: Batch): Readonly<Record<string, BatchInput>> {
    const spans = Array.from({ length: rows }, (_, row) => visual[row] ?? []);
    const masks = this.#seen.map((layer, i): [string, BatchInput] => {
      const values = new Float32Array(rows * tokens ** 2);
      for (const [row, some] of spans.entries()) values.set(this.#mask(layer, some, tokens), row * tokens ** 2);
      return [nameOf(i), { dtype: "f32", shape: [rows, tokens, tokens], values }];
    });
    const which = (): BatchInput => ({ dtype: "i64", shape: [rows, tokens], values: visualOf(spans, tokens) });
    return { ...Object.fromEntries(masks), ...(this.#narrows && { visual: which() }) };
  }

  #mask(layer: LayerMask, visual: readonly VisualSpan[], tokens: number): Float32Array {
    const key = JSON.stringify([visual, tokens]);
    const last = this.#last.get(layer);
    if (last?.key === key) return last.mask;
    const sees = layer.sees!(visual, tokens);
    const mask = new Float32Array(tokens ** 2).fill(HIDDEN);
    for (let query = 0; query < tokens; query++)
      for (let at = 0; at < tokens; at++) if (sees(query, at)) mask[query * tokens + at] = 0;
    this.#last.set(layer, { key, mask });
    return mask;
  }
}

const nameOf = (mask: number): string => `hidden:${mask}`;

/** A graph input that several layers may read; the first of them creates it. */
const inputOf = (g: Graph, name: string, dtype: DType, shape: readonly number[]): Tensor =>
  g.inputs.find((port) => port.name === name)?.tensor ?? g.input(name, dtype, shape);

/** 1 for image tokens. */
function visualOf(rows: readonly (readonly VisualSpan[])[], tokens: number): Int32Array {
  const visual = new Int32Array(rows.length * tokens);
  for (const [row, spans] of rows.entries())
    for (const { first, grid } of spans) {
      const from = row * tokens + first;
      visual.fill(1, from, from + grid[0] * grid[1]);
    }
  return visual;
}

/** @throws UserError if a run names a saving, but trains a subject without layers for it */
export function refuseSave({ save }: Pick<TrainOptions, "save">, trained: string): void {
  if (save !== undefined) throw new UserError(`save: ${trained} is trained without savings; omit save`, 2);
}

/** @throws UserError if a run with a saving trains an encoder, packs samples or uses a method's own sample format */
export function checkSave(
  { save, packing, method }: Pick<TrainOptions, "save" | "packing" | "method">,
  { head, training }: RunData,
  arranged: boolean,
): void {
  if (save === undefined) return;
  if (head) refuseSave({ save }, "an encoder");
  if (packing) throw new UserError("packing: savings do not support samples that share a row; omit packing", 2);
  if (training.prefixed || arranged)
    throw new UserError(
      `save: ${methodName(method)} uses its own sample format, which savings do not support; omit save`,
      2,
    );
}

/** The masks of the saving in a run's options; undefined without a saving. @throws UserError */
export function savingMasks(save: string | undefined, decoder: Decoder): SavingMasks | undefined {
  if (save === undefined) return undefined;
  const step = parseStep(save);
  const { saving, options } = step;
  if (meansPreset(step)) throw new UserError(`save: expected ${save} with its options, got only its name`, 2);
  if (saving.masks) return new SavingMasks(saving.masks(options, decoder));
  const names = savings.flatMap(({ name, masks }) => (masks ? [name] : []));
  throw new UserError(`save: training does not support ${saving.name}; expected ${names.join(" or ")}`, 2);
}
