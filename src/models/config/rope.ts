import { ROTARY_STEP } from "../../graph/index.ts";
import type { RopeConfig, RopeScaling } from "../../nn/rope.ts";
import { UserError } from "../../util/errors.ts";
import type { Fields } from "./fields.ts";
import { ggufLongRope, hubLongRope, numberOf, type Parameters, type Span } from "./longrope.ts";

/**
 * Reads a rotary embedding; `kind` selects one if layers differ (`full_attention`, `sliding_attention`), in which case
 * LongRoPE is refused. `fills`: heads of any width are padded. `own`: the number of rotated elements in a head, if
 * other keys hold it.
 * @throws UserError for an unknown scaling
 */
export function readRope(
  fields: Fields,
  headSize: number,
  context: number,
  kind?: string,
  fills = false,
  own?: number,
): RopeConfig {
  const parameters = fields.gguf ? undefined : hubParameters(fields, kind);
  const theta = parameters
    ? numberOf(fields, parameters, "rope_theta", 10000)
    : fields.number("rope.freq_base", undefined, 10000);
  const rotated = own ?? rotatedOf(fields, parameters, headSize);
  const { path } = fields.source;
  if (!(theta > 0)) throw new UserError(`${path}: the rotary base must be above 0, got ${theta}`);
  checkHeads(path, headSize, rotated, fills);
  const span = { context, rotated, kind };
  const scaling = parameters ? hubScaling(fields, parameters, span) : ggufScaling(fields, span);
  return { theta, headSize: rotated, positions: context, scaling };
}

/** @throws UserError for heads that the kernels cannot rotate; `fills`: fully rotated heads are padded to a supported width */
export function checkHeads(path: string, headSize: number, rotated: number, fills: boolean): void {
  if (fills && rotated === headSize) {
    if (headSize % 2 === 0 && headSize >= ROTARY_STEP / 2) return;
    throw new UserError(`${path}: the head size must be even and at least ${ROTARY_STEP / 2}, got ${headSize}`);
  }
  const wrong = [rotated, headSize].find((size) => size % ROTARY_STEP !== 0);
  if (rotated > headSize || wrong !== undefined)
    throw new UserError(
      `${path}: the head size${wrong === headSize ? "" : "'s rotated part"} must be a multiple of ${ROTARY_STEP}, got ${wrong ?? rotated}`,
    );
}

/** The rotary embedding of Gemma 3's local layers, which is never scaled. */
export function readLocalRope(fields: Fields, headSize: number, context: number): RopeConfig {
  const kind = "sliding_attention";
  if (fields.object("rope_parameters")?.[kind]) return readRope(fields, headSize, context, kind, true);
  const theta = fields.number("rope.freq_base_swa", "rope_local_base_freq", 10000);
  return { theta, headSize, positions: context };
}

function rotatedOf(fields: Fields, parameters: Parameters | undefined, headSize: number): number {
  if (!parameters) return fields.number("rope.dimension_count", undefined, headSize);
  const share = fields.number(undefined, "partial_rotary_factor", 1);
  return Math.trunc(headSize * numberOf(fields, parameters, "partial_rotary_factor", share));
}

/**
 * transformers 5 uses `rope_parameters`, with an entry per kind of layer if layers differ; older versions use
 * `rope_theta` and `rope_scaling`.
 */
function hubParameters(fields: Fields, kind: string | undefined): Parameters {
  const own = fields.object("rope_parameters");
  const ofKind = kind === undefined ? undefined : own?.[kind];
  if (ofKind !== undefined && ofKind !== null && typeof ofKind === "object") return ofKind as Parameters;
  return { rope_theta: fields.value("rope_theta"), ...(own ?? fields.object("rope_scaling")) };
}

function hubScaling(fields: Fields, parameters: Parameters, span: Span): RopeScaling | undefined {
  const { context } = span;
  const type = parameters["rope_type"] ?? parameters["type"] ?? "default";
  const number = (key: string, fallback?: number) => numberOf(fields, parameters, key, fallback);
  switch (type) {
    case "default":
      return undefined;
    case "linear":
      return { type: "linear", factor: number("factor") };
    case "llama3":
      return {
        type: "llama3",
        factor: number("factor"),
        low: number("low_freq_factor"),
        high: number("high_freq_factor"),
        original: number("original_max_position_embeddings", context),
      };
    case "yarn":
      return {
        type: "yarn",
        factor: number("factor"),
        original: number("original_max_position_embeddings", context),
        fast: number("beta_fast", 32),
        slow: number("beta_slow", 1),
        truncate: parameters["truncate"] !== false,
        magnitude: number("attention_factor", yarnMagnitude(fields, parameters)),
      };
    case "proportional":
      return proportional(span.rotated, number("partial_rotary_factor", 1), number("factor", 1));
    case "longrope":
    case "su":
      return hubLongRope(fields, parameters, span);
    default:
      return fields.refuse("rope_scaling", type, '"default", "linear", "llama3", "yarn", "proportional" or "longrope"');
  }
}

/** llama.cpp's divisor for a pair that does not rotate. */
const STILL = 1e30;

/** Rotates only a head's first pairs, at the speeds of a full rotation; `rotated` counts the elements of all pairs. */
function proportional(rotated: number, share: number, factor: number): RopeScaling {
  const turned = Math.floor((share * rotated) / 2);
  const factors = Array.from({ length: rotated / 2 }, (_, pair) => (pair < turned ? factor : STILL));
  return { type: "factors", factors, magnitude: 1 };
}

/**
 * YaRN's temperature: 0.1 ln(factor) + 1, or a quotient of two such values if there are two coefficients (DeepSeek).
 */
function yarnMagnitude(fields: Fields, parameters: Parameters): number {
  const factor = numberOf(fields, parameters, "factor");
  const [own, all] = [parameters["mscale"], parameters["mscale_all_dim"]];
  return typeof own === "number" && typeof all === "number" && own && all
    ? temperature(factor, own) / temperature(factor, all)
    : temperature(factor, 1);
}

const temperature = (factor: number, coefficient: number): number =>
  factor <= 1 ? 1 : 0.1 * coefficient * Math.log(factor) + 1;

/** DeepSeek's factor for query–key products under YaRN, the square of a temperature; 1 without scaling. */
export function readYarnScale(fields: Fields): number {
  if (fields.gguf) {
    const coefficient = 10 * fields.number(YARN_COEFFICIENT, undefined, 0);
    return temperature(fields.number("rope.scaling.factor", undefined, 1), coefficient) ** 2;
  }
  const parameters = hubParameters(fields, undefined);
  if ((parameters["rope_type"] ?? parameters["type"] ?? "default") === "default") return 1;
  if (!parameters["mscale_all_dim"]) return 1;
  return temperature(numberOf(fields, parameters, "factor"), numberOf(fields, parameters, "mscale_all_dim")) ** 2;
}

/** GGUF's key for a tenth of DeepSeek's coefficient. If present, cosines and sines are not scaled. */
const YARN_COEFFICIENT = "rope.scaling.yarn_log_multiplier";

function ggufScaling(fields: Fields, span: Span): RopeScaling | undefined {
  if (fields.source.kind !== "gguf") return undefined;
  const key = "rope.scaling.type";
  const number = (name: string, fallback?: number) => fields.number(`rope.scaling.${name}`, undefined, fallback);
  // llama.cpp's converter writes LongRoPE's factors as tensors, and its attention factor, but no type.
  const unnamed = number("attn_factor", 1) === 1 ? "none" : "longrope";
  const type = fields.has(key, undefined) ? fields.source.metadata.string(`${fields.architecture}.${key}`) : unnamed;
  switch (type) {
    case "none":
      return undefined;
    case "linear":
      return { type, factor: number("factor") };
    case "yarn":
      return {
        type,
        factor: number("factor"),
        original: number("original_context_length", span.context),
        fast: number("yarn_beta_fast", 32),
        slow: number("yarn_beta_slow", 1),
        truncate: true,
        magnitude:
          number("attn_factor", 1) *
          (fields.has(YARN_COEFFICIENT, undefined) ? 1 : 0.1 * Math.log(number("factor")) + 1),
      };
    case "longrope":
      return ggufLongRope(fields, span);
    default:
      return fields.refuse(`${fields.architecture}.${key}`, type, '"none", "linear", "yarn" or "longrope"');
  }
}
