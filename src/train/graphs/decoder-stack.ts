import type { Graph, Tensor } from "../../graph/index.ts";
import { type Decoder, isRecurrent } from "../../models/decoder/decoder.ts";
import { settle } from "../../nn/stream.ts";
import { UserError } from "../../util/errors.ts";
import type { Batch } from "../data/batch.ts";
import { languageModel } from "../heads/language-model.ts";
import { attend } from "./attend.ts";
import { CarriedTensors, carriedWidth } from "./carried.ts";
import type { Trainee } from "./graphs.ts";
import type { SavingMasks } from "./saving-masks.ts";
import type { BatchInput, Shape, Stack } from "./stack.ts";

/** A decoder's layers, for batches of one shape; in shorter rows, positions after the end have no label. */
export class DecoderStack implements Stack {
  readonly #routers = new WeakMap<Graph, readonly Tensor[]>();
  readonly #carried = new WeakMap<Graph, Tensor>();

  constructor(
    protected readonly decoder: Decoder,
    /** The masks of the active saving, if there is one. */
    private readonly saving?: SavingMasks,
  ) {}

  get layers(): number {
    return this.decoder.config.layers;
  }

  get hidden(): number {
    return this.decoder.config.hidden;
  }

  get context(): number {
    return this.decoder.config.context;
  }

  stream({ rows, tokens }: Shape): readonly number[] {
    return [rows, tokens, this.hidden];
  }

  embed(g: Graph, { rows, tokens }: Shape): Tensor {
    const ids = g.input("ids", "i64", [rows, tokens]);
    const embedded = this.decoder.embed(g, ids, () => g.input("lengths", "i32", [rows]));
    if (this.decoder.config.layerInput !== undefined) this.#carried.set(g, this.decoder.layerInputs!(g, ids, embedded));
    return embedded;
  }

  carriedWidth(layer: number): number {
    return carriedWidth(this.decoder.config, layer);
  }

  carried(g: Graph): Tensor | undefined {
    return this.#carried.get(g);
  }

  layer(g: Graph, layer: number, x: Tensor, shape: Shape): Tensor {
    const along = new CarriedTensors(g, this.decoder.config, layer, shape);
    const block = this.decoder.block(g, layer, () => along.input);
    if (isRecurrent(this.decoder.config, layer)) checkRows(shape);
    if (block.kind === "recurrent") {
      const y = settle(block.train({ branch: x }));
      this.#routers.set(g, block.routers ?? []);
      return y;
    }
    const { qkv: own, residual, beside } = block.attentionIn({ branch: x });
    const qkv = along.withKeys(own);
    const next = along.next(qkv);
    if (next) this.#carried.set(g, next);
    const attended = attend(g, this.decoder, layer, qkv, this.#masks(shape), this.hiddenPairs(g, layer, shape));
    const { share, some } = this.saving?.neurons(g, layer, shape) ?? {};
    const y = settle(block.feedForward(block.attentionOut(attended, residual, beside), share, some));
    this.#routers.set(g, block.routers ?? []);
    return y;
  }

  /** A term added to attention scores, f32 [rows, tokens, tokens]; if undefined, attention is causal. */
  protected hiddenPairs(g: Graph, layer: number, shape: Shape): Tensor | undefined {
    return this.saving?.scores(g, layer, shape);
  }

  get experts(): Stack["experts"] {
    return this.decoder.config.experts;
  }

  routers(g: Graph): readonly Tensor[] {
    return this.#routers.get(g) ?? [];
  }

  /** In a denoiser, all tokens are prefix tokens, and padding is a separate document. */
  #masks(shape: Shape): Shape {
    return this.decoder.config.denoiser ? { ...shape, packed: true, prefixed: true } : shape;
  }

  /** For models with learned positions, `lengths` holds each row's length − 1. */
  inputs(batch: Batch): Readonly<Record<string, BatchInput>> {
    const { rows, tokens, ids, documents } = batch;
    const prefix = this.decoder.config.denoiser ? new Int32Array(ids.length).fill(1) : batch.prefix;
    const shape = [rows, tokens];
    return {
      ids: { dtype: "i64", shape, values: ids },
      lengths: { dtype: "i32", shape: [rows], values: new Int32Array(rows).fill(tokens - 1) },
      ...(documents && { documents: { dtype: "i64", shape, values: documents } }),
      ...(prefix && { prefix: { dtype: "i64", shape, values: prefix } }),
      ...this.saving?.inputs(batch),
      ...(this.experts && { routed: { dtype: "f32", shape, values: routedOf(batch) } }),
    };
  }
}

/** The weight of each position in the mean of the routers' losses; zero after the end of a row's samples. */
function routedOf({ rows, tokens, labels, documents }: Batch): Float32Array {
  const counted = documents ? documents.map((document) => Number(document >= 0)) : new Int32Array(rows * tokens);
  if (!documents)
    for (let row = 0; row < rows; row++) {
      const last = labels.subarray(row * tokens, (row + 1) * tokens).findLastIndex((label) => label >= 0);
      counted.fill(1, row * tokens, row * tokens + last + 1);
    }
  const positions = counted.reduce((sum, one) => sum + one, 0);
  return Float32Array.from(counted, (one) => one / Math.max(positions, 1));
}

/** Rejects rows with several documents or with prefixes in a recurrent model. @throws UserError */
function checkRows({ packed, prefixed }: Shape): void {
  const why = "every layer of a recurrent model carries its state from one token of a row to the next";
  if (packed) throw new UserError(`packing: ${why}, even across documents; omit packing`, 2);
  if (prefixed) throw new UserError(`${why}, so a prefix token cannot attend to later tokens`, 2);
}

/** A decoder, trained as a language model. */
export const languageModelOf = (decoder: Decoder, saving?: SavingMasks): Pick<Trainee, "stack" | "objective"> => ({
  stack: new DecoderStack(decoder, saving),
  objective: languageModel(decoder),
});
