import { type DecoderConfig, hasRecurrent, layersOf } from "../decoder/decoder.ts";
import type { KvRows } from "./cache.ts";
import { KvGroup, kvBytes, type StateGroup } from "./kv-group.ts";
import { MixedGroup } from "./mixed-group.ts";
import { RecurrentGroup, stateBytes } from "./recurrent-group.ts";

/** Creates the group for a row's state in all layers. */
export function groupOf(cache: KvRows): StateGroup {
  const layers = { from: 0, to: cache.config.layers };
  if (!hasRecurrent(cache.config)) return new KvGroup(cache, layers);
  const states = new RecurrentGroup(cache, layers);
  const attends = layersOf(cache.config, "attention").length > 0;
  return attends ? new MixedGroup(new KvGroup(cache, layers), states) : states;
}

/** Bytes of a sequence of `tokens` tokens in all layers, after windows have freed the first `gone` tokens. */
export function sequenceBytes(config: DecoderConfig, tokens: number, gone = 0): number {
  const layers = { from: 0, to: config.layers };
  return kvBytes(config, layers, tokens, gone) + stateBytes(config, layers);
}
