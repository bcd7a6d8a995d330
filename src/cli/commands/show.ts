import type { Command } from "commander";
import { describeModel, type ModelDescription } from "../../engine/file/describe.ts";
import { savings } from "../../savings/registry.ts";
import { rotatedLoss, tuningOf } from "../../weights/prepared/tuning.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { preparedFolder, resolveModel } from "../../weights/sources/index.ts";
import { flagOf } from "../errors.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples, MODEL } from "../help.ts";
import { stoppable } from "../interrupt.ts";
import { columns, megabytes, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { codesText, rotatedText } from "../tunings.ts";

export function define(command: Command): void {
  command.argument("<model>", MODEL).option("--json", "print one JSON object");
  addFlags(command, quantOptions).action(show);
  examples(command, "modicum show smollm2", "modicum show smollm2 --quant q4 --json");
}

async function show(name: string, { json = false, ...options }: { json?: boolean; quant?: string }): Promise<void> {
  const { quant } = readFlags(quantOptions, options);
  using download = showDownload(name);
  const source = await stoppable((signal) => resolveModel(name, { signal, ...download }));
  const model = await describeModel(source, quant);
  const tuning = tuningOf(preparedFolder(model.path));
  const loss = rotatedLoss(source);
  const rotated = quant === "auto" && tuning?.rotated && loss !== undefined ? { ...tuning.rotated, loss } : undefined;
  if (json) return printJson({ ...model, ...(tuning && { tuning: { ...tuning, ...(rotated && { rotated }) } }) });
  const form = rotated ? rotatedText(rotated, rotated.loss) : quant === "q8r" ? NAMED : undefined;
  const codes = tuning?.bits !== undefined && model.form.codes ? [["codes", codesText(tuning)]] : [];
  print(...columns([...rows(model, form), ...codes]));
}

/** Describes the weight form that the user named. */
const NAMED =
  "q8r, as --quant says: the layers and their inputs in rotated bytes; the token table and the head in the default form";

const grouped = (n: number): string => n.toLocaleString("en");
const percent = (share: number): string => `${(100 * share).toPrecision(2)} %`;
const scientific = (n: number): string => n.toExponential(2).replace("e+", "e");

/** Describes the tensors of one type: their form in memory, its error, and their sizes in memory and in the file. */
const holding = ({ tensors, type, form, error, bytes, stored }: ModelDescription["tensors"][number]): string =>
  `${tensors} ${type} as ${form}${error === undefined ? "" : `, off by ${percent(error)}`}: ${megabytes(bytes)}, from ${megabytes(stored)} in the file`;

/** A note if matrix products with quantised blocks also round activations. */
const activations = ({ tensors }: ModelDescription): [string, string][] =>
  tensors.some(({ form }) => form !== "float32")
    ? [["", "inputs of quantised products are also rounded to 8 bits"]]
    : [];

const layers = ({ layers, hidden, encoderLayers }: ModelDescription["config"]): string =>
  encoderLayers === undefined
    ? `${layers} of width ${hidden}`
    : `${encoderLayers} in the encoder, ${layers} in the decoder, of width ${hidden}`;

function memory({ memory, cache, machine }: ModelDescription["bytes"]): string {
  const more = memory > machine ? `, more than this machine's ${megabytes(machine)}` : "";
  return `${megabytes(memory)}${more}${cache > 0 ? `, and up to ${megabytes(cache)} of cache for each sequence` : ""}`;
}

const attention = ({ heads, headSize, kvHeads }: ModelDescription["config"]): string =>
  heads === 0
    ? "none: every layer keeps a state of fixed size"
    : `${heads} heads of ${headSize}${kvHeads === heads ? "" : `, ${kvHeads} of them with keys and values`}`;

/** The purpose of a model. */
function purpose({ embedding, compared, labels }: ModelDescription): [string, string][] {
  if (labels) return [["labels", labels.join(", ")]];
  if (compared) {
    const { width, query, document } = compared;
    const queries = `queries are ${query.expanded ? "filled up to" : "cut at"} ${query.tokens} tokens`;
    return [["compares", `token by token, ${width} dimensions each; ${queries}, documents cut at ${document.tokens}`]];
  }
  if (!embedding) return [];
  const { pooling, normalise, limit } = embedding;
  const vector = { mean: "the mean of the tokens", cls: "the first token", last: "the last token" }[pooling];
  const cut = limit === undefined ? "" : `; texts are cut at ${grouped(limit)} tokens`;
  return [["embeddings", `${vector}${normalise ? ", of length 1" : ""}${cut}`]];
}

/** A recurrent model's Lyapunov exponent at rest, that is, with step sizes independent of the input. */
function stability({ stability }: ModelDescription): [string, string][] {
  if (!stability) return [];
  const { lambdaMax, memory } = stability;
  const forgets =
    memory === null ? "a channel never forgets" : `its slowest channel forgets in ${memory.toFixed(0)} tokens`;
  return [["stability", `λ max ${lambdaMax.toPrecision(3)} nats per token at rest (Δ = softplus(bias)): ${forgets}`]];
}

/** The lines about sampling settings. */
function sampling({ sampling }: ModelDescription): [string, string][] {
  if (!sampling) return [];
  const settings = Object.entries(sampling.settings).map(([option, value]) => `${flagOf(option).slice(2)} ${value}`);
  return [["sampling", `${settings.join(", ")}; by ${sampling.from}`]];
}

const tokenizer = ({ noTokenizer }: ModelDescription): [string, string][] =>
  noTokenizer === undefined ? [] : [["tokenizer", `missing: ${noTokenizer}, without which the model reads no text`]];

/** The image part of a model, and the cost of one image. */
function images({ image, flopsPerImage, textAlone }: ModelDescription): [string, string][] {
  if (textAlone) return [["images", "not read: only the model's text part is loaded"]];
  if (!image || flopsPerImage === undefined) return [];
  const { layers, hidden, imageSize, patchSize, tokens, of } = image;
  const sizes = `${of ? { tile: "tiles of ", example: "any size, such as " }[of] : ""}${imageSize} × ${imageSize}`;
  return [
    ["images", `${sizes} pixels in patches of ${patchSize} × ${patchSize}: ${tokens} tokens`],
    [
      "",
      `${layers} layers of width ${hidden}; ${scientific(flopsPerImage)} dense FLOPs ${of === "tile" ? "a tile" : "an image"}`,
    ],
  ];
}

/** A generator's images, and the cost of a step. */
function drawings({ drawn, flopsPerImage = 0 }: ModelDescription): [string, string][] {
  if (!drawn) return [];
  const { imageSize, channels, steps } = drawn;
  return [
    ["draws", `${imageSize} × ${imageSize} pixels of ${channels} channels, trained on ${steps} steps of noise`],
    ["dense FLOPs", `${scientific(flopsPerImage)} per step and image`],
  ];
}

/** The line about savings that need a trained file. */
function withFiles(names: readonly string[]): [string, string][] {
  const trained = savings.filter(({ name, files }) => names.includes(name) && files?.includes("file"));
  return trained.length === 0 ? [] : [["", `${trained.map(({ name }) => name).join(", ")}: with a trained file`]];
}

/** The FLOPs per token, which grow with the text's length if texts are read as a whole. */
function flops({ kind, flopsPerToken, sourceFlopsPerToken }: ModelDescription): [string, string][] {
  const whole = kind === "encoder" || kind === "encoder of images and texts";
  const costs = ({ empty, full }: ModelDescription["flopsPerToken"], what: string) =>
    `${scientific(empty)} a token${what}, ${scientific(full)} at full context`;
  if (!sourceFlopsPerToken) return [["dense FLOPs", costs(flopsPerToken, whole ? " in a text of one token" : "")]];
  return [
    ["dense FLOPs", costs(sourceFlopsPerToken, " read")],
    ["", costs(flopsPerToken, " written")],
  ];
}

const parameters = ({
  parameters: all,
  activeParameters: active,
}: Pick<ModelDescription, "parameters" | "activeParameters">) =>
  active === undefined ? grouped(all) : `${grouped(all)}, of which each token uses ${grouped(active)}`;

/** `form`: the layers' weight form and why it was chosen, if there was a choice. */
const rows = ({ config, bytes, ...model }: ModelDescription, form: string | undefined): [string, string][] => [
  ["name", model.name],
  ["file", model.path],
  ["source", model.source],
  ["architecture", `${model.architecture}, ${/^[aeio]/.test(model.kind) ? "an" : "a"} ${model.kind}`],
  ["layers", layers(config)],
  ["attention", model.drawn && config.heads === 0 ? "none" : attention(config)],
  ...(config.vocabulary === 0
    ? []
    : ([
        ["vocabulary", grouped(config.vocabulary)],
        ["context", `${grouped(config.context)} tokens`],
      ] satisfies [string, string][])),
  ["parameters", parameters(model)],
  ["on disk", megabytes(bytes.disk)],
  ["in memory", memory(bytes)],
  ...(form === undefined ? [] : ([["form", form]] satisfies [string, string][])),
  ...model.tensors.map((held, i): [string, string] => [i === 0 ? "tensors" : "", holding(held)]),
  ...activations({ config, bytes, ...model }),
  ...drawings({ config, bytes, ...model }),
  ...(config.vocabulary === 0 || model.drawn ? [] : flops({ config, bytes, ...model })),
  ...tokenizer({ config, bytes, ...model }),
  ...images({ config, bytes, ...model }),
  ...purpose({ config, bytes, ...model }),
  ...sampling({ config, bytes, ...model }),
  ...stability({ config, bytes, ...model }),
  ["seams", model.seams.join(", ") || "none"],
  ["savings", model.savings.join(", ") || "none"],
  ...withFiles(model.savings),
  ...Object.entries(model.unsupported).map(([name, why]): [string, string] => ["", `not ${name}: it has ${why}`]),
];
