import { UserError } from "../../util/errors.ts";
import { type Lora, openLora } from "../../weights/adapter/lora.ts";
import { type Layout, LoraLayers } from "../../weights/adapter/lora-layers.ts";
import { readFloats } from "../../weights/safetensors/read.ts";
import type { LoraFactors, SavedTensor } from "../checkpoint/adapter.ts";
import { loraScale } from "../graphs/lora-weights.ts";
import type { LoraOptions } from "../options.ts";

/**
 * Loads LoRA layers from a PEFT adapter. Layers that the adapter lacks do not change; a different alpha is compensated
 * for, so that the model computes the same results as with the adapter. @throws UserError if the adapter does not fit
 * the model, has a different rank, or changes more than these layers
 */
export function startFromAdapter(
  folder: string,
  model: string,
  lora: LoraOptions,
  layout: Layout,
  factors: ReadonlyMap<string, LoraFactors>,
  saved: readonly SavedTensor[],
): void {
  const modules = saved.map(({ name }) => layout.modules(moduleIn(name))[0]!);
  const adapter = openLora(folder, modules);
  refuseOtherTargets(adapter, layout, factors.keys());
  const layers = new LoraLayers(adapter, layout);
  const starts = [...factors].flatMap(([name, { inputs, outputs, down, up, magnitude }]) => {
    const layer = layers.matrix(inputs, { [name]: outputs });
    return layer ? [{ layer, down: down(), up: up(), magnitude: magnitude?.() }] : [];
  });
  layers.check(model);
  const other = starts.find(({ layer }) => layer.rank !== lora.rank)?.layer;
  if (other) throw new UserError(`start: ${folder} has rank ${other.rank}; expected lora.rank=${other.rank}`);
  for (const [i, { name, values }] of saved.entries()) {
    const tensor = adapter.head.get(modules[i]! + name.slice(moduleIn(name).length));
    if (tensor) values().set(readFloats(tensor));
  }
  const isDora = starts.some(({ layer }) => layer.magnitude);
  if (starts.length > 0 && isDora !== lora.use_dora)
    throw new UserError(`start: ${folder} is ${isDora ? "a" : "not a"} DoRA; expected lora.use_dora=${isDora}`);
  const scale = loraScale(lora);
  for (const { layer, down, up, magnitude } of starts) {
    magnitude?.set(layer.magnitude!);
    down.set(layer.down);
    up.set(layer.up.map((value) => value / scale));
  }
}

const moduleIn = (name: string): string => name.slice(0, name.lastIndexOf("."));

/** @throws UserError that names an adapter's modules if some of them are not trained */
function refuseOtherTargets({ folder, updates }: Lora, layout: Layout, names: Iterable<string>): void {
  const trained = new Set([...names].flatMap((name) => layout.modules(name)));
  const modules = [...updates.keys()];
  if (modules.every((module) => trained.has(module))) return;
  const targets = new Set(modules.map((module) => module.split(".").at(-1)));
  throw new UserError(
    `start: ${folder} has LoRA layers for other matrices; set lora.targets=${[...targets].join(",")}`,
  );
}
