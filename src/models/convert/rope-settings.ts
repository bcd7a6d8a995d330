import { type RopeConfig, ropeFrequencies } from "../../nn/rope.ts";
import { UserError } from "../../util/errors.ts";
import type { Field } from "../../weights/gguf/fields.ts";
import type { JsonObject } from "../../weights/json.ts";
import type { WritableTensor } from "../../weights/safetensors/write.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { shortest } from "./recorded-fields.ts";

/** The main rotary embedding, taken from a layer with full attention if any; windowed layers have separate keys. */
function mainRope({ layers, rope, window }: TransformerConfig): RopeConfig | undefined {
  const all = Array.from({ length: layers }, (_, layer) => layer);
  const turning = all.filter((layer) => rope(layer));
  const far = turning.find((layer) => window(layer) === undefined) ?? turning[0];
  return far === undefined ? undefined : rope(far);
}

/** A GGUF's divisors of rotary frequencies, by tensor name without `.weight`. */
export type Divisors = (name: string) => Float32Array | undefined;

/** config.json's fields for a GGUF's rotary embedding. @throws UserError if config.json cannot express it */
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

/** Llama 3's scaling, derived from a GGUF's divisors: the original context is the power of two that yields them. */
function llama3(path: string, rope: RopeConfig, divisors: Float32Array): JsonObject {
  const factor = Math.max(...divisors);
  const expected = ropeFrequencies({ ...rope, scaling: { type: "factors", factors: [...divisors], magnitude: 1 } });
  for (let original = 1; original <= rope.positions; original *= 2) {
    const frequencies = ropeFrequencies({ ...rope, scaling: { type: "llama3", factor, ...RAMP, original } });
    if (frequencies.every((f, i) => Math.abs(f / expected[i]! - 1) < 1e-5))
      return {
        ...{ rope_type: "llama3", factor: shortest(factor), low_freq_factor: RAMP.low, high_freq_factor: RAMP.high },
        original_max_position_embeddings: original,
      };
  }
  return refuse(path);
}

/** A GGUF's rotary embedding: keys without the architecture's name, and tensors of divisors. */
interface GgufRope {
  readonly fields: readonly (readonly [string, Field])[];
  readonly divisors: readonly (readonly [string, WritableTensor])[];
}

/** @throws UserError if a GGUF has no keys for the scaling */
export function ggufRope(path: string, config: TransformerConfig): GgufRope {
  const rope = mainRope(config);
  if (!rope) return { fields: [], divisors: [] };
  const scaled = ggufScaling(path, rope);
  return {
    fields: [
      ["rope.freq_base", ["float32", rope.theta]],
      ["rope.dimension_count", ["uint32", rope.headSize]],
      ...scaled.fields.map(([key, field]) => [`rope.scaling.${key}`, field] as const),
    ],
    divisors: scaled.divisors,
  };
}

const divisorsOf = (name: string, values: readonly number[]): GgufRope["divisors"] => [
  [`${name}.weight`, { shape: [values.length], values: () => Float32Array.from(values) }],
];

function ggufScaling(path: string, rope: RopeConfig): GgufRope {
  const { scaling } = rope;
  const float = (value: number): Field => ["float32", value];
  switch (scaling?.type) {
    case undefined:
      return { fields: [], divisors: [] };
    case "linear":
      return {
        fields: [
          ["type", ["string", "linear"]],
          ["factor", float(scaling.factor)],
        ],
        divisors: [],
      };
    case "yarn":
      return {
        fields: [
          ["type", ["string", "yarn"]],
          ["factor", float(scaling.factor)],
          ["original_context_length", ["uint32", scaling.original]],
          ["yarn_beta_fast", float(scaling.fast)],
          ["yarn_beta_slow", float(scaling.slow)],
          // Readers themselves multiply by this divisor, YaRN's temperature.
          ["attn_factor", float(scaling.magnitude / (0.1 * Math.log(scaling.factor) + 1))],
        ],
        divisors: [],
      };
    case "llama3": {
      const [plain, turned] = [ropeFrequencies({ ...rope, scaling: undefined }), ropeFrequencies(rope)];
      return {
        fields: [],
        divisors: divisorsOf(
          "rope_freqs",
          plain.map((f, i) => f / turned[i]!),
        ),
      };
    }
    case "long":
      return {
        fields: [
          ["original_context_length", ["uint32", scaling.original]],
          ["attn_factor", float(scaling.magnitude)],
        ],
        divisors: [
          ...divisorsOf("rope_factors_short", scaling.short),
          ...divisorsOf("rope_factors_long", scaling.long),
        ],
      };
    case "factors":
      throw new UserError(`${path}: the scaling of its rotary embedding cannot be written as a GGUF`);
  }
}
