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

/** Layers from..to−1 as one graph: `ids` or the stream → the stream, or `hidden` after the last layer. */
export function traceLayers(decoder: Decoder, from: number, to: number): Graph {
  const g = new Graph();
  const lengths = new Lengths(g);
  let stream = from === 0 ? embedded(g, decoder, lengths) : streamIn(g, decoder);
  for (let l = from; l < to; l++) {
    const block = decoder.block(g, l);
    const { qkv, residual } = block.attentionIn(stream);
    stream = block.feedForward(block.attentionOut(attend(g, decoder, l, qkv, String(l), lengths), residual));
  }
  streamOut(g, decoder, stream, to);
  return g;
}

/** What lies between the attentions of layers `layer − 1` and `layer`: the piece that a saving at the attention seam leaves as it is. */
export function traceBetween(decoder: Decoder, layer: number): Graph {
  const g = new Graph();
  const { layers, hidden, heads, headSize } = decoder.config;
  let stream: Stream;
  if (layer === 0) stream = embedded(g, decoder, new Lengths(g));
  else {
    const block = decoder.block(g, layer - 1);
    stream = block.feedForward(block.attentionOut(wide(g, "attended", heads * headSize), wide(g, "residual", hidden)));
  }
  if (layer === layers) {
    g.output("hidden", decoder.finish(g, stream));
    return g;
  }
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

/** `hidden` [batch, tokens, hidden] → `logits`. */
export function traceHead(decoder: Decoder): Graph {
  const g = new Graph();
  g.output("logits", decoder.logits(g, wide(g, "hidden", decoder.config.hidden)));
  return g;
}

/** `hidden` [batch, tokens, hidden], `targets` [batch, tokens, targets] → `nats` of each target, `best` of the likeliest token. */
export function traceLikelihoods(decoder: Decoder): Graph {
  const g = new Graph();
  const logits = decoder.logits(g, wide(g, "hidden", decoder.config.hidden));
  const { nats, best } = logLikelihoods(logits, g.input("targets", "i64", [batch, tokens, sym("targets")]));
  g.output("nats", nats);
  g.output("best", best);
  return g;
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

function streamOut(g: Graph, decoder: Decoder, stream: Stream, to: number): void {
  if (to === decoder.config.layers) g.output("hidden", decoder.finish(g, stream));
  else {
    g.output("branchOut", stream.branch);
    g.output("residualOut", stream.residual!);
  }
}
