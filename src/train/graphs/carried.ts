import { concat, type Graph, reshape, split, type Tensor } from "../../graph/index.ts";
import { type DecoderConfig, headsOf } from "../../models/decoder/decoder.ts";
import type { Shape } from "./stack.ts";

/**
 * Tensors carried beside the stream into a layer: the extra inputs of this layer and of all later layers, then the keys
 * and values of earlier layers to which any of these layers attends.
 */
interface Layout {
  /** The width of one layer's extra input. */
  readonly input: number;
  /** The number of layers yet to run. */
  readonly layers: number;
  /** Earlier layers whose keys and values are still needed, ascending, each with the width of its keys plus values. */
  readonly owners: readonly { readonly layer: number; readonly width: number }[];
}

function layoutAt(config: DecoderConfig, layer: number): Layout {
  const deeper = Array.from({ length: config.layers - layer }, (_, i) => layer + i);
  const owners = deeper.map((l) => config.keysOf?.(l)).filter((owner) => owner !== undefined && owner < layer);
  const widths = [...new Set(owners as number[])]
    .sort((a, b) => a - b)
    .map((owner) => ({
      layer: owner,
      width: keysWidth(config, owner),
    }));
  return { input: config.layerInput ?? 0, layers: deeper.length, owners: widths };
}

/** The width of a token's keys and values in a layer. */
function keysWidth(config: DecoderConfig, layer: number): number {
  const { kvHeads, headSize } = headsOf(config, layer);
  return 2 * kvHeads * headSize;
}

/** The total width of the tensors carried into a layer. */
export function carriedWidth(config: DecoderConfig, layer: number): number {
  const { input, layers, owners } = layoutAt(config, layer);
  return owners.reduce((sum, { width }) => sum + width, input * layers);
}

/** The graph input for the tensors carried into a layer; created only if a layer needs them. */
export class CarriedTensors {
  readonly #inputs: Tensor | undefined;
  readonly #deeper: Tensor | undefined;
  /** Keys and values, by the layer that computed them. */
  readonly #keys: ReadonlyMap<number, Tensor>;

  constructor(
    g: Graph,
    private readonly config: DecoderConfig,
    private readonly layer: number,
    { rows, tokens }: Shape,
  ) {
    const { input, layers, owners } = layoutAt(config, layer);
    const sizes = [input, input * (layers - 1), ...owners.map(({ width }) => width)];
    const width = carriedWidth(config, layer);
    const whole = width > 0 ? g.input("carried", "f32", [rows, tokens, width]) : undefined;
    const parts = (
      whole
        ? split(
            whole,
            2,
            sizes.filter((size) => size > 0),
          )
        : []
    ).values();
    const [own, deeper, ...keys] = sizes.map((size) => (size > 0 ? parts.next().value : undefined));
    this.#inputs = own;
    this.#deeper = deeper;
    this.#keys = new Map(owners.map(({ layer: owner }, i) => [owner, keys[i]!]));
  }

  /** The layer's own input. */
  get input(): Tensor {
    if (this.#inputs) return this.#inputs;
    throw new Error(`layer ${this.layer} has no extra input`);
  }

  /** Appends another layer's keys and values to queries, if this layer reuses them. */
  withKeys(qkv: Tensor): Tensor {
    const owner = this.config.keysOf?.(this.layer);
    return owner === undefined ? qkv : concat([qkv, this.#keys.get(owner)!], 2);
  }

  /**
   * The tensors to carry into the next layer, from this layer's queries, keys and values; undefined if none are needed.
   */
  next(qkv: Tensor): Tensor | undefined {
    const { owners } = layoutAt(this.config, this.layer + 1);
    const own = (width: number) => split(qkv, 2, [Number(qkv.shape[2]) - width, width])[1]!;
    const keys = owners.map(({ layer, width }) => this.#keys.get(layer) ?? own(width));
    const all = [...(this.#deeper ? [this.#deeper] : []), ...keys];
    if (all.length === 0) return undefined;
    // Without the reshape, a single part would be both an input and an output.
    return all.length === 1 ? reshape(all[0]!, all[0]!.shape) : concat(all, 2);
  }
}
