import {
  type CacheTensors,
  cachedAttention,
  type DType,
  Graph,
  logLikelihoods,
  type Shape,
  sym,
  type Tensor,
} from "../graph/index.ts";
import type { Stream } from "../nn/stream.ts";
import type { Decoder, DecoderConfig } from "./decoder.ts";
import { hasWindow } from "./near.ts";

// Symbols of every graph of a model: rows, new tokens of each, tokens that were in the cache before.
const batch = sym("batch");
const tokens = sym("tokens");
export const past = sym("past");
/** Of those, the ones that are bound to layers with a window. */
const nearPast = sym("nearPast");

const ids = (g: Graph): Tensor => g.input("ids", "i64", [batch, tokens]);
const wide = (g: Graph, name: string, width: number): Tensor => g.input(name, "f32", [batch, tokens, width]);

/** The cache of one layer as inputs; capacity is a symbol, as a cache is as long as its owner made it. */
function cache(g: Graph, decoder: Decoder, suffix: string): Pick<CacheTensors, "pastKey" | "pastValue"> {
  const { kvHeads, headSize } = decoder.config;
  const shape = [batch, kvHeads, sym("capacity"), headSize];
  return {
    pastKey: g.input(`pastKey${suffix}`, "f32", shape),
    pastValue: g.input(`pastValue${suffix}`, "f32", shape),
  };
}

/** The inputs that say how long the cache is, made when first asked for. */
class Lengths {
  readonly #made = new Map<string, Tensor>();
  constructor(private readonly graph: Graph) {}

  get all() {
    return { lengths: this.#input("lengths", "i32", [batch]), total: this.#input("total", "i32", []) };
  }

  /** For layers without a window. */
  far({ stretchedBeyond }: DecoderConfig) {
    return stretchedBeyond === undefined ? this.all : { ...this.all, positions: this.#positions };
  }

  /** For layers with a window, which are bound to a part of the cache. */
  get near() {
    return {
      lengths: this.#input("nearLengths", "i32", [batch]),
      total: this.#input("nearTotal", "i32", []),
      positions: this.#positions,
    };
  }

  get #positions(): Tensor {
    return this.#input("positions", "i64", [batch, tokens]);
  }

  #input(name: string, dtype: DType, shape: Shape): Tensor {
    const known = this.#made.get(name) ?? this.graph.input(name, dtype, shape);
    this.#made.set(name, known);
    return known;
  }
}

function attend(g: Graph, decoder: Decoder, layer: number, qkv: Tensor, suffix: string, lengths: Lengths): Tensor {
  const near = hasWindow(decoder.config, layer);
  const tensors = { ...cache(g, decoder, suffix), ...(near ? lengths.near : lengths.far(decoder.config)) };
  const attrs = { ...decoder.attention(layer), past: near ? nearPast : past };
  const { y, presentKey, presentValue } = cachedAttention(qkv, tensors, decoder.rotary(g, layer), attrs);
  g.output(`presentKey${suffix}`, presentKey);
  g.output(`presentValue${suffix}`, presentValue);
  return y;
}

/**
 * Layers from..to−1 as one graph: `ids` or the stream → the stream. Of the last layer, what follows its attention is the head's, which runs
 * for the tokens that are asked for alone: a prompt's last one.
 */
export function traceLayers(decoder: Decoder, from: number, to: number): Graph {
  const g = new Graph();
  const lengths = new Lengths(g);
  let stream = from === 0 ? embedded(g, decoder, lengths) : streamIn(g, decoder);
  for (let l = from; l < to; l++) {
    const block = decoder.block(g, l);
    const { qkv, residual } = block.attentionIn(stream);
    const attended = attend(g, decoder, l, qkv, String(l), lengths);
    if (l === decoder.config.layers - 1) {
      g.output("attended", attended);
      g.output("residualOut", residual);
      return g;
    }
    stream = block.feedForward(block.attentionOut(attended, residual));
  }
  g.output("branchOut", stream.branch);
  g.output("residualOut", stream.residual!);
  return g;
}

/** What leads to the attention of `layer`, from that of the one before: the piece that a saving at the attention seam leaves as it is. */
export function traceBefore(decoder: Decoder, layer: number): Graph {
  const g = new Graph();
  const stream = layer === 0 ? embedded(g, decoder, new Lengths(g)) : afterAttention(g, decoder, layer - 1);
  const { qkv, residual } = decoder.block(g, layer).attentionIn(stream);
  g.output("qkv", qkv);
  g.output("residualOut", residual);
  return g;
}

/** A layer's attention by itself, without weights: one program serves every layer of the same `attentionKind`. */
export function traceAttention(decoder: Decoder, layer: number): Graph {
  const g = new Graph();
  const { heads, kvHeads, headSize } = decoder.config;
  const qkv = wide(g, "qkv", (heads + 2 * kvHeads) * headSize);
  g.output("attended", attend(g, decoder, layer, qkv, "", new Lengths(g)));
  return g;
}

/** What follows the last attention: `attended` [batch, tokens, heads·headSize], `residual` [batch, tokens, hidden] → `logits`. */
export function traceHead(decoder: Decoder): Graph {
  const g = new Graph();
  g.output("logits", logits(g, decoder));
  return g;
}

/** As `traceHead`, with `targets` [batch, tokens, targets] → `nats` of each target, `best` of the likeliest token. */
export function traceLikelihoods(decoder: Decoder): Graph {
  const g = new Graph();
  const { nats, best } = logLikelihoods(logits(g, decoder), g.input("targets", "i64", [batch, tokens, sym("targets")]));
  g.output("nats", nats);
  g.output("best", best);
  return g;
}

function logits(g: Graph, decoder: Decoder): Tensor {
  return decoder.logits(g, decoder.finish(g, afterAttention(g, decoder, decoder.config.layers - 1)));
}

function afterAttention(g: Graph, decoder: Decoder, layer: number): Stream {
  const { hidden, heads, headSize } = decoder.config;
  const block = decoder.block(g, layer);
  return block.feedForward(block.attentionOut(wide(g, "attended", heads * headSize), wide(g, "residual", hidden)));
}

/** What a layer's attention does, as a text that is the same for layers that do the same. */
export function attentionKind(decoder: Decoder, layer: number): string {
  const tables = decoder.rotary(new Graph(), layer);
  return JSON.stringify([decoder.attention(layer), tables?.cos.graph.constants.map((c) => c.name)]);
}

const embedded = (g: Graph, decoder: Decoder, lengths: Lengths): Stream => ({
  branch: decoder.embed(g, ids(g), () => lengths.all.lengths),
});

function streamIn(g: Graph, decoder: Decoder): Stream {
  return { branch: wide(g, "branch", decoder.config.hidden), residual: wide(g, "residual", decoder.config.hidden) };
}
