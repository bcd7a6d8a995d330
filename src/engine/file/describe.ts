import { statSync } from "node:fs";
import path from "node:path";
import { graphCost } from "../../graph/index.ts";
import { countParameters } from "../../models/decoder/count-parameters.ts";
import { type Decoder, type DecoderConfig, layersOf } from "../../models/decoder/decoder.ts";
import { decoderArchitecture, readsTextAlone } from "../../models/registry.ts";
import { restExponents } from "../../nn/rest-exponents.ts";
import { savings } from "../../savings/registry.ts";
import type { Seam } from "../../savings/seams.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import { memoryLimit } from "../../weights/prepared/memory.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { ModelForm } from "../../weights/prepared/quant.ts";
import { formHere, quantHere } from "../../weights/prepared/tuning.ts";
import type { Holding, Quant, Weights } from "../../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import { missingTokenizer } from "../../weights/tokenizer/folder.ts";
import { type ModelSampling, samplingOf } from "../decode/sampling/defaults.ts";
import { judged, type KindName, kindOf } from "../kinds/index.ts";
import type { Flops, KindFacts } from "./described.ts";

/** A model's parts and costs, without compiling it. */
export interface ModelDescription
  extends Pick<KindFacts, "config" | "image" | "drawn" | "embedding" | "compared" | "labels"> {
  kind: KindName;
  name: string;
  path: string;
  source: string;
  architecture: string;
  parameters: number;
  /** The number of parameters that a token's computation reads, if the model has experts. */
  activeParameters?: number;
  /**
   * Sizes in bytes. `disk`: the files; `memory`: the weights mapped by the runtime; `cache`: keys and values of one
   * sequence at full context; `machine`: this machine's memory.
   */
  bytes: { disk: number; memory: number; cache: number; machine: number };
  /** True if the checkpoint's image encoder is not used. */
  textAlone?: true;
  /** The expected path of the model's tokenizer file, if the file is missing. */
  noTokenizer?: string;
  /** The sampling settings that the model's authors published, if any; absent if the model does not generate. */
  sampling?: ModelSampling;
  /** For each storage type: the form in which its tensors run, their memory, and the error against the file. */
  tensors: Holding[];
  /** The form of all tensors together. */
  form: ModelForm;
  /** Dense FLOPs of one token (of one generated token, for an encoder–decoder); a multiply-add counts as 2. */
  flopsPerToken: Flops;
  /** FLOPs of a source token, for an encoder–decoder. */
  sourceFlopsPerToken?: Flops;
  /** FLOPs per image, if the model reads images; per image and step, if it draws images. */
  flopsPerImage?: number;
  /** The stability at rest, for a recurrent model. */
  stability?: RestStability;
  seams: readonly Seam[];
  /** Savings that the model supports; a run makes the same checks. */
  savings: string[];
  /** Savings that the model does not support although it has their seams, each with the reason. */
  unsupported: Record<string, string>;
}

/**
 * Describes a model's file, mostly from its header, whether it fits in memory or not.
 * @throws UserError if it is not a supported model
 */
export async function describeModel(model: ResolvedModel, requested: Quant = "auto"): Promise<ModelDescription> {
  const quant = quantHere(model, requested);
  const checkpoint = await judged(() => openCheckpoint(model.path));
  const kind = await kindOf(checkpoint);
  const { describe } = await kind.load();
  const folder = preparedFolder(model.path);
  const { config, weights, cache, seams, decoder, ...described } = await describe(checkpoint, folder, quant);
  const form = formHere(model, checkpoint, quant);
  const { traced, holdings, bytes: memory } = weights.survey(described.trace);
  const costs = traced.map((graph) => graphCost(graph));
  const { embedding, compared, image, drawn, labels } = described;
  const active = decoder?.config.experts && (await activeParameters(checkpoint, weights));
  const stability = decoder && (await restStability(checkpoint, decoder.config));
  const noTokenizer = readsTexts(kind.name) ? tokenizerMissing(checkpoint) : undefined;
  const sampling = generates(kind.name) ? samplingOf(checkpoint.config, model.sha256) : undefined;
  return {
    ...{ name: model.name, path: model.path, source: model.source },
    ...{ architecture: checkpoint.architecture, kind: kind.name, config },
    parameters: [...checkpoint.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    ...(active !== undefined && { activeParameters: active }),
    bytes: { disk: diskBytes(checkpoint), memory, cache, machine: memoryLimit() },
    ...{ tensors: holdings, form },
    ...described.flops(costs),
    ...(image && { image }),
    ...(kind.name === "decoder" && !image && (await readsTextAlone(checkpoint)) && { textAlone: true as const }),
    ...(noTokenizer !== undefined && { noTokenizer }),
    ...(drawn && { drawn }),
    ...(embedding && { embedding }),
    ...(compared && { compared }),
    ...(labels && { labels }),
    ...(sampling && { sampling }),
    ...(stability && { stability }),
    seams,
    ...weights.imagined(() => servedBy(seams, form, image !== undefined, decoder)),
  };
}

function generates(kind: KindName): boolean {
  switch (kind) {
    case "decoder":
    case "diffusion language model":
    case "encoder with a decoder":
      return true;
    case "encoder":
    case "encoder of images and texts":
    case "image encoder":
    case "image generator":
      return false;
  }
}

function readsTexts(kind: KindName): boolean {
  switch (kind) {
    case "decoder":
    case "diffusion language model":
    case "encoder":
    case "encoder with a decoder":
    case "encoder of images and texts":
      return true;
    case "image encoder":
    case "image generator":
      return false;
  }
}

/** A GGUF contains its tokenizer. */
const tokenizerMissing = ({ config }: Checkpoint): string | undefined =>
  config.kind === "huggingface" ? missingTokenizer(path.dirname(config.path)) : undefined;

const activeParameters = async (checkpoint: Checkpoint, weights: Pick<Weights, "has">): Promise<number> =>
  countParameters(await decoderArchitecture(checkpoint), checkpoint.config, (name) => weights.has(name)).active;

function servedBy(
  seams: readonly Seam[],
  form: ModelForm,
  seesImages: boolean,
  decoder?: Decoder,
): Pick<ModelDescription, "savings" | "unsupported"> {
  const seated = savings.filter(({ needs }) => needs.every((need) => seams.includes(need)));
  const reasons = Object.fromEntries(
    seated.flatMap(({ name, unsupported, servesAxes, visual }) => {
      const axes = decoder?.config.axes && !servesAxes ? "positions on three axes" : undefined;
      const blind = visual && !seesImages ? "no image encoder" : undefined;
      const why = axes ?? (decoder && unsupported(decoder, form)) ?? blind;
      return why === undefined ? [] : [[name, why]];
    }),
  );
  return {
    savings: seated.map(({ name }) => name).filter((name) => !Object.hasOwn(reasons, name)),
    unsupported: reasons,
  };
}

/** The total size of the model's files, in bytes. */
const diskBytes = ({ files }: Checkpoint): number => files.reduce((sum, file) => sum + statSync(file).size, 0);

/** A recurrent model's stability, from its weights alone. */
interface RestStability {
  /** The largest Lyapunov exponent of the layers' states at rest, in nats per token. */
  readonly lambdaMax: number;
  /** The number of tokens after which the channel with that exponent keeps only 1/e of its state; null if it never forgets. */
  readonly memory: number | null;
}

/**
 * Stability of the recurrent layers, at the steps that do not depend on the input: Δ = softplus(bias). Undefined for a
 * model without state spaces.
 */
async function restStability(checkpoint: Checkpoint, config: DecoderConfig): Promise<RestStability | undefined> {
  const recurrent = layersOf(config, "recurrent");
  const names = (await decoderArchitecture(checkpoint)).tensors(checkpoint);
  const part = (name: string) => new Part(checkpoint, names, name);
  // A GGUF stores A itself; safetensors store the logarithm of −A.
  const stored = checkpoint.config.kind === "gguf" ? "ssm_a" : "ssm_a_log";
  if (recurrent.length === 0 || !part(`blk.${recurrent[0]}.${stored}`).exists) return undefined;
  const layers = recurrent.map((l) => {
    const values = part(`blk.${l}.${stored}`).floats();
    const rates = stored === "ssm_a" ? values : values.map((logarithm) => -Math.exp(logarithm));
    return restExponents(rates, part(`blk.${l}.ssm_dt.bias`).floats()).reduce((a, b) => Math.max(a, b));
  });
  const lambdaMax = Math.max(...layers);
  return { lambdaMax, memory: lambdaMax < 0 ? -1 / lambdaMax : null };
}
