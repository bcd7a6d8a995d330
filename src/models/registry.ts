import { suggest, UserError } from "../util/errors.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type Quant, Weights } from "../weights/prepared/weights.ts";
import type { Architecture, Decoder } from "./decoder.ts";
import { llama } from "./llama.ts";

/** Every architecture that runs: one line each. */
const architectures: readonly Architecture[] = [llama];

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
