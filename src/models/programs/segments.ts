import {
  carve,
  type Dim,
  Graph,
  logLikelihoods,
  reshape,
  rotaryEmbedding,
  split,
  sym,
  type Tensor,
  transpose,
  writeCache,
} from "../../graph/index.ts";
import { type Stream, settle } from "../../nn/stream.ts";
import {
  attendedWidth,
  attentionBlock,
  type Decoder,
  endsInAttention,
  hasRecurrent,
  headsOf,
  inputWidth,
  keepsKeys,
  nextState,
  qkvWidth,
  type RecurrentBlock,
  sharesKeys,
} from "../decoder/decoder.ts";
import { CachedLayers, cache } from "./attend.ts";
import { inputIn, LAYER_INPUTS } from "./layer-inputs.ts";
import { LengthInputs } from "./length-inputs.ts";
import type { ExitHead, StepProbe } from "./step-probe.ts";

// Symbols that all of a model's graphs share: rows, and new tokens per row.
const batch = sym("batch");
const tokens = sym("tokens");

const wide = (g: Graph, name: string, width: number, count: Dim = tokens): Tensor =>
  g.input(name, "f32", [batch, count, width]);

/** All graphs of a dense run: together they read each of the model's weights. */
export const traceDense = (decoder: Decoder): Graph[] => [
  traceEmbedding(decoder),
  traceLayers(decoder, 0, decoder.config.layers),
  ...(endsInAttention(decoder.config) ? [traceAfter(decoder, decoder.config.layers - 1)] : []),
  traceHead(decoder),
];

/**
 * `ids` i64 [batch, tokens] → `branchOut` [batch, tokens, hidden], the start of the stack. Models with learned
 * positions also read `lengths`.
 */
export function traceEmbedding(decoder: Decoder): Graph {
  const g = new Graph();
  const lengths = new LengthInputs(g);
  const ids = g.input("ids", "i64", [batch, tokens]);
  const embedded = decoder.embed(g, ids, () => lengths.lengths);
  g.output("branchOut", embedded);
  if (decoder.config.layerInput !== undefined) g.output(LAYER_INPUTS, decoder.layerInputs!(g, ids, embedded));
  return g;
}

/** The way tokens attend in some layers. */
interface Attending {
  /** True if tokens of one image see each other. */
  readonly images?: boolean;
  /**
   * The number of tokens of one row that attend separately, with windows that start at the same token: bit-equal to
   * that number of decode steps.
   */
  readonly apart?: number;
}

/**
 * Layers `from` to `to` − 1 as one graph, from stream to stream. If the last layer has attention, the graph ends with
 * it: `traceAfter` runs the rest only for the needed tokens.
 */
export function traceLayers(
  decoder: Decoder,
  from: number,
  to: number,
  { images, apart: count }: Attending = {},
): Graph {
  const g = new Graph();
  const lengths = new LengthInputs(g);
  const each = Array.from({ length: count ?? 0 }, (_, at) => new LengthInputs(g, { at, tokens: 1 }));
  const layers = new CachedLayers(g, decoder);
  const attention = (l: number, qkv: Tensor): Tensor => {
    if (count !== undefined) return layers.attendApart(l, qkv, each);
    return images ? layers.attendAhead(l, qkv, lengths) : layers.attend(l, qkv, lengths);
  };
  let stream = streamIn(g, decoder, from, count);
  for (let l = from; l < to; l++) {
    const block = decoder.block(g, l, inputIn(g, decoder, l));
    if (block.kind === "recurrent") {
      stream = recur(g, decoder, block, l, stream);
      continue;
    }
    const { qkv, residual, beside, state } = block.attentionIn(stream, stateIn(g, decoder, l));
    if (state) g.output(`stateOut${l}`, state);
    const attended = attention(l, qkv);
    if (l === decoder.config.layers - 1) {
      g.output("attended", attended);
      g.output("attendedResidual", apart(residual, stream));
      if (beside) g.output("beside", beside);
      return g;
    }
    stream = block.feedForward(block.attentionOut(attended, residual, beside));
  }
  return streamOut(g, stream);
}

/** A layer's state as the input `state0` [batch, floats], named by layer number; undefined if it keeps no state. */
function stateIn(g: Graph, { config }: Decoder, layer: number): Tensor | undefined {
  const floats = config.recurrent?.(layer);
  return floats === undefined ? undefined : g.input(`state${layer}`, "f32", [batch, floats]);
}

/** Runs a recurrent layer; its next state becomes the output `stateOut0`, named by layer number. */
function recur(g: Graph, decoder: Decoder, block: RecurrentBlock, layer: number, stream: Stream): Stream {
  const { stream: after, state } = block.run(stream, stateIn(g, decoder, layer)!);
  g.output(`stateOut${layer}`, state);
  return { ...after, ...(after.residual && { residual: apart(after.residual, stream) }) };
}

/** True if tokens can attend separately: every layer attends to its own keys only, and positions have one axis. */
export const runApart = ({ config }: Decoder): boolean =>
  !hasRecurrent(config) &&
  !config.axes &&
  !config.wholeImages &&
  !sharesKeys(config) &&
  config.beside === undefined &&
  inputWidth(config) === 0;

/**
 * The stream → `qkv` of a layer [batch, tokens, (heads + 2·kvHeads)·headSize], and the residual beside its attention;
 * also updates any state of the layer.
 */
export function traceBefore(decoder: Decoder, layer: number): Graph {
  const g = new Graph();
  return attentionIn(g, decoder, layer, streamIn(g, decoder, layer));
}

/**
 * One graph from the previous layer's attention to that of `layer`: `traceAfter`, then `traceBefore`. `share`: the
 * fraction of the feed-forward's neurons that runs.
 */
export function traceBetween(decoder: Decoder, layer: number, share = 1): Graph {
  const g = new Graph();
  return attentionIn(g, decoder, layer, afterAttention(g, decoder, layer - 1, share));
}

function attentionIn(g: Graph, decoder: Decoder, layer: number, stream: Stream): Graph {
  const before = stateIn(g, decoder, layer);
  const { qkv, residual, beside, state } = attentionBlock(decoder, g, layer).attentionIn(stream, before);
  if (state) g.output(`stateOut${layer}`, state);
  g.output("qkv", qkv);
  g.output("attendedResidualOut", apart(residual, stream));
  if (beside) g.output("besideOut", beside);
  return g;
}

/** A graph's output must not be one of its inputs, as the residual beside the first layer's attention would be. */
const apart = (residual: Tensor, { branch }: Stream): Tensor =>
  residual === branch ? reshape(residual, residual.shape) : residual;

/** A layer's attention, without weights except sinks: one program serves every layer of the same `attentionKind`. */
export function traceAttention(decoder: Decoder, layer: number): Graph {
  const g = new Graph();
  const qkv = wide(g, "qkv", qkvWidth(decoder.config, layer));
  g.output("attended", new CachedLayers(g, decoder).attend(layer, qkv, new LengthInputs(g), ""));
  return g;
}

/**
 * The graph after a layer's attention: `attended` [batch, tokens, heads·headSize], the residual beside attention and,
 * in models that have it, `beside` → the stream. `share`: the fraction of the feed-forward's neurons that runs.
 */
export function traceAfter(decoder: Decoder, layer: number, share = 1): Graph {
  const g = new Graph();
  return streamOut(g, afterAttention(g, decoder, layer, share));
}

/** The layers of a span to which a fill applies. */
export type FillScope = "all" | "recurrent";

/**
 * The state of layers `from` to `to` − 1 for tokens that skip them, computed from the stream at `from` without
 * attention. Attention layers write keys and values into their caches from entry `first` (i64 [batch]) on; recurrent
 * layers return the next state.
 */
export function traceFill(decoder: Decoder, from: number, to: number, filled: FillScope = "all"): Graph {
  const g = new Graph();
  const stream = streamIn(g, decoder, from);
  const entries = new FillInputs(g);
  for (let l = from; l < to; l++) {
    const state = stateIn(g, decoder, l);
    if (state) g.output(`stateOut${l}`, nextState(decoder, g, l, stream, state));
    if (filled === "all" && keepsKeys(decoder.config, l)) fillEntries(g, decoder, l, { stream, state }, entries);
  }
  if (!hasRecurrent(decoder.config)) return g;
  return carve(g, {}, Object.fromEntries(g.outputs.map(({ name, tensor }) => [name, tensor])));
}

/** The inputs for the positions of new keys and values, created on first use. */
class FillInputs {
  readonly lengths: LengthInputs;
  #first: Tensor | undefined;

  constructor(private readonly g: Graph) {
    this.lengths = new LengthInputs(g);
  }

  get first(): Tensor {
    this.#first ??= this.g.input("first", "i64", [batch]);
    return this.#first;
  }
}

/** The stream before a layer, and the layer's state, if it keeps one. */
interface Before {
  readonly stream: Stream;
  readonly state: Tensor | undefined;
}

function fillEntries(g: Graph, decoder: Decoder, layer: number, { stream, state }: Before, entries: FillInputs): void {
  const { heads, kvHeads, headSize } = headsOf(decoder.config, layer);
  const { first } = entries;
  const { qkv } = attentionBlock(decoder, g, layer).attentionIn(stream, state);
  const widths = [heads, kvHeads, kvHeads].map((n) => n * headSize);
  const [, k, v] = split(qkv, 2, widths) as [Tensor, Tensor, Tensor];
  const { rotary: pairs } = decoder.attention(layer);
  const tables = decoder.rotary(g, layer);
  const turned =
    pairs === "none" || !tables ? k : rotaryEmbedding(k, entries.lengths.positions, tables, { heads: kvHeads, pairs });
  const byHead = (x: Tensor) => transpose(reshape(x, [batch, tokens, kvHeads, headSize]), [0, 2, 1, 3]);
  const { pastKey, pastValue } = cache(g, decoder, layer);
  g.output(`presentKey${layer}`, writeCache(pastKey, byHead(turned), first));
  g.output(`presentValue${layer}`, writeCache(pastValue, byHead(v), first));
}

/** The graph of the head: the stream after any layer → `logits` [batch, tokens, vocabulary]. */
export function traceHead(decoder: Decoder): Graph {
  const g = new Graph();
  g.output("logits", logits(g, decoder));
  return g;
}

/** An exit's own head: the stream after any layer but the last → `logits` [batch, tokens, vocabulary]. */
export function traceExitHead(decoder: Decoder, head: ExitHead): Graph {
  const g = new Graph();
  g.output("logits", head.trace(g, decoder, settle(streamIn(g, decoder, 1))));
  return g;
}

/** A probe's graph; `reader` is the part that computes the next state. */
export interface TracedProbe {
  readonly graph: Graph;
  readonly reader: Graph | undefined;
  readonly width: number;
  readonly hasLogits: boolean;
}

/**
 * A probe: the stream after any layer but the last, `state` [batch, stateSize] → `found` [batch, tokens, width],
 * `logits` [batch, tokens, vocabulary], `stateOut`.
 */
export function traceProbe(decoder: Decoder, probe: StepProbe): TracedProbe {
  const { key, stateSize } = probe;
  const g = new Graph();
  const stream = settle(streamIn(g, decoder, 1));
  const before = stateSize === undefined ? undefined : g.input("state", "f32", [batch, stateSize]);
  const { found, logits: own, state } = probe.trace(g, decoder, stream, before);
  const width = found.shape.at(-1);
  if (typeof width !== "number" || (state === undefined) !== (before === undefined))
    throw new Error(`the probe ${key} needs a fixed number of results, and both states (input and output) or neither`);
  g.output("found", found);
  if (own) g.output("logits", own);
  if (state) g.output("stateOut", state);
  const reader = state && carve(g, {}, { stateOut: state });
  return { graph: g, reader, width, hasLogits: own !== undefined };
}

/** Like `traceHead`; `targets` [batch, tokens, n] → log-probabilities: `nats` per target, `best` the highest. */
export function traceLikelihoods(decoder: Decoder): Graph {
  const g = new Graph();
  const { nats, best } = logLikelihoods(logits(g, decoder), g.input("targets", "i64", [batch, tokens, sym("targets")]));
  g.output("nats", nats);
  g.output("best", best);
  return g;
}

const logits = (g: Graph, decoder: Decoder): Tensor =>
  decoder.logits(g, decoder.finish(g, streamIn(g, decoder, decoder.config.layers)));

function afterAttention(g: Graph, decoder: Decoder, layer: number, share = 1): Stream {
  const { hidden, beside: width } = decoder.config;
  const block = attentionBlock(decoder, g, layer, inputIn(g, decoder, layer));
  const residual = wide(g, "attendedResidual", hidden);
  const attended = wide(g, "attended", attendedWidth(decoder.config, layer));
  const beside = width === undefined ? undefined : wide(g, "beside", width);
  const stream = block.feedForward(block.attentionOut(attended, residual, beside), share);
  return stream.residual === residual ? { ...stream, residual: reshape(residual, residual.shape) } : stream;
}

/** A key that is equal for layers with equal attention. */
export function attentionKind(decoder: Decoder, layer: number): string {
  const tables = decoder.rotary(new Graph(), layer);
  const attrs = decoder.attention(layer);
  // Each layer has its own sinks.
  const own = attrs.sinks ? [layer] : [];
  const shares = keepsKeys(decoder.config, layer) ? [] : ["shares"];
  return JSON.stringify([attrs, tables?.cos.graph.constants.map((c) => c.name), ...own, ...shares]);
}

/** The stream before a layer; the embedding's output has no residual. */
function streamIn(g: Graph, decoder: Decoder, layer: number, count?: number): Stream {
  const branch = wide(g, "branch", decoder.config.hidden, count);
  return layer === 0 ? { branch } : { branch, residual: wide(g, "residual", decoder.config.hidden, count) };
}

function streamOut(g: Graph, { branch, residual }: Stream): Graph {
  g.output("branchOut", branch);
  g.output("residualOut", residual!);
  return g;
}
