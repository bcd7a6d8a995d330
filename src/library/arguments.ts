/** Checks the arguments of the library's calls, since JavaScript callers have no compiler. */
import { z } from "zod";
import { generateOptions } from "../engine/decode/answer/generate.ts";
import { reasoningEffort, templateVariables } from "../engine/decode/channels/options.ts";
import { completionOptions } from "../engine/decode/completion/options.ts";
import type { Format } from "../engine/decode/grammar/index.ts";
import type { Prompt } from "../engine/decode/language-model.ts";
import { toolChoice, toolList } from "../engine/decode/tools/tools.ts";
import type { Reading } from "../engine/encoders/text/classifier.ts";
import type { ProfileOptions } from "../engine/file/profile.ts";
import { imagineOptions } from "../engine/images/imagine/options.ts";
import type { ImageInput } from "../engine/images/pixels/input.ts";
import type { RecognizeRequest } from "../pipelines/recognize/recognize.ts";
import { devices } from "../runtime/device.ts";
import { budget } from "../savings/auto/guarantee.ts";
import { parseRecipe, type Recipe, type Step } from "../savings/recipe.ts";
import { faultOf, jsonOf } from "../util/checked.ts";
import { UserError } from "../util/errors.ts";
import { quants } from "../weights/prepared/quant.ts";
import type { Pace } from "../weights/sources/connection.ts";
import { MODES } from "../weights/tokenizer/index.ts";
import type { Model } from "./model.ts";
import type { LoadOptions, Stoppable } from "./options.ts";
import type { PipelineOptions } from "./pipeline.ts";

/**
 * Parses the argument `what`, such as "load's model", with `schema`.
 * @throws UserError that names the argument, the expected value and the actual value
 */
export function checkArgument<S extends z.ZodType>(what: string, schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, reason } = faultOf(result.error, value, schema);
  throw new UserError(`${[what, ...path].join(".")}: ${reason}`, 2);
}

const call = <F>() => z.custom<F>((f) => typeof f === "function", "expected a function").optional();
const flag = z.boolean("expected true or false").optional();
const signal = z.custom<AbortSignal>((s) => s instanceof AbortSignal, "expected an AbortSignal").optional();

export const text = z.string("expected a text");
export const texts = z.array(text, "expected a list of texts");
const ids = z.array(z.int().min(0));
const imageFile = z.union([z.string(), z.instanceof(Uint8Array)], "expected a path, or bytes");
const image = z.strictObject({ image: imageFile });
export const textsOrImages = z.array(
  z.union([text, ids, image], "expected a text, token ids, or an image"),
  "expected a list of texts or images",
);

const isStep = (s: unknown): s is Step => typeof s === "object" && s !== null && "saving" in s;
const saving = z.union(
  [z.string(), z.custom<Step>(isStep)],
  'expected a saving, such as "xattention:threshold=0.9,stride=16"',
);

const savings = z
  .array(saving, "expected a list of savings")
  .transform((all): Recipe => all.flatMap((each) => (typeof each === "string" ? parseRecipe([each]) : [each])));

const folder = z.string("expected a folder");
export const modelName = z.string("expected an alias, hf:…, pypi:…, npm:… or a path");
export const loadOptions = z.strictObject({
  save: savings.optional(),
  quant: z.enum(quants).optional(),
  device: z.enum(devices).optional(),
  threads: z.int("expected a whole number of at least 1").min(1, "expected a whole number of at least 1").optional(),
  adapter: folder.optional(),
  adapters: z.record(z.string(), folder, "expected folders by name").optional(),
  ...{ offline: flag, refresh: flag, verify: flag, signal },
  onProgress: call<NonNullable<LoadOptions["onProgress"]>>(),
  onNotice: call<NonNullable<LoadOptions["onNotice"]>>(),
  pace: z.custom<Pace>().optional(),
} satisfies Record<keyof LoadOptions, z.ZodType>);

export const pipelineOptions = loadOptions.omit({ save: true, adapter: true, adapters: true }).extend({
  route: z
    .custom<NonNullable<PipelineOptions["route"]>>(
      (it) => typeof it === "object" && it !== null,
      "expected options by name",
    )
    .optional(),
  calibration: z.string("expected a file").optional(),
  onDegraded: call<(why: string) => void>(),
} satisfies Partial<Record<keyof PipelineOptions, z.ZodType>>);

const isJson = (value: unknown): boolean => typeof value === "string" || jsonOf(value) !== undefined;

const isTurn = (turn: unknown): boolean =>
  typeof turn === "object" && turn !== null && "role" in turn && typeof turn.role === "string" && "content" in turn;
const isId = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isPrompt = (value: unknown): value is Prompt =>
  typeof value === "string" || (Array.isArray(value) && (value.every(isId) || (value.every(isTurn) && isJson(value))));
export const prompt = z.custom<Prompt>(
  isPrompt,
  "expected a text, a list of turns { role, content }, or a list of token ids",
);

const stopShape = {
  signal,
  onStopped: call<NonNullable<Stoppable["onStopped"]>>(),
} satisfies Record<keyof Stoppable, z.ZodType>;

export const stoppable = z.strictObject(stopShape);
const isFormat = (value: unknown): boolean =>
  value === "json" ||
  typeof value === "boolean" ||
  (typeof value === "object" && value !== null && !Array.isArray(value));
const format = z.custom<Format>((it) => isFormat(it) && isJson(it), 'expected "json" or a JSON schema').optional();

/** The fields of a request, besides the generation options. */
const requestShape = {
  adapter: z.string("expected the name of an adapter").optional(),
  ...{ raw: flag, format, modelSampling: flag, cachePrompt: flag, deterministic: flag, defaultLength: flag },
  save: savings.optional(),
  suffix: text.optional(),
  infill: flag,
  mode: z.enum(MODES, `expected one of ${MODES.join(", ")}`).optional(),
  promptLogprobs: z.int().min(0).max(20).optional(),
  tools: toolList.optional(),
  toolChoice: toolChoice.optional(),
  parallelToolCalls: flag,
  observe: call<(logits: Float32Array) => void>(),
  images: z.array(imageFile, "expected a list of images").optional(),
  budget: budget.optional(),
  reasoningEffort: reasoningEffort.optional(),
  templateVariables: templateVariables.optional(),
};
/** The maximum number of answer tokens; if 0, only the prompt is read, for its scores. */
const maxTokens = z.int().min(0).default(generateOptions.shape.maxTokens.parse(undefined));
export type RequestOptions = z.output<z.ZodObject<typeof requestShape>>;
/** The options of an answer, without its recipe. */
export type GenerationTerms = z.output<typeof generateOptions> & Omit<RequestOptions, "save">;

const key = z.string("expected a text").optional();
const time = z.number("expected a time").optional();
const turnShape = { key, arrived: time, deadline: time, onBegun: call<() => void>() };
const flops = z.number().positive().optional();
const ceiling = z.strictObject({ flops, tokens: z.int().min(1).optional() }).optional();
export const runOptions = generateOptions.extend({
  maxTokens,
  ...stopShape,
  ...requestShape,
  ...turnShape,
  ceiling,
  audit: flag,
});
/** The settings of an answer that are not part of the request: its limits, key, recipe and callbacks. */
export type AnswerTerms = Pick<
  z.output<typeof runOptions>,
  "key" | "deadline" | "onBegun" | "ceiling" | "signal" | "onStopped" | "save" | "audit"
>;
const place = z.int("expected a whole number of at least 1").min(1, "expected a whole number of at least 1");
export const completeAtOptions = completionOptions.extend({
  ...{ line: place, column: place, save: savings.optional() },
  ...stopShape,
});
export type CompleteAtTerms = z.output<typeof completeAtOptions>;
export const imagineCall = imagineOptions.extend({
  ...stopShape,
  onStep: call<(done: number, all: number) => void>(),
});
const batchRequest = generateOptions.extend({ prompt, maxTokens, ...requestShape });
export const batchRequests = z.array(batchRequest, "expected a list of requests");
export const readOptions = z.strictObject({
  ...stopShape,
  ...turnShape,
  ceiling: z.strictObject({ flops }).optional(),
});
export type ReadTerms = z.output<typeof readOptions>;
const truncate = z.union([z.boolean(), z.int().min(1)], "expected true, false or a number of tokens").optional();
const cutOptions = readOptions.extend({ truncate });
export const embedOptions = cutOptions.extend({ prompt: z.string().min(1, "expected a prompt's name").optional() });
export const relevanceOptions = cutOptions.extend({
  maxTokensPerText: z.int().min(1).optional(),
  save: savings.optional(),
});
export const classifyOptions = readOptions.extend({ labels: texts.optional(), save: savings.optional() });

const reading = z.union(
  [z.string(), z.tuple([z.string(), z.string()]), image],
  "expected a text, a pair of texts, or an image",
);
export const readings: z.ZodType<(Reading | ImageInput)[]> = z.array(
  reading,
  "expected a list of texts, of pairs of texts, or of images",
);

const boxes = z.union(
  [z.literal("auto"), z.array(z.array(z.number()))],
  'expected a list of boxes [left, top, right, bottom], or "auto"',
);
const isImageInput = (it: unknown): boolean => typeof it === "string" || it instanceof Uint8Array;
/** The argument of `recognize`. */
export const recognizeRequest = z.strictObject({
  image: z.custom<string | Uint8Array>(isImageInput, "expected a path, or bytes"),
  boxes,
  labels: z.array(text, "expected a list of labels"),
  options: z.custom<RecognizeRequest["options"]>((it) => typeof it === "object", "expected options by name").optional(),
  ...{ arrived: time, signal },
});
/** An image, boxes in pixels or `auto`, labels, and options. */
export type RecognizeCall = z.input<typeof recognizeRequest>;

const isModel = (value: unknown): value is Model => typeof value === "object" && value !== null && "language" in value;
export const model = z.custom<Model>(isModel, "expected a loaded model");

export const profileOptions: z.ZodType<ProfileOptions> = z.strictObject({
  stride: z.int().min(1),
  blockSize: z.int().min(1),
  coverage: z.number().min(0).max(1),
});
