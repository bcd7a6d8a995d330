import { normals } from "../../util/normals.ts";
import { seededRandom } from "../../util/random.ts";
import { oddIntegers } from "../graphs/noise.ts";
import type { ParameterStore } from "../step/parameters.ts";

/** The default standard deviation of new rows and matrices. */
export const DEVIATION = 0.02;

/**
 * Initialises a model's parameters like GPT-2's (Radford et al. 2019): matrices and tables are normal with the given
 * deviation, those that write into the stream divided by √(2 · layers); gains are 1, biases and sinks 0. With `wanted`,
 * initialises only the parameters whose names it accepts.
 */
export function fillRandomly(
  store: ParameterStore,
  layers: number,
  seed: number,
  wanted: (name: string) => boolean = () => true,
  usual = DEVIATION,
): void {
  const normal = normals(seededRandom(seed));
  for (const parameter of store.parameters.filter(({ name }) => wanted(name))) {
    const values = store.valuesOf(parameter);
    const { name, shape } = parameter;
    if (shape.length > 1 && !name.endsWith(".bias")) {
      const deviation = /attn_output|ffn_down/.test(name) ? usual / Math.sqrt(2 * layers) : usual;
      for (let i = 0; i < values.length; i++) values[i] = deviation * normal();
    } else values.fill(name.endsWith(".weight") && !name.endsWith("attn_sinks.weight") ? 1 : 0);
  }
}

/**
 * Initialises LoRA layers as PEFT does: the first factor is uniform, as in a PyTorch linear layer, the second zero.
 * Dropout gets random integers.
 */
export function fillLora(store: ParameterStore, seed: number): void {
  const random = seededRandom(seed);
  for (const parameter of store.parameters.filter(({ name }) => /\.lora_(down|up)$/.test(name))) {
    const values = store.valuesOf(parameter);
    const bound = parameter.name.endsWith("lora_down") ? 1 / Math.sqrt(parameter.shape[0]!) : 0;
    for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random() - 1);
  }
  for (const parameter of store.parameters.filter(({ name }) => name.endsWith(".lora_dropout")))
    store.valuesOf(parameter).set(oddIntegers(parameter.shape[0]!, random));
}
