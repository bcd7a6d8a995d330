import { type LatentSource, openSource } from "../../engine/diffusion/plan/latents.ts";
import { Projector } from "../../engine/diffusion/plan/projector.ts";
import {
  checkProjector,
  type ProjectorFile,
  projectorFor,
  readProjector,
} from "../../engine/diffusion/plan/projector-file.ts";
import { UserError } from "../../util/errors.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { preparedFolder } from "../../weights/sources/index.ts";
import type { Facts, HeldModel, Resources } from "../resources.ts";
import type { PlanModels } from "./plan.ts";

/** Both models' SHA-256. */
export type Hashes = Readonly<Record<"planner" | "executor", string>>;

export async function hashesOf(models: Pick<Resources, "identity">): Promise<Hashes> {
  const hashOf = async (role: string) => (await models.identity(role)).sha256!;
  return { planner: await hashOf("planner"), executor: await hashOf("executor") };
}

/** A projector that was trained for two models. */
export interface TrainedProjector {
  readonly folder: string;
  readonly metadata: ProjectorFile;
}

/** A folder's projector, or the one found by the two models' hashes. @throws UserError if it is for other models */
export function trainedFor(own: Hashes, place?: string): TrainedProjector | undefined {
  const folder = place ?? projectorFor(own);
  if (folder === undefined) return undefined;
  const metadata = readProjector(folder);
  checkProjector(folder, metadata, own);
  return { folder, metadata };
}

/** Opens the source of a projector's vectors. */
export function sourceFor(
  planner: HeldModel,
  { source, tokenizer }: Pick<Facts, "source" | "tokenizer">,
  { folder, metadata }: TrainedProjector,
): Promise<LatentSource> {
  const loaded = plannerOf(planner);
  return planner.attached(`latents for ${folder}`, () =>
    openSource(metadata.source, {
      planner: loaded,
      plannerCheckpoint: openCheckpoint(loaded.source.path),
      executor: { checkpoint: openCheckpoint(source.path), tokenizer, prepared: preparedFolder(source.path) },
      template: metadata.template,
    }),
  );
}

export const projectorOf = (executor: HeldModel, { folder }: TrainedProjector): Promise<Projector> =>
  executor.attached(`projector ${folder}`, () => Projector.open(folder));

/** @throws UserError for a model of another kind */
export function plannerOf({ name, loaded }: HeldModel): PlanModels["planner"] {
  if (loaded.kind === "diffusion language model") return loaded;
  throw new UserError(`${name} does not fill in masked tokens, expected a planner such as planner-tiny`, 2, "model");
}

/** @throws UserError for a model of another kind */
export function executorOf({ name, loaded }: HeldModel): PlanModels["executor"] {
  if (loaded.kind === "decoder") return loaded;
  throw new UserError(`${name} does not accept embeddings instead of tokens, expected a decoder as the executor`, 2);
}

/** A projector and its source, opened once for two models. */
export interface OpenProjector extends Hashes, Pick<PlanModels, "latent"> {
  readonly projector?: string;
}

/** @throws UserError if the projector is for other models */
export async function opened(resources: Resources, place: string | undefined): Promise<OpenProjector> {
  const own = await hashesOf(resources);
  const trained = trainedFor(own, place);
  if (!trained) return own;
  const executor = await resources.facts("executor");
  const source = await resources.use("planner", (model) => sourceFor(model, executor, trained));
  const projector = await resources.use("executor", (model) => projectorOf(model, trained));
  return { ...own, projector: trained.folder, latent: { source, projector } };
}
