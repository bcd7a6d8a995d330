import {
  type CacheTensors,
  cachedAttention,
  cacheLengths,
  Graph,
  maskLengths,
  narrowMask,
  positions,
  sharedAttention,
  sym,
  type Tensor,
} from "../../graph/index.ts";
import type { Stream } from "../../nn/stream.ts";
import { temperedQueries } from "../../nn/tempered-queries.ts";
import { type Decoder, hasRecurrent, headsOf, layersOf } from "../decoder/decoder.ts";
import { Encoder, type TextEncoder } from "../encoder/encoder.ts";
import type { DecoderLayer, Seq2Seq } from "../seq2seq/seq2seq.ts";
import { inputOf } from "./layer-inputs.ts";

// Inputs, outputs and dimensions have the same names as in Hugging Face's Optimum, which other ONNX programs know.
const batch = sym("batch_size");
const tokens = sym("sequence_length");
const past = sym("past_sequence_length");
const total = sym("total_sequence_length");

/**
 * A complete decoder as one graph: ids and the layers' state before them → `logits` of every id, and the state after
 * them. An attention layer's cache grows with each id; a recurrent layer's state is zeros before the first id. A mask
 * is read only if all layers have attention: a state cannot skip padding, so rows then have equal lengths.
 */
export function exportedDecoder(decoder: Decoder): Graph {
  const g = new Graph();
  const { config } = decoder;
  const ids = g.input("input_ids", "i64", [batch, tokens]);
  const mask = hasRecurrent(config) ? undefined : g.input("attention_mask", "i64", [batch, total]);
  const [attending] = layersOf(config, "attention");
  const first = mask || attending === undefined ? undefined : cache(g, decoder, attending);
  const lengths = lengthsOf(ids, mask, first?.pastKey, config.longRopeBeyond);
  const embedded = decoder.embed(g, ids, () => lengths?.ends ?? refuse());
  const inputs = config.layerInput === undefined ? undefined : decoder.layerInputs!(g, ids, embedded);
  let stream: Stream = { branch: embedded };
  const [presents, states]: [NamedTensor[], NamedTensor[]] = [[], []];
  const caches = new Map<number, Pick<CacheTensors, "pastKey" | "pastValue">>();
  for (let l = 0; l < config.layers; l++) {
    const block = decoder.block(g, l, inputs && (() => inputOf(inputs, config.layers, l)));
    const floats = config.recurrent?.(l);
    const before = floats === undefined ? undefined : g.input(`past_states.${l}`, "f32", [batch, floats]);
    if (block.kind === "recurrent") {
      const { state, stream: after } = block.run(stream, before!);
      states.push([`present_states.${l}`, state]);
      stream = after;
      continue;
    }
    const { qkv, residual, beside, state } = block.attentionIn(stream, before);
    if (state) states.push([`present_states.${l}`, state]);
    const attrs = { ...decoder.attention(l), past };
    const owner = config.keysOf?.(l);
    if (owner !== undefined) {
      const { y } = sharedAttention(qkv, { ...lengths!.attention, ...caches.get(owner)! }, decoder.rotary(g, l), attrs);
      stream = block.feedForward(block.attentionOut(y, residual, beside));
      continue;
    }
    const tensors = { ...lengths!.attention, ...((l === attending && first) || cache(g, decoder, l)) };
    const tempered = temperedQueries(qkv, decoder.temperature?.(g, l), () => positions(ids, lengths!.ends), attrs);
    const attended = cachedAttention(tempered, tensors, decoder.rotary(g, l), attrs, decoder.sinks?.(g, l));
    caches.set(l, { pastKey: attended.presentKey, pastValue: attended.presentValue });
    presents.push([`present.${l}.key`, attended.presentKey], [`present.${l}.value`, attended.presentValue]);
    stream = block.feedForward(block.attentionOut(attended.y, residual, beside));
  }
  g.output("logits", decoder.logits(g, decoder.finish(g, stream)));
  // A cache's length is fixed in the engine and in the operator's shape rule; this graph's output is longer.
  for (const [name, present] of presents) g.output(name, { ...present, shape: present.shape.with(2, total) });
  for (const [name, state] of states) g.output(name, state);
  return g;
}

type NamedTensor = [name: string, tensor: Tensor];

/** The rows' lengths for attention, and their last positions: from the mask, or from a cache without padding. */
function lengthsOf(ids: Tensor, mask: Tensor | undefined, key: Tensor | undefined, beyond: number | undefined) {
  if (!mask && !key) return undefined;
  const { ends, ...each } = mask ? maskLengths(ids, mask) : withEnds(cacheLengths(ids, key!));
  return { ends, attention: beyond === undefined ? each : { ...each, positions: positions(ids, ends, { beyond }) } };
}

const withEnds = (lengths: ReturnType<typeof cacheLengths>) => ({ ...lengths, ends: lengths.lengths });

function refuse(): never {
  throw new Error("a recurrent model has no positions");
}

function cache(g: Graph, { config }: Decoder, layer: number) {
  const { kvHeads, headSize } = headsOf(config, layer);
  const input = (of: string) => g.input(`past_key_values.${layer}.${of}`, "f32", [batch, kvHeads, past, headSize]);
  return { pastKey: input("key"), pastValue: input("value") };
}

/** An encoder as one graph: ids and mask → `last_hidden_state`, and `logits` if the checkpoint has a head. */
export function exportedEncoder(encoder: TextEncoder): Graph {
  const g = new Graph();
  const ids = g.input("input_ids", "i64", [batch, tokens]);
  const mask = narrowMask(g.input("attention_mask", "i64", [batch, tokens]));
  const types = encoder.config.types > 0 ? g.input("token_type_ids", "i64", [batch, tokens]) : undefined;
  const hidden = encoder.hidden(g, { ids, mask, types });
  g.output("last_hidden_state", hidden);
  if (!(encoder instanceof Encoder)) return g;
  const { classifier, predictor } = encoder.config;
  if (encoder.weights.has(`${classifier.output}.weight`)) g.output("logits", encoder.classify(g, hidden, mask));
  else if (encoder.weights.has(`${predictor.dense}.weight`)) g.output("logits", encoder.predict(g, hidden));
  return g;
}

const source = sym("encoder_sequence_length");

/** An encoder–decoder's encoder: ids and mask → `last_hidden_state`, and each decoder layer's keys and values. */
export function exportedSource(model: Seq2Seq): Graph {
  const g = new Graph();
  const ids = g.input("input_ids", "i64", [batch, source]);
  const mask = narrowMask(g.input("attention_mask", "i64", [batch, source]));
  const hidden = model.encode(g, { ids, mask });
  g.output("last_hidden_state", hidden);
  for (const [l, { k, v }] of model.source(g, hidden).entries()) {
    g.output(`present.${l}.encoder.key`, k);
    g.output(`present.${l}.encoder.value`, v);
  }
  return g;
}

/** An encoder–decoder's decoder: ids, the source's mask, rows and cache → every id's `logits`, and the next cache. */
export function exportedTarget(model: Seq2Seq): Graph {
  const g = new Graph();
  const ids = g.input("input_ids", "i64", [batch, tokens]);
  const mask = narrowMask(g.input("encoder_attention_mask", "i64", [batch, source]));
  const presents: [name: string, cache: Tensor][] = [];
  const layers = Array.from({ length: model.config.layers }, (_, l): DecoderLayer => {
    const own = pair(g, model, `${l}.decoder`, past);
    const read = pair(g, model, `${l}.encoder`, source);
    return {
      cache: { ...cacheLengths(ids, own.key), pastKey: own.key, pastValue: own.value },
      source: { mask, k: read.key, v: read.value },
      present(key, value) {
        presents.push([`present.${l}.decoder.key`, key], [`present.${l}.decoder.value`, value]);
      },
    };
  });
  g.output("logits", model.decode(g, ids, layers));
  for (const [name, present] of presents) g.output(name, { ...present, shape: present.shape.with(2, total) });
  return g;
}

function pair(g: Graph, { config: { heads, headSize } }: Seq2Seq, name: string, length: typeof past) {
  const input = (of: string) => g.input(`past_key_values.${name}.${of}`, "f32", [batch, heads, length, headSize]);
  return { key: input("key"), value: input("value") };
}
