import { type DecoderConfig, isRecurrent } from "../../models/decoder/decoder.ts";
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

/** Assumes that inputs move no step: Δ = softplus(bias). Undefined for a model without state spaces. */
export async function restStability(checkpoint: Checkpoint, config: DecoderConfig): Promise<RestStability | undefined> {
  if (!isRecurrent(config)) return undefined;
  const names = (await decoderArchitecture(checkpoint)).tensors(checkpoint);
  const part = (name: string) => new Part(checkpoint, names, name);
  // A GGUF stores A itself.
  const stored = checkpoint.config.kind === "gguf" ? "ssm_a" : "ssm_a_log";
  if (!part(`blk.0.${stored}`).exists) return undefined;
  const layers = Array.from({ length: config.layers }, (_, l) => {
    const found = part(`blk.${l}.${stored}`).floats();
    const rates = stored === "ssm_a" ? found : found.map((logarithm) => -Math.exp(logarithm));
    return restExponents(rates, part(`blk.${l}.ssm_dt.bias`).floats()).reduce((a, b) => Math.max(a, b));
  });
  const lambdaMax = Math.max(...layers);
  return { lambdaMax, memory: lambdaMax < 0 ? -1 / lambdaMax : null };
}
