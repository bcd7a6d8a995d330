import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import type { ParameterStore } from "../../step/parameters.ts";

/**
 * Fills a projector: matrices normal with deviation 1/√inputs, biases 0, and the gain of its norm the root mean square of
 * the executor's token rows, so that what it gives is as large as they are.
 */
export function fillProjector(store: ParameterStore, table: Float32Array, seed: number): void {
  const normal = normals(seededRandom(seed));
  const size = Math.sqrt(table.reduce((sum, x) => sum + x * x, 0) / table.length);
  for (const parameter of store.parameters.filter(({ name }) => name.startsWith("projector."))) {
    const values = store.valuesOf(parameter);
    const { name, shape } = parameter;
    if (name === "projector.norm.weight") values.fill(size);
    else if (shape.length === 1) values.fill(0);
    else for (let i = 0; i < values.length; i++) values[i] = normal() / Math.sqrt(shape[1]!);
  }
}
