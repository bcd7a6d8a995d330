import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import type { ConfigSource } from "../../../weights/checkpoint.ts";

/** A text, or two texts read together, such as a query and a passage. */
export type Reading = string | readonly [string, string];

/** The likeliest label, and every label's score. */
export interface Classification {
  readonly label: string;
  readonly scores: Readonly<Record<string, number>>;
}

/** The functions from a classifier's logits to scores. */
type Activation = "softmax" | "sigmoid" | "none";

export interface ClassifierSettings {
  readonly labels: readonly string[];
  /** The activation over labels, as in transformers' pipeline. */
  readonly activation: Activation;
  /** The activation of a cross-encoder's single label, as in sentence-transformers. */
  readonly relevance: Exclude<Activation, "softmax">;
}

const configSchema = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  id2label: z.record(z.string(), z.string()).nullish(),
  problem_type: z.enum(["regression", "single_label_classification", "multi_label_classification"]).nullish(),
  sbert_ce_default_activation_function: z.string().nullish(),
  sentence_transformers: z.looseObject({ activation_fn: z.string().nullish() }).nullish(),
});

/**
 * Reads the meaning of a classifier's `count` outputs from a configuration.
 * @throws UserError for an unsupported kind of classifier
 */
export function readClassifier(
  source: ConfigSource,
  count: number,
  head: "ForSequenceClassification" | "ForImageClassification" = "ForSequenceClassification",
): ClassifierSettings {
  const parsed = configSchema.safeParse(source.kind === "gguf" ? ggufConfig(source) : source.config);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new UserError(`${source.path}: "${path.join(".")}": ${message}`);
  }
  const { architectures, id2label, problem_type: problem, ...config } = parsed.data;
  const [architecture = head] = architectures ?? [];
  if (!architecture.endsWith(head)) {
    const what = head === "ForSequenceClassification" ? "texts" : "images";
    throw new UserError(
      `${source.path}: "${architecture}" has a head that is not supported, expected one for whole ${what}`,
    );
  }
  if (count === 0) throw new UserError(`${source.path}: "id2label" is empty, expected at least one label`);
  const named = config.sentence_transformers?.activation_fn ?? config.sbert_ce_default_activation_function;
  return {
    labels: Array.from({ length: count }, (_, i) => id2label?.[i] ?? `LABEL_${i}`),
    activation: activationOf(problem ?? undefined, count),
    relevance: named ? relevanceOf(source.path, named) : "sigmoid",
  };
}

/** A GGUF's labels in config.json's format. */
function ggufConfig({ metadata }: Extract<ConfigSource, { kind: "gguf" }>): object {
  const labels = metadata.strings(`${metadata.string("general.architecture")}.classifier.output_labels`, []);
  return { id2label: Object.fromEntries(labels.entries()) };
}

function activationOf(problem: z.output<typeof configSchema>["problem_type"], count: number): Activation {
  if (problem === "regression") return "none";
  return problem === "multi_label_classification" || count === 1 ? "sigmoid" : "softmax";
}

/** `name` is PyTorch's path to a module, such as `torch.nn.modules.linear.Identity`. */
function relevanceOf(file: string, name: string): ClassifierSettings["relevance"] {
  if (name.endsWith(".Identity")) return "none";
  if (name.endsWith(".Sigmoid")) return "sigmoid";
  throw new UserError(`${file}: the score activation "${name}" is not supported, expected Identity or Sigmoid`);
}

/**
 * Computes a classification from logits [labels]; with `among`, over those labels alone.
 * @throws UserError for an unknown label
 */
export function classification(
  { labels, activation }: ClassifierSettings,
  logits: Float32Array,
  among: readonly string[] = labels,
): Classification {
  if (among.length === 0) throw new UserError(`no labels are given, expected some of ${labels.join(", ")}`, 2);
  const places = among.map((label) => placeOf(labels, label));
  const scores = activate(
    places.map((place) => logits[place]!),
    activation,
  );
  return likeliest(among, scores);
}

/** Labels and their scores, in the same order. */
export function likeliest(labels: readonly string[], scores: readonly number[]): Classification {
  const best = scores.indexOf(Math.max(...scores));
  return { label: labels[best]!, scores: Object.fromEntries(labels.map((label, i) => [label, scores[i]!])) };
}

function placeOf(labels: readonly string[], label: string): number {
  const place = labels.indexOf(label);
  if (place >= 0) return place;
  throw new UserError(`the model has no label "${label}", expected some of ${labels.join(", ")}`, 2);
}

/** The scores of logits, from 0 to 1 unless there is no activation. */
export function activate(logits: readonly number[], activation: Activation): number[] {
  switch (activation) {
    case "none":
      return [...logits];
    case "sigmoid":
      return logits.map((x) => 1 / (1 + Math.exp(-x)));
    case "softmax": {
      const highest = Math.max(...logits);
      const weights = logits.map((x) => Math.exp(x - highest));
      const sum = weights.reduce((a, b) => a + b);
      return weights.map((w) => w / sum);
    }
  }
}
