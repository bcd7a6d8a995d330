import { UserError } from "../../util/errors.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import type { TransformerArchitecture } from "../architecture.ts";
import { decoders } from "../architectures/index.ts";

export type HubCheckpoint = Checkpoint & { readonly config: Extract<ConfigSource, { kind: "huggingface" }> };

/** An architecture's names in both formats. */
export interface Pair {
  /** A GGUF's `general.architecture`. */
  readonly gguf: string;
  /** A config.json's `model_type`. */
  readonly type: string;
  /** The class in transformers, which other tools need. */
  readonly className: string;
  /** True for the variant with experts, if several share a GGUF name. */
  readonly experts?: true;
  /**
   * True if llama.cpp cannot read the fixture's GGUF, or computes different results with it; no GGUF is then written.
   */
  readonly readOnly?: true;
}

const pairs: readonly Pair[] = [
  { gguf: "cohere2", type: "cohere2", className: "Cohere2ForCausalLM" },
  { gguf: "ernie4_5", type: "ernie4_5", className: "Ernie4_5ForCausalLM", readOnly: true },
  { gguf: "exaone4", type: "exaone4", className: "Exaone4ForCausalLM", readOnly: true },
  { gguf: "gemma2", type: "gemma2", className: "Gemma2ForCausalLM" },
  { gguf: "gemma3", type: "gemma3_text", className: "Gemma3ForCausalLM" },
  { gguf: "glm4moe", type: "glm4_moe", className: "Glm4MoeForCausalLM" },
  { gguf: "gpt-oss", type: "gpt_oss", className: "GptOssForCausalLM" },
  { gguf: "gpt2", type: "gpt2", className: "GPT2LMHeadModel" },
  { gguf: "granite", type: "granite", className: "GraniteForCausalLM" },
  { gguf: "granitemoe", type: "granitemoe", className: "GraniteMoeForCausalLM" },
  { gguf: "llama", type: "llama", className: "LlamaForCausalLM" },
  { gguf: "llama", type: "mixtral", className: "MixtralForCausalLM", experts: true },
  { gguf: "llama", type: "mistral", className: "MistralForCausalLM" },
  { gguf: "olmo2", type: "olmo2", className: "Olmo2ForCausalLM" },
  { gguf: "olmoe", type: "olmoe", className: "OlmoeForCausalLM", readOnly: true },
  { gguf: "phi3", type: "phi3", className: "Phi3ForCausalLM", readOnly: true },
  { gguf: "qwen2", type: "qwen2", className: "Qwen2ForCausalLM" },
  { gguf: "qwen2moe", type: "qwen2_moe", className: "Qwen2MoeForCausalLM" },
  { gguf: "qwen3", type: "qwen3", className: "Qwen3ForCausalLM" },
  { gguf: "qwen3moe", type: "qwen3_moe", className: "Qwen3MoeForCausalLM" },
  { gguf: "smollm3", type: "smollm3", className: "SmolLM3ForCausalLM" },
];

/** Architectures that can also be written as GGUFs. */
const writable = pairs.filter(({ readOnly }) => !readOnly);

/** The names of a checkpoint's architecture. @throws UserError if it cannot be converted to the other format */
export function pairOf({ path, architecture, config }: Checkpoint): Pair {
  const found =
    config.kind === "gguf"
      ? pairs.find(({ gguf, experts = false }) => gguf === architecture && experts === hasExperts(config))
      : writable.find(({ type }) => type === architecture);
  if (found) return found;
  const [from, to] = config.kind === "gguf" ? ["GGUF", "safetensors"] : ["model", "GGUF"];
  const known = config.kind === "gguf" ? pairs.map(({ gguf }) => gguf) : writable.map(({ type }) => type);
  throw new UserError(
    `${path}: a ${from} of the architecture "${architecture}" cannot be converted to ${to}, expected one of ${[...new Set(known)].join(", ")}`,
  );
}

/** Mixtral's GGUFs use llama's name. */
const hasExperts = ({ metadata }: Extract<Checkpoint["config"], { kind: "gguf" }>): boolean =>
  metadata.string("general.architecture") === "llama" && metadata.integer("llama.expert_count", 0) > 0;

/** Loads the code of an architecture by any of its names. */
export async function architectureNamed(name: string): Promise<TransformerArchitecture> {
  const decoder = decoders.find(({ names }) => names.includes(name))!;
  return (await decoder.load()) as TransformerArchitecture;
}
