import { type RopeConfig, ropeFrequencies } from "../../nn/rope.ts";
import { UserError } from "../../util/errors.ts";
import type { JsonObject } from "../../weights/json.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { shortest } from "./recorded-fields.ts";

/** A layer that sees everything, whose rotary embedding is the model's: those of windows have keys of their own. */
export function mainRope({ layers, rope, window }: TransformerConfig): RopeConfig | undefined {
  const all = Array.from({ length: layers }, (_, layer) => layer);
  const turning = all.filter((layer) => rope(layer));
  const far = turning.find((layer) => window(layer) === undefined) ?? turning[0];
  return far === undefined ? undefined : rope(far);
}

/** A GGUF's divisors of rotary frequencies, by the name of their tensor without `.weight`. */
export type Divisors = (name: string) => Float32Array | undefined;

/** config.json's fields for a GGUF's rotary embedding. @throws UserError if it has none for this one */
export function hubRope(path: string, config: TransformerConfig, headSize: number, divisors: Divisors): JsonObject {
  const rope = mainRope(config);
  if (!rope) return {};
  const scaling = hubScaling(path, rope, divisors);
  return {
    rope_theta: shortest(rope.theta),
    ...(rope.headSize !== headSize && { partial_rotary_factor: rope.headSize / headSize }),
    ...(scaling && { rope_scaling: scaling }),
    ...(scaling?.["rope_type"] === "longrope" && { original_max_position_embeddings: originalOf(rope) }),
  };
}

function hubScaling(path: string, rope: RopeConfig, divisors: Divisors): JsonObject | undefined {
  const { scaling, positions } = rope;
  const [short, long, plain] = ["rope_factors_short", "rope_factors_long", "rope_freqs"].map(divisors);
  switch (scaling?.type) {
    case undefined:
      return plain && llama3(path, rope, plain);
    case "linear":
      return { rope_type: "linear", factor: shortest(scaling.factor) };
    case "yarn":
      return {
        ...{ rope_type: "yarn", factor: shortest(scaling.factor), original_max_position_embeddings: scaling.original },
        ...{ beta_fast: scaling.fast, beta_slow: scaling.slow, attention_factor: shortest(scaling.magnitude) },
        ...(!scaling.truncate && { truncate: false }),
      };
    case "long":
    case "factors": {
      if (!short || !long) return refuse(path);
      const stretch = positions / originalOf(rope);
      return {
        ...{ rope_type: "longrope", factor: stretch, attention_factor: shortest(scaling.magnitude) },
        ...{ short_factor: [...short].map(shortest), long_factor: [...long].map(shortest) },
      };
    }
    case "llama3":
      return refuse(path);
  }
}

const refuse = (path: string): never => {
  throw new UserError(`${path}: the scaling of its rotary embedding cannot be written as a config.json`);
};

const originalOf = ({ scaling, positions }: RopeConfig): number =>
  scaling?.type === "long" ? scaling.original : positions;

/** The ramp of Llama 3.1 and later. */
const RAMP = { low: 1, high: 4 };

/** Llama 3's scaling, whose divisors a GGUF holds: its original context is the power of two that gives the same ones. */
function llama3(path: string, rope: RopeConfig, divisors: Float32Array): JsonObject {
  const factor = Math.max(...divisors);
  const wanted = ropeFrequencies({ ...rope, scaling: { type: "factors", factors: [...divisors], magnitude: 1 } });
  for (let original = 1; original <= rope.positions; original *= 2) {
    const found = ropeFrequencies({ ...rope, scaling: { type: "llama3", factor, ...RAMP, original } });
    if (found.every((f, i) => Math.abs(f / wanted[i]! - 1) < 1e-5))
      return {
        ...{ rope_type: "llama3", factor: shortest(factor), low_freq_factor: RAMP.low, high_freq_factor: RAMP.high },
        original_max_position_embeddings: original,
      };
  }
  return refuse(path);
}
