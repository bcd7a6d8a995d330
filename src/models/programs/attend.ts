import {
  add,
  type CacheTensors,
  cachedAttention,
  concat,
  type Graph,
  sharedAttention,
  split,
  sym,
  type Tensor,
} from "../../graph/index.ts";
import { attentionAhead } from "../../nn/attention-ahead.ts";
import { turnByAxes } from "../../nn/rope-axes.ts";
import { temperedQueries } from "../../nn/tempered-queries.ts";
import { type Decoder, headsOf, keepsKeys } from "../decoder/decoder.ts";
import { hasWindow } from "../state/window-start.ts";
import type { LengthInputs } from "./length-inputs.ts";

/** The number of tokens already in the cache. */
export const past = sym("past");
/** The number of cached tokens that are bound to layers with a window. */
const windowPast = sym("windowPast");

/** The keys and values that a layer's attention reads. */
type Entries = Pick<CacheTensors, "pastKey" | "pastValue">;

/** The cached entries, followed by the new tokens' entries. */
interface Present {
  readonly presentKey: Tensor;
  readonly presentValue: Tensor;
}

/** One layer's cache as inputs; the capacity is a symbol, because the cache's owner chooses it. */
export function cache(g: Graph, decoder: Decoder, layer: number, suffix = String(layer)): Entries {
  const { kvHeads, headSize } = headsOf(decoder.config, layer);
  const shape = [sym("batch"), kvHeads, sym("capacity"), headSize];
  return {
    pastKey: g.input(`pastKey${suffix}`, "f32", shape),
    pastValue: g.input(`pastValue${suffix}`, "f32", shape),
  };
}

/** The attention of a graph's layers, each over its own cache. */
export class CachedLayers {
  /** Each layer's keys and values after its attention. */
  readonly #entries = new Map<number, Entries>();

  constructor(
    private readonly g: Graph,
    private readonly decoder: Decoder,
  ) {}

  attend(layer: number, qkv: Tensor, lengths: LengthInputs, suffix = String(layer)): Tensor {
    const { y, ...present } = this.#over(this.#entriesOf(layer, suffix), layer, qkv, lengths);
    this.#leave(present, layer, suffix);
    return y;
  }

  /**
   * Computes the attention of one row's tokens one after another, as in decode steps: each token reads the entries that
   * the previous one wrote. All of the entries are in the layer's single cache.
   */
  attendApart(layer: number, qkv: Tensor, lengths: readonly LengthInputs[]): Tensor {
    let entries = cache(this.g, this.decoder, layer);
    const parts = split(qkv, 1, new Array<number>(lengths.length).fill(1));
    const attended = parts.map((part, at) => {
      const { y, ...present } = this.#over(entries, layer, part, lengths[at]!, at);
      entries = this.#leave(present, layer, `${layer}.${at}`);
      return y;
    });
    return concat(attended, 1);
  }

  /** Like `attend`, for one row whose tokens also see `ahead` later tokens. */
  attendAhead(layer: number, qkv: Tensor, lengths: LengthInputs): Tensor {
    const { tensors, attrs } = this.#cached(layer, this.#entriesOf(layer), lengths);
    const { attended, ...present } = attentionAhead(
      qkv,
      { ...tensors, ahead: lengths.ahead },
      this.decoder.rotary(this.g, layer),
      attrs,
    );
    this.#leave(present, layer);
    return attended;
  }

  /** A layer's keys and values: newly written if their owner is in the graph, otherwise inputs for its cache. */
  #entriesOf(layer: number, suffix = String(layer)): Entries {
    const owner = this.decoder.config.keysOf?.(layer);
    const shared = owner === undefined ? undefined : this.#entries.get(owner);
    return shared ?? cache(this.g, this.decoder, layer, suffix);
  }

  #leave({ presentKey, presentValue }: Present, layer: number, suffix = String(layer)): Entries {
    this.g.output(`presentKey${suffix}`, presentKey);
    this.g.output(`presentValue${suffix}`, presentValue);
    const entries = { pastKey: presentKey, pastValue: presentValue };
    this.#entries.set(layer, entries);
    return entries;
  }

  /**
   * Attention to a cache's entries; `earlier`: the number of new tokens of the same run that the cache already holds.
   */
  #over(entries: Entries, layer: number, qkv: Tensor, lengths: LengthInputs, earlier = 0) {
    const { g, decoder } = this;
    const { tensors, attrs } = this.#cached(layer, entries, lengths, earlier);
    if (!keepsKeys(decoder.config, layer)) return sharedAttention(qkv, tensors, decoder.rotary(g, layer), attrs);
    const tempered = temperedQueries(qkv, decoder.temperature?.(g, layer), () => lengths.positions, attrs);
    const axes = decoder.axes?.(g, layer);
    if (!axes) return cachedAttention(tempered, tensors, decoder.rotary(g, layer), attrs, decoder.sinks?.(g, layer));
    const turned = turnByAxes(tempered, decoder.config, axes, lengths.axes);
    return cachedAttention(turned, tensors, undefined, { ...attrs, rotary: "none" });
  }

  /** A layer's cache as attention expects it, and attention's attributes. */
  #cached(layer: number, entries: Entries, lengths: LengthInputs, earlier = 0) {
    const windowed = hasWindow(this.decoder.config, layer);
    const tensors = { ...entries, ...(windowed ? lengths.window : lengths.full) };
    return { tensors, attrs: { ...this.decoder.attention(layer), past: add(windowed ? windowPast : past, earlier) } };
  }
}
