import { suggest, UserError } from "../util/errors.ts";
import type { GgufFile } from "../weights/gguf/index.ts";
import type { Architecture } from "./decoder.ts";
import { llama } from "./llama.ts";

/** Every architecture that runs: one line each. */
const architectures: readonly Architecture[] = [llama];

/** The architecture of a checkpoint; throws a UserError when there is none of its name. */
export function architectureOf(file: GgufFile): Architecture {
  const name = file.metadata.string("general.architecture");
  const known = architectures.find((a) => a.name === name);
  if (known) return known;
  const names = architectures.map((a) => a.name);
  throw new UserError(
    `${file.path}: architecture "${name}" is not supported (supported: ${names.join(", ")})${suggest(name, names)}`,
  );
}
