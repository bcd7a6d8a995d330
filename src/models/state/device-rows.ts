import type { Bindable } from "../../runtime/buffer.ts";
import { DeviceTensor } from "../../runtime/device-tensor.ts";
import type { Program } from "../../runtime/program.ts";
import { type DecoderConfig, hasRecurrent, headsOf, sharesKeys } from "../decoder/decoder.ts";
import { CACHE_BLOCK, KvRows } from "./cache.ts";
import { sequenceBytes } from "./state-groups.ts";
import { hasWindow } from "./window-start.ts";

/** The maximum size of one row in bytes; device memory is allocated at once for the whole context. */
const MOST_BYTES = 2 ** 30;

/** True if a row of the model's keys and values can be on a device: each layer has its own keys and no window, and the row is not too long. */
export function fitsDevice(config: DecoderConfig): boolean {
  const layers = Array.from({ length: config.layers }, (_, layer) => layer);
  if (hasRecurrent(config) || sharesKeys(config) || layers.some((layer) => hasWindow(config, layer))) return false;
  return sequenceBytes(config, config.context) <= MOST_BYTES;
}

/**
 * Keys and values of one sequence in the memory of a program's device; attention updates them in place. The host
 * cannot read or copy its tokens: `key`, `place` and the like are for rows on the host.
 */
export class DeviceRows extends KvRows implements Disposable {
  readonly #layers: readonly Record<"key" | "value", DeviceTensor>[];

  /** @throws Error if there is not enough device memory */
  constructor(config: DecoderConfig, program: Program) {
    const capacity = Math.ceil(config.context / CACHE_BLOCK) * CACHE_BLOCK;
    super(config, [], capacity, 0, 1);
    this.#layers = Array.from({ length: config.layers }, (_, layer) => {
      const { kvHeads, headSize } = headsOf(config, layer);
      const heads = () => new DeviceTensor(program, "f32", [1, kvHeads, capacity, headSize]);
      return { key: heads(), value: heads() };
    });
  }

  override span(): DeviceRows {
    return this;
  }

  override bound(index: number): { key: Bindable; value: Bindable } {
    return this.#layers[index]!;
  }

  /** Does nothing: a device keeps the memory until the rows are disposed of. */
  override giveBack(): void {}

  [Symbol.dispose](): void {
    for (const layer of this.#layers) for (const tensor of Object.values(layer)) tensor[Symbol.dispose]();
  }
}
