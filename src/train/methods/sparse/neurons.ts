import { UserError } from "../../../util/errors.ts";
import { mean } from "../../../util/mean.ts";
import type { ParameterStore } from "../../step/parameters.ts";
import { Blocks, type Units } from "./blocks.ts";
import { matrixOf, type Prunable, type PruningScope, weightsIn } from "./prunable.ts";

/** A gated MLP's matrices: gate and up are [inner, hidden], down is [hidden, inner]. */
type Mlp = readonly [gate: Prunable, up: Prunable, down: Prunable];

/** A gated MLP's neurons, each of which is a row of gate, a row of up and a column of down. */
class Neurons implements Units {
  readonly count: number;
  readonly size: number;
  readonly #parts: readonly Blocks[];

  constructor([gate, up, down]: Mlp) {
    const row = { rows: 1, columns: gate.columns };
    this.#parts = [new Blocks(gate, row), new Blocks(up, row), new Blocks(down, { rows: down.rows, columns: 1 })];
    this.count = gate.rows;
    this.size = 3 * gate.columns;
  }

  first(index: number): number {
    return this.#parts[0]!.first(index);
  }

  magnitude(index: number, values: Float32Array): number {
    return mean(this.#parts.map((part) => part.magnitude(index, values)));
  }

  fill(index: number, values: Float32Array | Uint8Array, value: number): void {
    for (const part of this.#parts) part.fill(index, values, value);
  }
}

/** The neurons of all layers, ranked by layer. @throws UserError if a layer lacks a trained gated MLP without biases */
export function neuronsOf({ parameters }: ParameterStore): PruningScope {
  const layers = new Set(parameters.flatMap(({ name }) => /^blk\.\d+\./.exec(name) ?? []));
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const mlps = [...layers].map((layer): Mlp => {
    const matrix = (part: string): Prunable => {
      const found = byName.get(`${layer}ffn_${part}.weight`);
      if (!found?.trained || found.shape.length !== 2 || byName.has(`${layer}ffn_${part}.bias`))
        throw new UserError(
          `sparse: structure: neuron: expected a trained gated MLP without biases in every layer, but ${layer}ffn_${part} is missing, frozen or biased`,
          2,
        );
      return matrixOf(found);
    };
    return [matrix("gate"), matrix("up"), matrix("down")];
  });
  return { weights: weightsIn(mlps.flat()), groups: mlps.map((mlp) => [new Neurons(mlp)]) };
}
