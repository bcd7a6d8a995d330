import { type Graph, sym, type Tensor } from "../../graph/index.ts";
import type { Encoder } from "../../models/encoder/encoder.ts";
import { settle } from "../../nn/stream.ts";
import { kept, textBatch } from "../../nn/unpad.ts";
import { type Batch, lengthsOf } from "../data/batch.ts";
import { inRows } from "../data/text-rows.ts";
import type { BatchInput, Stack } from "./stack.ts";

const TEXTS = [sym("batch"), sym("tokens")] as const;

const maskIn = (g: Graph): Tensor => g.input("mask", "i32", TEXTS);

/** The inputs `x` (the last layer's stream) and `mask`, and the hidden states [batch, tokens, hidden]. */
export function hiddenIn(g: Graph, encoder: Encoder) {
  const x = g.input("x", "f32", [kept, encoder.config.hidden]);
  const mask = maskIn(g);
  return { x, mask, hidden: encoder.finish(g, { branch: x }, textBatch(mask)) };
}

/**
 * The number of tokens to run together: with fewer, matrix products are inefficiently small; with more, attention
 * wastes work on padding.
 */
const PART_TOKENS = 1024;

/** An encoder's layers over texts without padding: one program serves batches of every size. */
export class EncoderStack implements Stack {
  constructor(
    private readonly encoder: Encoder,
    private readonly partTokens = PART_TOKENS,
  ) {}

  get layers(): number {
    return this.encoder.config.layers;
  }

  get hidden(): number {
    return this.encoder.config.hidden;
  }

  get context(): number {
    return this.encoder.config.context;
  }

  stream() {
    return [kept, this.hidden];
  }

  embed(g: Graph): Tensor {
    const ids = g.input("ids", "i64", TEXTS);
    const types = this.encoder.config.types > 0 ? g.input("types", "i64", TEXTS) : undefined;
    const mask = maskIn(g);
    return this.encoder.embed(g, { ids, mask, types }, textBatch(mask));
  }

  layer(g: Graph, layer: number, x: Tensor): Tensor {
    return settle(this.encoder.layer(g, layer, { branch: x }, textBatch(maskIn(g))));
  }

  /**
   * Groups neighbouring texts, which are of similar length, until a group has enough tokens; each group is padded to
   * its longest text.
   */
  parts(batch: Batch): readonly Batch[] {
    const texts: Int32Array[][] = [];
    let tokens = this.partTokens;
    for (const [row, length] of lengthsOf(batch).entries()) {
      if (tokens >= this.partTokens) {
        texts.push([]);
        tokens = 0;
      }
      texts.at(-1)!.push(batch.ids.subarray(row * batch.tokens, row * batch.tokens + length));
      tokens += length;
    }
    return texts.map((some) => ({ ...batch, ...inRows(some) }));
  }

  inputs(batch: Batch): Readonly<Record<string, BatchInput>> {
    const { rows, tokens, ids } = batch;
    const shape = [rows, tokens];
    const mask = new Int32Array(rows * tokens);
    for (const [row, length] of lengthsOf(batch).entries()) mask.fill(1, row * tokens, row * tokens + length);
    const types = new Int32Array(rows * tokens);
    return {
      ids: { dtype: "i64", shape, values: ids },
      mask: { dtype: "i32", shape, values: mask },
      types: { dtype: "i64", shape, values: types },
    };
  }
}
