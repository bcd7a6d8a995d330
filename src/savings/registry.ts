import { suggest, UserError } from "../util/errors.ts";
import { flexPrefill } from "./attention/flexprefill.ts";
import { minference } from "./attention/minference.ts";
import { triShape } from "./attention/tri-shape.ts";
import { xattention } from "./attention/xattention/index.ts";
import { yopo } from "./attention/yopo/yopo.ts";
import { dynamax } from "./depth/dynamax/dynamax.ts";
import { exit } from "./depth/exit.ts";
import { sec } from "./depth/sec/sec.ts";
import { int8Prefill } from "./precision/int8-prefill.ts";
import type { Saving } from "./saving.ts";
import { draft } from "./tokens/draft/draft.ts";
import { feather } from "./tokens/feather/feather.ts";
import { lookup } from "./tokens/lookup/lookup.ts";
import { prune } from "./tokens/prune.ts";

/** Every saving, one per line. */
export const savings: readonly Saving[] = [
  draft,
  dynamax,
  exit,
  feather,
  flexPrefill,
  int8Prefill,
  lookup,
  minference,
  prune,
  sec,
  triShape,
  xattention,
  yopo,
];

/** @throws UserError if there is no saving of that name */
export function savingNamed(name: string): Saving {
  const known = savings.find((s) => s.name === name);
  if (known) return known;
  const names = savings.map((s) => s.name);
  throw new UserError(`no saving is called "${name}" (there are: ${names.join(", ")})${suggest(name, names)}`, 2);
}
