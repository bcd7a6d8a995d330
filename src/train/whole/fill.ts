import { normals } from "../../util/normals.ts";
import { seededRandom } from "../../util/random.ts";
import type { ParameterStore } from "../step/parameters.ts";

/** The standard deviation of token and position embeddings. */
const TABLE = 0.1;

/**
 * Initialises a small model's parameters: matrices are normal with deviation 1/√inputs, divided by √(2 · layers) if
 * they write to the stream; token and position embeddings have deviation 0.1; gains are 1, biases 0.
 */
export function fillByWidth(store: ParameterStore, layers: number, seed: number): void {
  const normal = normals(seededRandom(seed));
  for (const parameter of store.parameters) {
    const values = store.valuesOf(parameter);
    const { name, shape } = parameter;
    if (shape.length === 1) {
      values.fill(name.endsWith(".weight") ? 1 : 0);
      continue;
    }
    const into = /attn_output|ffn_down/.test(name) ? 1 / Math.sqrt(2 * layers) : 1;
    const deviation = /(token|position|class)_embd/.test(name) ? TABLE : into / Math.sqrt(shape[1]!);
    for (let i = 0; i < values.length; i++) values[i] = deviation * normal();
  }
}
