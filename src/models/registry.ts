import { suggest, UserError } from "../util/errors.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type Quant, Weights } from "../weights/prepared/weights.ts";
import type { Architecture, Decoder } from "./decoder.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3 } from "./gemma3.ts";
import { gpt2 } from "./gpt2.ts";
import { granite } from "./granite.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { olmo2 } from "./olmo2.ts";
import { phi3 } from "./phi3.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";
import { smollm3 } from "./smollm3.ts";

/** Every architecture that runs: one line each. */
const architectures: readonly Architecture[] = [
  gemma2,
  gemma3,
  gpt2,
  granite,
  llama,
  mistral,
  olmo2,
  phi3,
  qwen2,
  qwen3,
  smollm3,
];

/** The architecture of a checkpoint; throws a UserError when there is none of its name. */
function architectureOf({ path, architecture: name }: Checkpoint): Architecture {
  const known = architectures.find((a) => a.names.includes(name));
  if (known) return known;
  const names = architectures.flatMap((a) => a.names);
  throw new UserError(
    `${path}: architecture "${name}" is not supported (supported: ${names.join(", ")})${suggest(name, names)}`,
  );
}

/** Opens a checkpoint as the decoder it holds; its prepared weights are kept under `folder`. @throws UserError when it is none that runs */
export function openDecoder(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant = "auto",
): { decoder: Decoder; weights: Weights } {
  const architecture = architectureOf(checkpoint);
  const weights = new Weights(checkpoint, folder, quant, architecture.tensors(checkpoint));
  return { decoder: architecture.open(weights), weights };
}
