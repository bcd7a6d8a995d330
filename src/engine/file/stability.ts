import { type DecoderConfig, isRecurrent } from "../../models/decoder.ts";
import { decoderArchitecture } from "../../models/registry.ts";
import { restExponents } from "../../nn/rest-exponents.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { Part } from "../../weights/prepared/part.ts";

/** A recurrent model's stability, by its weights alone. */
export interface RestStability {
  /** The greatest Lyapunov exponent of its layers' states at rest, nats a token. */
  readonly lambdaMax: number;
  /** Tokens after which that channel has forgotten all but 1/e; null: it never forgets. */
  readonly memory: number | null;
}

/** Assumes that inputs move no step: Δ = softplus(bias). Undefined for a model that attends. */
export function restStability(checkpoint: Checkpoint, config: DecoderConfig): RestStability | undefined {
  if (!isRecurrent(config)) return undefined;
  const names = decoderArchitecture(checkpoint).tensors(checkpoint);
  const values = (name: string) => new Part(checkpoint, names, name).floats();
  const layers = Array.from({ length: config.layers }, (_, l) => {
    // A GGUF stores A itself.
    const rates =
      checkpoint.config.kind === "gguf"
        ? values(`blk.${l}.ssm_a`)
        : values(`blk.${l}.ssm_a_log`).map((logarithm) => -Math.exp(logarithm));
    return restExponents(rates, values(`blk.${l}.ssm_dt.bias`)).reduce((a, b) => Math.max(a, b));
  });
  const lambdaMax = Math.max(...layers);
  return { lambdaMax, memory: lambdaMax < 0 ? -1 / lambdaMax : null };
}
