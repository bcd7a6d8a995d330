import { DiffusionModel } from "../../../engine/diffusion/diffusion-model.ts";
import { type LatentSource, openSource, type Source } from "../../../engine/diffusion/plan/latents.ts";
import { type PlanName, planNameOf } from "../../../engine/diffusion/plan/name.ts";
import { type ProjectorFile, projectorJson, projectorTensors } from "../../../engine/diffusion/plan/projector-file.ts";
import { decoderArchitecture, isOfKind } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import { makeFolders } from "../../../util/make-folders.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import { writeJson } from "../../../util/write-whole.ts";
import { Part } from "../../../weights/prepared/part.ts";
import { writeTensors } from "../../../weights/safetensors/write.ts";
import { modelHash } from "../../../weights/sources/index.ts";
import { hashOf, readText } from "../../data/files.ts";
import type { RunData } from "../../data/open.ts";
import { refuseSave } from "../../graphs/saving-masks.ts";
import { TracedWeights } from "../../graphs/traced-weights.ts";
import { languageModel } from "../../heads/language-model.ts";
import { shareOf, type TrainOptions } from "../../options.ts";
import { batchStages, type OpenRun } from "../../session/batch-stage.ts";
import type { OpenTerms, Stage } from "../../session/stage.ts";
import type { ParameterStore } from "../../step/parameters.ts";
import { openTrainee } from "../../subject/open-trainee.ts";
import { type Base, type Subject, sourceOf } from "../../subject/subject.ts";
import { longestOf, plannedBatches, plannedRows, readQuestions, splitRows } from "./data.ts";
import type { ProjectorOptions } from "./projector.ts";
import { ProjectorStack } from "./stack.ts";

/**
 * Trains a projector, and nothing else, after the planner has planned every question once. @throws UserError if one of
 * the two models is of the wrong kind
 */
export async function* projectorStages(own: ProjectorOptions, run: OpenTerms): AsyncGenerator<Stage, void> {
  refuseSave(run.options, "a projector");
  yield* batchStages(await openProjector(run.options, own, run.openBase), run, undefined);
}

/** Opens both models, and plans the questions. @throws UserError */
export async function openProjector(
  options: TrainOptions,
  own: ProjectorOptions,
  openBase: (model: string) => Promise<Base>,
): Promise<OpenRun> {
  const other = (["lora", "head", "start", "upcycle", "freezeMask", "freeze"] as const).find(
    (name) => options[name] !== undefined,
  );
  if (other || options.train.length > 0)
    throw new UserError(
      `${other ?? "train"}: only the projector is trained, and both models are frozen; omit ${other ?? "train"}`,
      2,
    );
  const name = planNameOf(options.model);
  const bases = { planner: await openBase(name.planner), executor: await openBase(name.executor) };
  checkKinds(name, bases);
  const { rows, width } = await latentRows(options, own, bases);
  const data = dataOf(options, rows);
  const subject = await subjectOf(options, own, bases, width);
  return {
    subject: { ...subject, write: (folder) => write(folder, subject.store, { options, own, bases, width, data }) },
    ...{ data, tokenizer: bases.executor.tokenizer },
  };
}

interface Bases {
  readonly planner: Base;
  readonly executor: Base;
}

/** @throws UserError */
function checkKinds(name: PlanName, { planner, executor }: Bases): void {
  if (!isOfKind("diffusion language model", planner.checkpoint))
    throw new UserError(`${name.planner} does not fill in masked tokens; expected a planner, such as planner-tiny`, 2);
  if (!isOfKind("decoder", executor.checkpoint))
    throw new UserError(
      `${name.executor} does not accept embeddings instead of tokens; expected a decoder as the executor`,
      2,
    );
}

/** Computes each question's latent vectors. */
async function latentRows(options: TrainOptions, own: ProjectorOptions, { planner, executor }: Bases) {
  using model = await DiffusionModel.load(sourceOf(planner), "auto");
  const terms = { tokens: own.plan, diffusion: own, temperature: 0 };
  const around = { planner: model, plannerCheckpoint: planner.checkpoint, executor, template: own.template };
  using source: LatentSource = await openSource(own.source, around);
  const { tokenizer } = executor;
  const questions = readQuestions(options.data);
  return {
    width: source.width,
    rows: await plannedRows(questions, { tokenizer, template: own.template, source }, terms),
  };
}

function dataOf({ data, batch, seed, ...options }: TrainOptions, rows: Parameters<typeof splitRows>[0]): RunData {
  const [training, heldOut] = splitRows(rows, shareOf(options));
  const tokens = longestOf(rows);
  return {
    training: plannedBatches(training, { size: batch, tokens, seed }),
    heldOut: heldOut.length > 0 ? plannedBatches(heldOut, { size: batch, tokens }) : undefined,
    hash: hashOf(data.map(readText)),
  };
}

/** Opens the executor with a projector before it; only the projector is trained. */
async function subjectOf(
  { seed }: TrainOptions,
  own: ProjectorOptions,
  { executor: { checkpoint } }: Bases,
  from: number,
): Promise<Omit<Subject, "write">> {
  const architecture = await decoderArchitecture(checkpoint);
  const names = architecture.tensors(checkpoint);
  const part = (name: string) => new Part(checkpoint, names, name);
  const weights = new TracedWeights(checkpoint.config, (name) => part(name).exists);
  const decoder = architecture.open(weights);
  const { hidden } = decoder.config;
  const config = { from, inner: own.inner ?? hidden, to: hidden, latents: own.plan };
  const stack = new ProjectorStack(decoder, weights, config);
  const opened = openTrainee({ stack, objective: languageModel(decoder), weights }, { train: ["projector.*"] });
  for (const parameter of opened.store.parameters)
    if (!parameter.trained) opened.store.valuesOf(parameter).set(part(parameter.name).floats());
  fillProjector(opened.store, part("token_embd.weight").floats(), seed);
  return opened;
}

interface RunParts {
  readonly options: TrainOptions;
  readonly own: ProjectorOptions;
  readonly bases: Bases;
  readonly width: number;
  readonly data: RunData;
}

/** Writes a projector's folder: `plan.json` and `projector.safetensors`. */
async function write(folder: string, store: ParameterStore, { own, bases, width, data }: RunParts): Promise<void> {
  makeFolders(folder);
  const trained = store.parameters.filter((parameter) => parameter.trained);
  const [inner, to] = store.parameter("projector.down.weight").shape.toReversed() as [number, number];
  const { plan: tokens, inner: _, source, template, ...diffusion } = own;
  const identity = async (base: Base) => ({ name: base.name, sha256: await modelHash(sourceOf(base)) });
  const metadata: ProjectorFile = {
    ...{ planner: await identity(bases.planner), executor: await identity(bases.executor) },
    ...{ sizes: { from: width, inner, to }, tokens, source: source as Source, template, diffusion },
    data: { sha256: data.hash, samples: data.training.samples },
  };
  await writeJson(projectorJson(folder), metadata);
  const tensors = trained.map((p) => [p.name, { shape: p.shape, values: () => store.valuesOf(p).slice() }] as const);
  await writeTensors(projectorTensors(folder), new Map(tensors));
}

/**
 * Initialises a projector: matrices normal with deviation 1/√inputs, biases 0, and the norm's gain the root mean square
 * of the executor's token rows, so that outputs have the scale of these rows.
 */
function fillProjector(store: ParameterStore, table: Float32Array, seed: number): void {
  const normal = normals(seededRandom(seed));
  const size = Math.sqrt(table.reduce((sum, x) => sum + x * x, 0) / table.length);
  for (const parameter of store.parameters.filter(({ name }) => name.startsWith("projector."))) {
    const values = store.valuesOf(parameter);
    const { name, shape } = parameter;
    if (name === "projector.norm.weight") values.fill(size);
    else if (shape.length === 1) values.fill(0);
    else for (let i = 0; i < values.length; i++) values[i] = normal() / Math.sqrt(shape[1]!);
  }
}
