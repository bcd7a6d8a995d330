import { type DecoderConfig, isRecurrent } from "../decoder/decoder.ts";
import type { KvRows } from "./cache.ts";
import { KvGroup, kvBytes, type StateGroup } from "./kv-group.ts";
import { RecurrentGroup, stateBytes } from "./recurrent-group.ts";

/** A row's state in all layers. */
export function groupOf(cache: KvRows): StateGroup {
  const layers = { from: 0, to: cache.config.layers };
  return isRecurrent(cache.config) ? new RecurrentGroup(cache, layers) : new KvGroup(cache, layers);
}

/** Bytes that all layers keep of a sequence of `tokens` tokens; those with a window have freed the first `gone`. */
export function sequenceBytes(config: DecoderConfig, tokens: number, gone = 0): number {
  const layers = { from: 0, to: config.layers };
  return kvBytes(config, layers, tokens, gone) + stateBytes(config, layers);
}
