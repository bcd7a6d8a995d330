import { type PrecisionPolicy, roundTo } from "../../graph/index.ts";
import { restExponents } from "../../nn/rest-exponents.ts";
import type { ParameterStore } from "../step/parameters.ts";

/**
 * Warns if a state space violates λ ≤ 0, the bound implied by its form −exp(A_log)·softplus(…), or meets it only
 * formally: numbers are not finite, A is 0, or decays round to 1 in bf16.
 */
export function stabilityWarning(store: ParameterStore, precision: PrecisionPolicy): string | undefined {
  for (const { name, ...rest } of store.parameters) {
    if (!name.endsWith(".ssm_a_log")) continue;
    const layer = name.slice(0, -"ssm_a_log".length);
    const rates = Float64Array.from(store.valuesOf({ name, ...rest }), (logarithm) => -Math.exp(logarithm));
    const biases = store.valuesOf(store.parameter(`${layer}ssm_dt.bias`));
    const why = fault(restExponents(rates, biases), precision);
    if (why !== undefined) return `layer ${/\d+/.exec(layer)?.[0]}: ${why}`;
  }
  return undefined;
}

function fault(exponents: Float64Array, precision: PrecisionPolicy): string | undefined {
  if (!exponents.every(Number.isFinite))
    return "A_log or the step sizes' bias is not finite, so no exponent bounds the state";
  if (exponents.some((exponent) => exponent >= 0))
    return "A has become 0 in a channel, so its state never forgets (λ = 0)";
  if (precision !== "pure-bf16") return undefined;
  const count = exponents.filter((exponent) => roundTo(Math.exp(exponent), "bf16") === 1).length;
  if (count === 0) return undefined;
  return `${Math.ceil((100 * count) / exponents.length)} % of the decays round to 1 in bf16 when at rest: such channels never forget`;
}
