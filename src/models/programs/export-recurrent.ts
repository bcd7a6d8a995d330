import { Graph, sym, type Tensor } from "../../graph/index.ts";
import type { Stream } from "../../nn/stream.ts";
import { type Decoder, recurrentBlock } from "../decoder/decoder.ts";

const batch = sym("batch_size");

/**
 * A whole recurrent decoder as one graph: ids and each layer's state before, zeros before the first id → `logits` of
 * every id, and the states after. Rows are of one length: a state has no place for padding.
 */
export function exportedRecurrent(decoder: Decoder): Graph {
  const g = new Graph();
  const ids = g.input("input_ids", "i64", [batch, sym("sequence_length")]);
  let stream: Stream = { branch: decoder.embed(g, ids, refuse) };
  const states: Tensor[] = [];
  for (let l = 0; l < decoder.config.layers; l++) {
    const block = recurrentBlock(decoder, g, l);
    const after = block.run(stream, g.input(`past_states.${l}`, "f32", [batch, decoder.config.recurrent!(l)!]));
    states.push(after.state);
    stream = after.stream;
  }
  g.output("logits", decoder.logits(g, decoder.finish(g, stream)));
  for (const [l, state] of states.entries()) g.output(`present_states.${l}`, state);
  return g;
}

function refuse(): never {
  throw new Error("a recurrent model has no positions");
}
