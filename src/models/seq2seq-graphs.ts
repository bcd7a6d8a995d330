import { Graph, sym } from "../graph/index.ts";
import type { Seq2Seq, SourceInput } from "./seq2seq.ts";

const batch = sym("batch");
const tokens = sym("tokens");

function source(g: Graph): SourceInput {
  return { ids: g.input("ids", "i64", [batch, tokens]), mask: g.input("mask", "i32", [batch, tokens]) };
}

/** `ids`, `mask` → `hidden` [batch, tokens, width], the encoder's. */
export function traceEncoded(model: Seq2Seq): Graph {
  const g = new Graph();
  g.output("hidden", model.encode(g, source(g)));
  return g;
}
