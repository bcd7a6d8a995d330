import { totalmem } from "node:os";
import { Engine } from "../../engine/decode/run/engine.ts";
import type { Decoder } from "../../models/decoder/decoder.ts";
import { decoderArchitecture, isOfKind, openDecoder } from "../../models/registry.ts";
import { layoutOf } from "../../models/tensors/adapter-layout.ts";
import { SharedWeights } from "../../runtime/shared-weights.ts";
import { UserError } from "../../util/errors.ts";
import type { Layout } from "../../weights/adapter/lora-layers.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { Quant } from "../../weights/prepared/quant.ts";
import { type LoraFactors, type SavedTensor, type TrainedRows, writeAdapter } from "../checkpoint/adapter.ts";
import { rowsOfTokens } from "../checkpoint/wider-checkpoint.ts";
import { frozenBy, refuseOnFrozen, tensorsOf } from "../freeze/frozen.ts";
import { languageModelOf } from "../graphs/decoder-stack.ts";
import type { Trainee } from "../graphs/graphs.ts";
import { isTrainedLora, LoraWeights, magnitudeName, rowsName, squaresName, upName } from "../graphs/lora-weights.ts";
import { savingMasks } from "../graphs/saving-masks.ts";
import { TracedWeights } from "../graphs/traced-weights.ts";
import type { LoraOptions, TrainOptions } from "../options.ts";
import { ParameterStore } from "../step/parameters.ts";
import { weightsOf } from "../step/passes.ts";
import { seenLanguageModelOf } from "../vision/seen-stack.ts";
import { addingOf, sightOf } from "../vision/vision-model.ts";
import { fillLora } from "./initial.ts";
import { startFromAdapter } from "./lora-start.ts";
import { frozenIn } from "./open-trainee.ts";
import type { Base, Subject } from "./subject.ts";

/**
 * Opens a model with trained LoRA layers and trained rows for new tokens; its other weights are frozen, and may be
 * quantised.
 * @throws UserError
 */
export async function loraSubject(
  lora: LoraOptions,
  { name, hub = name, checkpoint, prepared, extended }: Base,
  options: Pick<TrainOptions, "quant" | "seed" | "freezeMask" | "save"> &
    Partial<Pick<TrainOptions, "data" | "freeze">>,
): Promise<Subject> {
  const { quant, seed, freezeMask, save } = options;
  const architecture = await decoderArchitecture(checkpoint);
  const { weights: frozen, decoder: plain } = await openDecoder(checkpoint, prepared, frozenForm(quant, checkpoint));
  const layout = withNewNames(layoutOf(checkpoint, architecture, plain), checkpoint);
  if (lora.modules_to_save !== undefined && (extended || checkpoint.config.kind === "gguf"))
    throw new UserError("lora.modules_to_save: expected safetensors (see modicum export) and no new tokens", 2);
  const weights = new LoraWeights(frozen, lora, extended?.ids, layout);
  const saving = savingMasks(save, plain);
  const adding = (await sightOf({ ...options, lora }, checkpoint)) && (await addingOf(checkpoint));
  const modelOf = (decoder: Decoder) =>
    adding === undefined ? languageModelOf(decoder, saving) : seenLanguageModelOf(decoder, adding, saving);
  const names = architecture.tensors(checkpoint);
  const part = (tensor: string, shape?: readonly number[]) => new Part(checkpoint, names, tensor, shape);
  const model = { ...modelOf(architecture.open(weights)), weights };
  const { trainee, store, factors } = openLayers(model, lora, options, frozen, part);
  const tables = extended ? TABLES.filter((table) => store.parameters.some((p) => p.name === rowsName(table))) : [];
  for (const table of tables) {
    const rows = rowsOfTokens(part(`${table}.weight`).floats(), plain.config, extended!.ids, seed);
    store.valuesOf(store.parameter(rowsName(table))).set(rows);
  }
  const traced = new TracedWeights(checkpoint.config, (tensor) => part(tensor).exists);
  const whole = { ...modelOf(architecture.open(traced)), weights: traced, trained: () => true };
  refuseOnFrozen(trainedIn(weights), frozenBy({ freezeMask }, tensorsOf(weightsOf(whole), checkpoint, names)));
  return {
    ...{ trainee, store, whole },
    openEngine: async () => {
      const { weights: constants } = await openDecoder(checkpoint, prepared, frozenForm(quant, checkpoint));
      const terms = { ...lora, lora_dropout: 0 };
      const served = new LoraWeights(constants, terms, extended?.ids, layout, { served: true });
      const inputs = store.parameters.map(
        ({ name, shape, offset }) => [name, store.values.view(shape, offset)] as const,
      );
      using shared = new SharedWeights(Object.fromEntries(inputs));
      return await Engine.create(architecture.open(served), constants, shared);
    },
    startFrom: (folder) => startFromAdapter(folder, name, lora, layout, factors, savedTensors(weights, store)),
    write: (folder) =>
      writeAdapter(folder, {
        ...{ base: hub, task: "CAUSAL_LM", lora, names, layout, factors },
        saved: savedTensors(weights, store),
        rows: trainedRows(tables, extended?.ids ?? [], store),
      }),
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}

/**
 * Opens and initialises the parameters of LoRA layers, and of fully trained tensors, whose base values `part` reads.
 * `isNew` is true for tensors that the base lacks.
 */
export function openLayers(
  model: Omit<Trainee, "trained"> & { readonly weights: LoraWeights },
  lora: LoraOptions,
  { seed, freeze }: Pick<TrainOptions, "seed"> & Partial<Pick<TrainOptions, "freeze">>,
  base: { commit(): void },
  part: (tensor: string, shape: readonly number[]) => Part,
  isNew: (tensor: string) => boolean = () => false,
) {
  const { weights } = model;
  const joined = weightsOf({ ...model, trained: isTrainedLora });
  base.commit();
  weights.checkTargets();
  const names = joined.flatMap(({ sizes }) => Object.keys(sizes)).filter(isTrainedLora);
  const isFrozen = frozenIn(freeze, names);
  const trained = (parameter: string) => isTrainedLora(parameter) && !isFrozen(parameter);
  const store = new ParameterStore(joined, trained);
  fillLora(store, seed);
  for (const tensor of weights.saved.filter((name) => !isNew(name))) {
    const parameter = store.parameter(tensor);
    store.valuesOf(parameter).set(part(tensor, parameter.shape).floats());
  }
  if (lora.use_dora) fillNorms(weights, store, part);
  return { trainee: { ...model, trained }, store, factors: factorsOf(weights, store, lora.use_dora) };
}

/**
 * Chooses the form of the frozen weights. Quantised weights take less memory, but the backward pass dequantises them
 * again in each batch, so `auto` picks float32 if it fits in a quarter of the memory.
 */
export function frozenForm(quant: Quant, { tensors }: Pick<Checkpoint, "tensors">, memory = totalmem()): Quant {
  if (quant !== "auto") return quant;
  const weights = [...tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((all, n) => all * n, 1), 0);
  return 4 * weights <= memory / 4 ? "f32" : "auto";
}

/** For vision models, transformers 4.52 and newer prefix modules with the decoder's name, which older files lack. */
function withNewNames({ modules, ...layout }: Layout, checkpoint: Checkpoint): Layout {
  if (!isOfKind("vision–language model", checkpoint)) return { modules, ...layout };
  const isNew = (module: string) => module.startsWith("model.language_model.");
  return { ...layout, modules: (name) => modules(name).toSorted((a, b) => Number(isNew(b)) - Number(isNew(a))) };
}

function factorsOf({ adapted }: LoraWeights, store: ParameterStore, isDora: boolean): Map<string, LoraFactors> {
  const values = (name: string) => () => store.valuesOf(store.parameter(name));
  return new Map(
    [...adapted].map(([name, sizes]) => {
      const magnitude = isDora ? values(magnitudeName(name)) : undefined;
      return [name, { ...sizes, down: values(sizes.down), up: values(upName(name)), magnitude }];
    }),
  );
}

const trainedIn = ({ adapted, saved }: LoraWeights): string[] => [
  ...adapted.keys(),
  ...saved.map((tensor) => tensor.replace(/\.weight$/, "")),
];

export const savedTensors = ({ saved }: LoraWeights, store: ParameterStore): SavedTensor[] =>
  saved.map((name) => {
    const parameter = store.parameter(name);
    return { name, shape: parameter.shape, values: () => store.valuesOf(parameter) };
  });

/** Initialises DoRA's norms to the frozen rows' norms. */
function fillNorms(
  { adapted }: LoraWeights,
  store: ParameterStore,
  part: (tensor: string, shape: readonly number[]) => Part,
): void {
  for (const [name, { inputs, outputs }] of adapted) {
    const floats = part(`${name}.weight`, [outputs, inputs]).floats();
    const [squares, magnitude] = [squaresName(name), magnitudeName(name)].map((each) =>
      store.valuesOf(store.parameter(each)),
    ) as [Float32Array, Float32Array];
    for (let o = 0; o < outputs; o++) {
      squares[o] = floats.subarray(o * inputs, (o + 1) * inputs).reduce((sum, v) => sum + v * v, 0);
      magnitude[o] = Math.sqrt(squares[o]!);
    }
  }
}

/** Tables with one row per token: the embedding and, if untied, the head. */
const TABLES = ["token_embd", "output"];

const trainedRows = (tables: readonly string[], ids: readonly number[], store: ParameterStore): TrainedRows[] =>
  tables.map((table) => ({ table, ids, values: () => store.valuesOf(store.parameter(rowsName(table))) }));
