import { nearest, UserError } from "../util/errors.ts";
import { parseSpec } from "../weights/sources/spec.ts";
import { expertrag } from "./answer/pipeline.ts";
import { first } from "./first/pipeline.ts";
import type { ModelsPipeline, NamedPipeline, Pipeline, Roles } from "./pipeline.ts";
import { plan } from "./plan/pipeline.ts";
import { qzero } from "./qzero/pipeline.ts";
import type { NamedRank, RankPipeline } from "./rank-pipeline.ts";
import { recognize } from "./recognize/pipeline.ts";
import { route } from "./route/pipeline.ts";
import type { NamedText, TextPipeline } from "./text-pipeline.ts";
import { vote } from "./vote/vote.ts";

/** Every pipeline. The first one that can parse a name owns it: `+` separates two models only if no suffix follows it. */
export const pipelines: readonly Pipeline[] = [route, first, vote, qzero, expertrag, plan, recognize];

/** The pipeline that a model name selects; undefined for a single model's name. */
export const pipelineNamed = (model: string): Pipeline | undefined => pipelines.find(({ naming }) => naming?.is(model));

/** @throws UserError for a pipeline's name, where one model is expected */
export function requireOneModel(model: string): void {
  checkSpelling(model);
  const naming = pipelineNamed(model)?.naming;
  if (naming) throw new UserError(`${model} is ${naming.kind}, only for ${naming.takers}; expected one model`, 2);
}

/** @throws UserError for a misspelt suffix, such as `MODEL+vot` */
export function checkSpelling(name: string): void {
  const [, model, end = "", options = ""] = /^(.+)\+([^+@>]+)(@[^@>]*=[^@>]*)?$/s.exec(name) ?? [];
  const suffixes = pipelines.flatMap(({ name, naming }) => (naming?.form.startsWith("MODEL+") ? [name] : []));
  const near = nearest(end, suffixes);
  if (near === undefined || near === end) return;
  try {
    parseSpec(end);
  } catch {
    throw new UserError(`no model is called "${end}"; did you mean "${model}+${near}${options}"?`, 2);
  }
}

const isOverModels = (pipeline: Pipeline): pipeline is ModelsPipeline => "parse" in pipeline;

/**
 * The models in a pipeline's name by their roles; undefined for a single model's name. @throws UserError for an invalid
 * name
 */
export const rolesIn = (model: string): Roles | undefined => named(model, isOverModels)?.roles;

const answersTexts = (pipeline: Pipeline): pipeline is TextPipeline => "answer" in pipeline && isOverModels(pipeline);

/** The pipeline that assigns a request's labels to texts. */
export const labelPipeline = qzero;

/** The pipeline that names regions of pictures. */
export const regionPipeline = recognize;

/** The pipeline that may look a question up; a request's field selects it. */
export const lookupPipeline = expertrag;

/** The pipelines that answer as a model does. */
export const textPipelines: readonly TextPipeline[] = pipelines.filter(answersTexts);

/** The syntax of pipeline names, for help texts. */
export const pipelineForms = (all: readonly Pick<ModelsPipeline, "naming">[]): string =>
  all.map(({ naming }) => naming.form).join(", ");

const ranks = (pipeline: Pipeline): pipeline is RankPipeline => "rank" in pipeline;

/** The pipelines that order texts by a query. */
export const rankPipelines: readonly RankPipeline[] = pipelines.filter(ranks);

/** Parses the name of a pipeline that answers texts; undefined for other names. @throws UserError that names the option */
export const textPipelineNamed = (model: string): NamedText | undefined => named(model, answersTexts);

/** Parses the name of a pipeline that orders texts; undefined for other names. @throws UserError that names the option */
export const rankPipelineNamed = (model: string): NamedRank | undefined => named(model, ranks);

function named<P extends ModelsPipeline>(model: string, is: (pipeline: Pipeline) => pipeline is P) {
  const pipeline = pipelineNamed(model);
  if (!pipeline || !is(pipeline)) return undefined;
  const parsed = pipeline.parse(model)!;
  return { ...parsed, pipeline, name: pipeline.nameOf(parsed.roles) } satisfies NamedPipeline<P>;
}
