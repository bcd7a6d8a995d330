import path from "node:path";
import { copySentenceFiles } from "../../engine/encoders/text/sentence-files.ts";
import { classifierClass, encoderArchitecture } from "../../models/registry.ts";
import { writeError } from "../../util/system-errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { JsonObject } from "../../weights/json.ts";
import { Part } from "../../weights/prepared/part.ts";
import { type WritableModel, writeModel } from "../checkpoint/model.ts";
import type { HuggingFaceCheckpoint } from "../checkpoint/wider-checkpoint.ts";
import { frozenBy, tensorsOf } from "../freeze/frozen.ts";
import { encoderOf, hasTensor, labelsOf, textModelOf } from "../graphs/encoder-model.ts";
import { TracedWeights } from "../graphs/traced-weights.ts";
import type { TextHeadSettings } from "../heads/settings.ts";
import type { TrainOptions } from "../options.ts";
import type { JoinedTensors, ParameterStore } from "../step/parameters.ts";
import { sentenceSettingsOf } from "./encoder-reading.ts";
import { fillRandomly } from "./initial.ts";
import { openTrainee } from "./open-trainee.ts";
import { checkTrainable, type Subject } from "./subject.ts";

/**
 * Opens an encoder with a head over whole texts. Classifier tensors that the base lacks are random.
 * @throws UserError
 */
export async function encoderSubject(
  options: TrainOptions,
  base: Checkpoint,
  head: TextHeadSettings,
): Promise<Subject> {
  checkTrainable(base);
  const checkpoint = head.kind === "classes" ? withClasses(base, head.labels) : base;
  const architecture = await encoderArchitecture(base);
  const has = await hasTensor(base);
  const isNew = head.kind === "classes" ? await newTensors(base, head.labels) : () => false;
  const weights = new TracedWeights(checkpoint.config, (name) => isNew(name) || has(name));
  const model = textModelOf(architecture.open(weights), head.kind, sentenceSettingsOf(base).pooling);
  const names = architecture.tensors(base);
  const frozen = (joined: readonly JoinedTensors[]) => frozenBy(options, tensorsOf(joined, base, names, isNew));
  const opened = openTrainee({ ...model, weights }, options, frozen);
  const { store } = opened;
  for (const { name, shape } of store.parameters)
    if (!isNew(name)) store.valuesOf(store.parameter(name)).set(new Part(base, names, name, shape).floats());
  fillRandomly(store, model.stack.layers, options.seed, isNew);
  const write = { classes: writeClassifier, embedding: writeEmbedder }[head.kind];
  return { ...opened, write: (folder) => write(folder, checkpoint, store) };
}

/** A checkpoint with the configuration of a classifier with these labels. */
export function withClasses(base: HuggingFaceCheckpoint, labels: readonly string[]): HuggingFaceCheckpoint {
  const { config } = base;
  const classes: JsonObject = {
    architectures: [classifierClass(base)],
    id2label: Object.fromEntries(labels.entries()),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    problem_type: "single_label_classification",
  };
  return { ...base, config: { ...config, config: { ...config.config, ...classes } } };
}

/**
 * Returns which classifier tensors a checkpoint lacks; if the labels differ from the checkpoint's, the output layer is
 * new as well.
 */
export async function newTensors(
  base: HuggingFaceCheckpoint,
  labels: readonly string[],
): Promise<(name: string) => boolean> {
  const has = await hasTensor(base);
  const same = (await labelsOf(base)).join("\n") === labels.join("\n");
  const { classifier, shifted } = (await encoderOf(base)).config;
  const biased = classifier.norm === undefined || base.config.config["classifier_bias"] === true;
  const norm = classifier.norm === undefined ? [] : ["cls.norm.weight", ...(shifted ? ["cls.norm.bias"] : [])];
  const wanted = ["cls.weight", ...(biased ? ["cls.bias"] : []), ...norm];
  return (name) => (name.startsWith("cls.output.") ? !same : wanted.includes(name) && !has(name));
}

/** Writes a classifier under the names of its transformers class, without the base's other heads. */
const writeClassifier = async (folder: string, base: HuggingFaceCheckpoint, store: ParameterStore): Promise<void> =>
  writeModel(folder, {
    ...written(base, store),
    names: (await encoderArchitecture(base)).tensors({ ...base, tensors: new Map() }),
    copied: () => false,
  });

/** Writes an embedding model, with the base's sentence-transformers files. */
async function writeEmbedder(folder: string, base: HuggingFaceCheckpoint, store: ParameterStore): Promise<void> {
  try {
    await copySentenceFiles(path.dirname(base.config.path), folder);
  } catch (error) {
    throw writeError(error, folder);
  }
  const names = (await encoderArchitecture(base)).tensors(base);
  const output = ["weight", "bias"].map((of) => new Part(base, names, `cls.output.${of}`).name);
  await writeModel(folder, { ...written(base, store), names, copied: (name) => !output.includes(name) });
}

const written = (
  base: HuggingFaceCheckpoint,
  store: ParameterStore,
): Pick<WritableModel, "config" | "tensors" | "base"> => ({
  config: base.config.config,
  base,
  tensors: new Map(store.parameters.map((p) => [p.name, { shape: p.shape, values: () => store.valuesOf(p).slice() }])),
});
