import { z } from "zod";
import { answerOptions } from "../pipelines/answer/options.ts";
import { firstOptions } from "../pipelines/first/options.ts";
import { planningOptions } from "../pipelines/plan/options.ts";
import { qzeroOptions } from "../pipelines/qzero/options.ts";
import { recognizeOptions } from "../pipelines/recognize/options.ts";
import { routeOptions } from "../pipelines/route/name.ts";
import { savings } from "../savings/registry.ts";
import type { Seam } from "../savings/seams.ts";
import { methods } from "../train/methods/registry.ts";

/** A way to spend less: inside a model, around models, or in training. */
export interface Listed {
  readonly kind: "saving" | "pipeline" | "method";
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  /** JSON schema. */
  readonly options: z.core.JSONSchema.BaseSchema;
  readonly needs: readonly Seam[];
}

interface Pipeline extends Pick<Listed, "name" | "group" | "summary"> {
  readonly options: z.ZodType;
}

/** One line each. */
const pipelines: readonly Pipeline[] = [
  {
    name: "route",
    group: "routing",
    summary: "a small model answers, or a large one if the small one's score is low; as --model SWIFT>SUPER@share=0.3",
    options: routeOptions,
  },
  {
    name: "first",
    group: "reranking",
    summary:
      "orders a list by the logits of one position, writing nothing; as rerank --model MODEL+first@windowSize=10",
    options: firstOptions,
  },
  {
    name: "qzero",
    group: "classification",
    summary:
      "labels a text by the categories of documents that are found for it; as classify --via qzero --index NAME --model glove",
    options: qzeroOptions,
  },
  {
    name: "expertrag",
    group: "retrieval",
    summary:
      "answers a question, with passages of an index if a gate says that the model needs them; as answer QUESTION --index NAME",
    options: answerOptions,
  },
  {
    name: "plan",
    group: "planning",
    summary:
      "a diffusion model plans in parallel, a decoder answers in a few tokens; as --model PLANNER+EXECUTOR --planning latent",
    options: planningOptions,
  },
  {
    name: "recognize",
    group: "seeing",
    summary:
      "names all regions of a picture with one pass of the image–text model; as recognize IMAGE --labels a,b --boxes FILE",
    options: recognizeOptions,
  },
];

const schemaOf = (options: z.ZodType) => z.toJSONSchema(options, { io: "input" });

/** Every saving, pipeline and method. */
export const catalogue = (): Listed[] => [
  ...savings.map(
    ({ name, group, summary, needs, options }): Listed => ({
      ...{ kind: "saving", name, group, summary, options: schemaOf(options), needs },
    }),
  ),
  ...pipelines.map(
    ({ name, group, summary, options }): Listed => ({
      ...{ kind: "pipeline", name, group, summary, options: schemaOf(options), needs: [] },
    }),
  ),
  ...methods.map(
    ({ name, summary, options }): Listed => ({
      ...{ kind: "method", name, group: "training", summary, options: schemaOf(options), needs: [] },
    }),
  ),
];
