import { encoderAttention, type Graph, reshape, type Tensor } from "../../graph/index.ts";
import { type Stream, settle } from "../../nn/stream.ts";
import { kept, type TextBatch, textBatch } from "../../nn/unpad.ts";
import { UserError } from "../../util/errors.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { attentionBlock, type Decoder, hasRecurrent, sharesKeys } from "../decoder/decoder.ts";
import { wholeHeads } from "../decoder/whole-heads.ts";
import type { EncoderInput, TextEncoder } from "./encoder.ts";

/** A decoder's stack that reads whole texts for their embeddings: it keeps no state and predicts no token. */
export class DecoderEncoder implements TextEncoder {
  readonly config: TextEncoder["config"];

  /** @throws UserError if some of the decoder's layers are recurrent, share keys or have their own inputs, or its attention caps its scores or has sinks */
  constructor(
    private readonly decoder: Decoder,
    readonly weights: WeightSource,
  ) {
    const refuse = (what: string) =>
      new UserError(`${weights.config.path}: an embedding model with ${what} is not supported`);
    if (hasRecurrent(decoder.config)) throw refuse("recurrent layers");
    if (decoder.config.layerInput !== undefined) throw refuse("a separate input for each layer");
    if (sharesKeys(decoder.config)) throw refuse("layers that share keys and values");
    const { softcap, sinks } = decoder.attention(0);
    if (softcap !== undefined) throw refuse("capped scores");
    if (sinks) throw refuse("attention sinks");
    this.config = { ...decoder.config, labels: 0, types: 0 };
  }

  hidden(graph: Graph, { ids, mask, seen }: EncoderInput, layers: number = this.config.layers): Tensor {
    const texts = { ...textBatch(mask), mask: seen ?? mask };
    const rows = new Rows(texts);
    const embedded = this.decoder.embed(graph, ids, () => {
      throw new UserError(`${this.weights.config.path}: an embedding model with learned positions is not supported`);
    });
    let stream: Stream = { branch: rows.in(embedded) };
    for (let layer = 0; layer < layers; layer++) stream = this.#layer(graph, layer, stream, texts, rows);
    return rows.out(this.decoder.finish(graph, { branch: settle(stream) }));
  }

  #layer(graph: Graph, layer: number, stream: Stream, { mask }: TextBatch, rows: Rows): Stream {
    const { heads, scale, window } = this.decoder.attention(layer);
    const { bothWays } = this.decoder.config;
    const block = attentionBlock(this.decoder, graph, layer);
    const { qkv, residual, beside } = block.attentionIn(stream);
    const { q, k, v } = wholeHeads(graph, this.decoder, layer, rows.out(qkv), first(graph));
    // A window includes the token itself; if attention is bidirectional, half of the window is on each side.
    const reach = window === undefined ? undefined : bothWays ? Math.floor(window / 2) : window - 1;
    const attended = encoderAttention(q, k, v, mask, { heads, scale, reach, causal: !bothWays });
    return block.feedForward(block.attentionOut(rows.in(attended), residual, beside));
  }
}

/** The position of each text's first token, i64 [1]. */
function first(graph: Graph): Tensor {
  const bytes = new Uint8Array(BigInt64Array.of(0n).buffer);
  return graph.constant("first", { dtype: "i64", shape: [1] }, { kind: "memory", bytes });
}

/** Converts a batch [batch, tokens, width] to one row of its tokens without padding, [1, kept, width], and back. */
class Rows {
  constructor(private readonly texts: TextBatch) {}

  in(x: Tensor): Tensor {
    const rows = this.texts.padding.unpad(x);
    return reshape(rows, [1, kept, rows.shape.at(-1)!]);
  }

  out(x: Tensor): Tensor {
    return this.texts.padding.pad(reshape(x, [kept, x.shape.at(-1)!]));
  }
}
