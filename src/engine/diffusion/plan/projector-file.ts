import path from "node:path";
import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { bundledFolders, namesIn } from "../../../util/model-folders.ts";
import { readJson, sha256 } from "../../../weights/json-file.ts";
import { home } from "../../../weights/sources/home.ts";
import { diffusionOptions } from "../options.ts";
import { sources } from "./latents.ts";
import { templates } from "./template.ts";

const count = z.int().min(1);
const model = z.strictObject({ name: z.string().min(1), sha256 });

/** `plan.json` in a projector's folder, next to `projector.safetensors`. */
const projectorFile = z.strictObject({
  planner: model,
  executor: model,
  sizes: z.strictObject({ from: count, inner: count, to: count }),
  /** The number of tokens in a plan; a projector is trained for one plan length. */
  tokens: count,
  source: z.enum(sources),
  template: z.enum(templates),
  diffusion: diffusionOptions,
  data: z.strictObject({ sha256, samples: count }),
});
export type ProjectorFile = z.output<typeof projectorFile>;

export const projectorJson = (folder: string): string => path.join(folder, "plan.json");
export const projectorTensors = (folder: string): string => path.join(folder, "projector.safetensors");

/** Reads a folder's `plan.json`. @throws UserError if it is missing or damaged */
export const readProjector = (folder: string): ProjectorFile =>
  readJson(projectorJson(folder), projectorFile, "a trained projector");

/** @throws UserError if a projector was trained for other models */
export function checkProjector(
  folder: string,
  metadata: ProjectorFile,
  own: { planner: string; executor: string },
): void {
  for (const role of ["planner", "executor"] as const)
    if (metadata[role].sha256 !== own[role])
      throw new UserError(
        `${projectorJson(folder)}: the projector is for the ${role} ${metadata[role].name} with SHA-256 ${metadata[role].sha256.slice(0, 12)}…, but this one has ${own[role].slice(0, 12)}…`,
      );
}

/** Folders with a projector: the user's own, then those that the package ships. */
function projectorFolders(own = path.join(home(), "plans")): string[] {
  return [...namesIn(own).map((name) => path.join(own, name)), ...bundledFolders("plan", "plan.json")];
}

/** The folder of the projector for two models, by their hashes; undefined if no folder has it. */
export const projectorFor = (own: { planner: string; executor: string }): string | undefined =>
  projectorFolders().find((folder) => {
    const { planner, executor } = readProjector(folder);
    return planner.sha256 === own.planner && executor.sha256 === own.executor;
  });
