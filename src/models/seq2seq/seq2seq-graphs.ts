import { Graph, sym, type Tensor } from "../../graph/index.ts";
import type { DecoderLayer, Seq2Seq, SourceInput } from "./seq2seq.ts";

const batch = sym("batch");
const tokens = sym("tokens");
const source = sym("source");

const texts = (g: Graph): SourceInput => ({
  ids: g.input("ids", "i64", [batch, tokens]),
  mask: g.input("mask", "i32", [batch, tokens]),
});

/** The encoder's graph: `ids`, `mask` → `hidden` [batch, tokens, width]. */
export function traceEncoded(model: Seq2Seq): Graph {
  const g = new Graph();
  g.output("hidden", model.encode(g, texts(g)));
  return g;
}

/**
 * `ids`, `mask` → `sourceKey0`, `sourceValue0`, … [batch, heads, tokens, headSize]: everything about a text that the
 * decoder reads.
 */
export function traceSource(model: Seq2Seq): Graph {
  const g = new Graph();
  for (const [l, { k, v }] of model.source(g, model.encode(g, texts(g))).entries()) {
    g.output(`sourceKey${l}`, k);
    g.output(`sourceValue${l}`, v);
  }
  return g;
}

/**
 * `ids` [batch, tokens], the decoder's next tokens, `lengths` and `total` as in `cachedAttention`, `mask` [batch, source],
 * for each layer `sourceKey0`, … and `pastKey0`, … → `logits` [batch, tokens, vocabulary], `presentKey0`, …
 */
export function traceDecoded(model: Seq2Seq): Graph {
  const g = new Graph();
  const ids = g.input("ids", "i64", [batch, tokens]);
  const shared = {
    mask: g.input("mask", "i32", [batch, source]),
    lengths: g.input("lengths", "i32", [batch]),
    total: g.input("total", "i32", []),
  };
  const layers = Array.from({ length: model.config.layers }, (_, l) => decoderLayer(g, model, l, shared));
  g.output("logits", model.decode(g, ids, layers));
  return g;
}

type Inputs = Readonly<Record<"mask" | "lengths" | "total", Tensor>>;

function decoderLayer(g: Graph, { config }: Seq2Seq, layer: number, { mask, lengths, total }: Inputs): DecoderLayer {
  const { heads, headSize } = config;
  const rows = (name: string, length: typeof source) =>
    g.input(`${name}${layer}`, "f32", [batch, heads, length, headSize]);
  const capacity = sym("capacity");
  return {
    cache: { lengths, total, pastKey: rows("pastKey", capacity), pastValue: rows("pastValue", capacity) },
    source: { mask, k: rows("sourceKey", source), v: rows("sourceValue", source) },
    present(key, value) {
      g.output(`presentKey${layer}`, key);
      g.output(`presentValue${layer}`, value);
    },
  };
}
