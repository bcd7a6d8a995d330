import path from "node:path";
import { z } from "zod";
import type { Graph } from "../../../graph/index.ts";
import type { DecoderConfig } from "../../../models/decoder/decoder.ts";
import { UserError } from "../../../util/errors.ts";
import { fileState } from "../../../weights/file-state.ts";
import { readJson, sha256 } from "../../../weights/json-file.ts";
import { modelForm } from "../../../weights/prepared/quant.ts";
import { withFile } from "../../../weights/read-file.ts";
import { parseHeader, type SafeTensor } from "../../../weights/safetensors/header.ts";
import { readFloats } from "../../../weights/safetensors/read.ts";
import { deciderKinds } from "./deciders.ts";
import { headModes } from "./heads.ts";
import type { WeightsOf } from "./weights-of.ts";

const share = z.number().min(0).max(1);

/** A decider's accuracy on held-out tokens, at one layer. */
const accuracy = z.strictObject({
  auc: z.number(),
  /** The share of tokens with a positive label. */
  positiveRate: share,
  /** Expected calibration error of the decider's probabilities, in 15 bins, after temperature scaling. */
  ece: share,
});
export type DeciderQuality = z.output<typeof accuracy>;

/**
 * A threshold with a certificate: with probability `confidence`, an answer's expected loss is at most `risk` on
 * documents like the tested documents, in this form of the model's weights.
 */
const certifiedThreshold = z.strictObject({
  risk: share,
  confidence: share,
  /** The share of a document's tokens that differ from the dense model's choice after the same text. */
  loss: z.literal("token-disagreement"),
  fill: z.literal("recompute"),
  ...modelForm.shape,
  /** The number of test documents, and the hash of their tokens. */
  items: z.strictObject({ count: z.int().min(1), sha256 }),
  threshold: share,
  p: share,
  /** The mean loss on the test documents, and the mean number of layers per token. */
  mean: share,
  depth: z.number(),
});
export type CertifiedThreshold = z.output<typeof certifiedThreshold>;

/** Only in older files: thresholds tested on parts of one text, which are not independent. */
const uncertified = z.strictObject({ delta: share, epsilon: share, threshold: z.number().min(0), depth: z.number() });

const decider = z.strictObject({
  kind: z.enum(deciderKinds),
  /**
   * A token may exit if the exit's choice is among the model's `topK` likeliest tokens; if `topK` is 0, it must be the
   * text's next token.
   */
  topK: z.int().min(0),
  width: z.int().min(1).optional(),
  /** The divisor of the logits for each layer. */
  temperatures: z.array(z.number().positive()),
  thresholds: z
    .array(z.union([certifiedThreshold, uncertified]))
    .transform((all) => all.filter((each): each is CertifiedThreshold => "risk" in each))
    .optional(),
  /** Accuracies by layer. */
  measured: z.array(accuracy.extend({ stop: accuracy.optional() })),
});
export type DeciderFile = z.output<typeof decider>;

/** `exits.json` in a folder of exits, next to `exits.safetensors`. */
export const exitsFile = z.strictObject({
  model: z.strictObject({ name: z.string().min(1), sha256 }),
  ...modelForm.shape,
  saving: z.enum(["dynamax", "sec"]),
  /** The number of layers before each exit, ascending. */
  layers: z
    .array(z.int().min(1))
    .min(1)
    .refine((layers) => layers.every((layer, i) => i === 0 || layer > layers[i - 1]!), "expected layers in order"),
  head: z.strictObject({
    mode: z.enum(headModes),
    rank: z.int().min(1).optional(),
    tokens: z.array(z.int().min(0)).min(2).optional(),
  }),
  deciders: z.array(decider),
  data: z.strictObject({ name: z.string(), sha256, tokens: z.int().min(1) }),
  /** Results on held-out tokens, by layer; the last entry is the whole model's. */
  measured: z.strictObject({
    tokens: z.int().min(1),
    /** The share of tokens for which the head's choice is the text's next token. */
    right: z.array(share),
    /** The share of tokens for which the head's choice is the whole model's choice. */
    agree: z.array(share),
    /** The share of tokens that no exit gets right, nor the whole model. */
    neverRight: share,
  }),
});
export type ExitsFile = z.output<typeof exitsFile>;

export const exitsJson = (folder: string): string => path.join(folder, "exits.json");
export const exitsTensors = (folder: string): string => path.join(folder, "exits.safetensors");

/** Exits that were trained for one model. */
export interface Exits {
  readonly folder: string;
  /** Identifies the exits' weights; changes if the weights in the folder are replaced. */
  readonly id: string;
  readonly metadata: ExitsFile;
  /** Adds exit weights to a graph as constants, by name. @throws UserError if the file has no weight of that shape */
  weightsOf(g: Graph): WeightsOf;
}

/** The model that the exits serve. */
export interface ExitsHost {
  readonly sha256: string;
  readonly config: DecoderConfig;
}

/**
 * Opens a folder of exits.
 * @throws UserError if a file is missing or damaged, or if the exits are for another model
 */
export function openExits(folder: string, host: ExitsHost): Exits {
  const metadata = readJson(exitsJson(folder), exitsFile, "trained exits");
  checkHost(folder, metadata, host);
  const tensors = withFile(exitsTensors(folder), parseHeader);
  const id = `${folder} ${fileState(exitsTensors(folder))}`;
  return { folder, id, metadata, weightsOf: (g) => constants(g, folder, tensors) };
}

function checkHost(folder: string, { model, layers }: ExitsFile, { sha256: own, config }: ExitsHost): void {
  const file = exitsJson(folder);
  if (model.sha256 !== own)
    throw new UserError(
      `${file}: the exits are for ${model.name} with SHA-256 ${model.sha256.slice(0, 12)}…, but this model has ${own.slice(0, 12)}…`,
    );
  const last = layers.at(-1)!;
  if (last >= config.layers)
    throw new UserError(`${file}: there is an exit after layer ${last}, but the model has ${config.layers} layers`);
}

function constants(g: Graph, folder: string, tensors: ReadonlyMap<string, SafeTensor>): WeightsOf {
  return (name, shape) => {
    const tensor = tensors.get(name);
    const file = exitsTensors(folder);
    if (!tensor) throw new UserError(`${file}: there is no tensor "${name}" [${shape}]`);
    if (tensor.shape.join() !== shape.join())
      throw new UserError(`${file}: tensor "${name}" is [${tensor.shape}], expected [${shape}]`);
    const known = g.constants.find((constant) => constant.name === name);
    if (known) return known.tensor;
    const bytes = new Uint8Array(readFloats(tensor).buffer);
    return g.constant(name, { dtype: "f32", shape }, { kind: "memory", bytes });
  };
}
