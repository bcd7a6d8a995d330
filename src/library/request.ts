import { createHash } from "node:crypto";
import type { z } from "zod";
import type { Stopwatch } from "../engine/bill/stopwatch.ts";
import type { AnswerForm } from "../engine/decode/channels/answer-form.ts";
import type { AnsweredPrompt } from "../engine/decode/channels/form-after.ts";
import { variablesOf } from "../engine/decode/channels/options.ts";
import type { Format, LazyGrammar } from "../engine/decode/grammar/index.ts";
import { isIds, type LanguageModel, type Prompt } from "../engine/decode/language-model.ts";
import { effectiveSampling } from "../engine/decode/sampling/defaults.ts";
import { samplingOptions } from "../engine/decode/sampling/options.ts";
import { type Calling, callingOf, inForm } from "../engine/decode/tools/calling.ts";
import { callFormOf, callTokensOf, toolTemplate } from "../engine/decode/tools/forms/index.ts";
import { blind, encodeWithPlaces, seenPrompt } from "../engine/decode/vision/seen-prompt.ts";
import type { DiffusionModel } from "../engine/diffusion/diffusion-model.ts";
import { mayReuse, type Request } from "../engine/schedule/ticket.ts";
import type { Seq2SeqModel } from "../engine/seq2seq/seq2seq-model.ts";
import type { Turn } from "../savings/auto/guarantee.ts";
import { OptionError, UserError } from "../util/errors.ts";
import {
  type AnswerMarks,
  beforeBegun,
  begunAnswer,
  type PromptForm,
  promptEnd,
  type Tokenizer,
} from "../weights/tokenizer/index.ts";
import type { GenerationTerms, RequestOptions, runOptions } from "./arguments.ts";
import type { Model } from "./model.ts";

/** The options that define the request itself, without those for its execution. */
export function settingsOf(options: z.output<typeof runOptions>): GenerationTerms & Pick<RequestOptions, "save"> {
  const { key, arrived, deadline, onBegun, ceiling, signal, onStopped, ...settings } = options;
  return settings;
}

/**
 * The request to a generative model: token ids, and the constraint on the answer. `time` includes reading the prompt.
 * @throws UserError if the model has no such adapter, or the options conflict
 */
export async function requestOf(
  model: Pick<Model, "generative" | "language" | "checkForm" | "adapterHash">,
  prompt: Prompt,
  { save, ...terms }: GenerationTerms & Pick<RequestOptions, "save">,
  time: Stopwatch,
  signal?: AbortSignal,
): Promise<Request> {
  time.enter("prefill");
  const {
    adapter,
    raw,
    suffix,
    infill,
    mode,
    format,
    tools,
    toolChoice,
    parallelToolCalls,
    modelSampling,
    budget,
    defaultLength,
    images = [],
    reasoningEffort,
    templateVariables,
    ...rest
  } = terms;
  if (prompt.length === 0 && !suffix) throw new UserError("the prompt is empty, expected at least one token");
  model.checkForm(prompt, terms, save);
  const { generative } = model;
  const marks = marksOf(generative, prompt, terms);
  const calls = tools?.length ? callFormOf(generative.tokenizer) : undefined;
  const calling = inForm(
    callingOf({ format, tools, toolChoice, parallelToolCalls }, marks),
    calls,
    toolTemplate(generative.tokenizer),
    { tools, toolChoice },
  );
  if (images.length > 0) checkSeen(generative, terms);
  const { ids, end } = readBy(generative, prompt, terms, calling);
  const begun = begunIn(prompt);
  const form = marks && (await loadedForm(marks, { tokenizer: generative.tokenizer, ids, begun, name: calling.name }));
  if (terms.thinkingTokenBudget !== undefined && !form)
    throw new OptionError(
      "thinkingTokenBudget",
      `is for models that reason in chats; ${generative.source.name} does not`,
    );
  const seen = images.length > 0 ? await seenPrompt(model.language, ids, images, time, signal) : { prompt: ids };
  if (terms.diffusion && generative.kind !== "diffusion language model")
    throw new UserError(`${generative.source.name} does not fill in masked tokens; expected no diffusion options`, 2);
  const filling = infill === true || mode !== undefined;
  const continues =
    generative.kind !== "encoder with a decoder" &&
    (filling || begun !== undefined || generative.formOf(prompt, raw, adapter) !== "chat");
  const grammar = calling.format === undefined ? undefined : await loadedGrammar(calling.format, generative.tokenizer);
  const shown = calls && calling.tools.length > 0 ? callTokensOf(calls, generative.tokenizer) : undefined;
  const engine = adapter === undefined ? undefined : model.language.engineFor(adapter);
  const settings = modelSampling ? generative.sampling?.settings : undefined;
  const options = { ...rest, ...settings, continues, grammar, trigger: calling.trigger, form, shown, end };
  const facts = {
    form: formOf(generative, prompt, terms),
    sampling: effectiveSampling(options),
    constrained: calling.tools.length > 0 || grammar !== undefined || terms.thinkingTokenBudget !== undefined,
    ...{ adapter: adapter ?? model.adapterHash, maxTokens: options.maxTokens, defaultLength, budget },
    cached: (key: string | undefined) =>
      generative.kind === "decoder" && mayReuse(options)
        ? (engine ?? generative.engine).slots.reusable(seen.prompt, key)
        : 0,
    turn: () => turnOf(prompt, time.arrived),
  };
  return { ...seen, options, engine, time, facts };
}

/** The beginning of the answer, if a chat ends with one. */
const begunIn = (prompt: Prompt): string | undefined =>
  Array.isArray(prompt) && !isIds(prompt) ? begunAnswer(prompt) : undefined;

/** The marks that divide the model's answer to a prompt; undefined if all of the answer is text. */
const marksOf = (model: Model["generative"], prompt: Prompt, reading: Reading): AnswerMarks | undefined =>
  model.kind === "decoder" && formOf(model, prompt, reading) === "chat" ? model.marks : undefined;

async function loadedForm(marks: AnswerMarks, prompt: AnsweredPrompt): Promise<AnswerForm> {
  const { formAfter } = await import("../engine/decode/channels/form-after.ts");
  return formAfter(marks, prompt);
}

async function loadedGrammar(format: Format, tokenizer: Tokenizer): Promise<LazyGrammar> {
  const { grammarOf } = await import("../engine/decode/grammar/index.ts");
  return grammarOf(format, tokenizer);
}

/** The request's place in its conversation. The text before an earlier answer identifies the request for it. */
function turnOf(prompt: Prompt, arrived: number): Turn {
  const hash = createHash("sha256");
  const earlier: string[] = [];
  for (const message of typeof prompt === "string" ? [prompt] : prompt) {
    if (typeof message === "object" && message.role === "assistant") earlier.push(hash.copy().digest("base64"));
    hash.update(JSON.stringify(message));
  }
  return { earlier, prompt: hash.digest("base64"), arrived };
}

/** The options that say how a request's prompt is read. */
export interface Reading extends Pick<GenerationTerms, "suffix" | "infill" | "mode" | "adapter"> {
  readonly raw?: boolean | undefined;
}

/** The form in which a request's prompt is read; undefined for ids. */
export function formOf(
  model: Model["generative"],
  prompt: Prompt,
  { raw, suffix, infill, mode, adapter }: Reading,
): PromptForm | undefined {
  if (suffix || infill || mode || model.kind === "encoder with a decoder") return "raw";
  return model.formOf(prompt, raw, adapter);
}

/** @throws UserError if the model reads no images, or an option conflicts with them */
function checkSeen(model: Model["generative"], { suffix, infill, mode, promptLogprobs }: GenerationTerms): void {
  if (model.kind !== "decoder" || !model.vision) throw blind(model.source.name);
  const [wrong] =
    Object.entries({ suffix, infill, mode, promptLogprobs }).find(([, value]) => value !== undefined) ?? [];
  if (wrong !== undefined) throw new UserError(`images: expected no ${wrong} with images`, 2);
}

/** A prompt's ids, and an additional token that ends the answer. */
interface PromptIds {
  readonly ids: number[];
  readonly end?: number | undefined;
}

function readBy(model: Model["generative"], prompt: Prompt, terms: GenerationTerms, calling: Calling): PromptIds {
  switch (model.kind) {
    case "decoder":
      return terms.infill || terms.mode
        ? infillOf(model, prompt, terms)
        : { ids: idsOf(model, prompt, terms, calling) };
    case "encoder with a decoder":
      return { ids: sourceOf(model, prompt, terms) };
    case "diffusion language model":
      return { ids: maskedOf(model, prompt, terms, calling) };
  }
}

function infillOf(
  language: LanguageModel,
  prompt: Prompt,
  { infill, mode, suffix, tools, format }: GenerationTerms,
): PromptIds {
  if (typeof prompt !== "string")
    throw new UserError("`infill` and `mode` need a text, not a chat's turns or token ids", 2);
  if (suffix || tools || format)
    throw new UserError("`infill` and `mode` cannot be combined with `suffix`, `tools` or `format`", 2);
  language.checkText(prompt);
  return language.encodeInfill(prompt, { infill, mode });
}

/** A text-to-text model's source ids. @throws UserError for unsupported options, such as scores of the prompt */
function sourceOf(model: Seq2SeqModel, prompt: Prompt, terms: GenerationTerms): number[] {
  const { suffix, infill, mode, promptLogprobs, maxTokens } = terms;
  if (suffix !== undefined || infill || mode || promptLogprobs !== undefined || maxTokens === 0)
    throw new UserError(
      `${model.source.name} turns one text into another; expected maxTokens of at least 1, and no suffix, infill, mode or promptLogprobs`,
      2,
    );
  return model.encode(prompt);
}

/** A masked model's prompt ids. @throws UserError for options that need tokens in order */
function maskedOf(model: DiffusionModel, prompt: Prompt, terms: GenerationTerms, { format, tools }: Calling): number[] {
  const { suffix, infill, mode, promptLogprobs, logprobs, maxTokens, raw } = terms;
  const one = Object.entries({ suffix, infill, mode, promptLogprobs, logprobs, format }).find(([, value]) => value);
  const extra = tools.length > 0 ? "tools" : one?.[0];
  if (extra !== undefined) throw new UserError(`${model.source.name} fills in masked tokens; expected no ${extra}`, 2);
  if (maxTokens === 0) throw new UserError("maxTokens: expected at least 1 for a model that fills in masked tokens", 2);
  checkDrawing(model, terms);
  return model.encode(prompt, raw);
}

const usual = samplingOptions.parse({});

/** @throws UserError for sampling options other than temperature and seed, which masked models do not support */
function checkDrawing({ source }: DiffusionModel, terms: GenerationTerms): void {
  const penalties = ["repetitionPenalty", "frequencyPenalty", "presencePenalty"] as const;
  const changed = (["topK", "topP", "minP", ...penalties] as const).find((name) => terms[name] !== usual[name]);
  const biased = Object.keys(terms.logitBias).length > 0 ? "logitBias" : undefined;
  const wrong = changed ?? biased;
  if (wrong !== undefined)
    throw new UserError(`${source.name} fills in masked tokens: only temperature and seed apply, not ${wrong}`, 2);
}

function idsOf(
  language: LanguageModel,
  prompt: Prompt,
  { raw, suffix, images = [], adapter, ...terms }: GenerationTerms,
  { tools, begin, isSpecial }: Calling,
): number[] {
  const { tokenizer } = language;
  language.checkText(prompt);
  if (suffix) language.checkText(suffix);
  const ids = suffix
    ? language.encodeAround(prompt, suffix)
    : encodeWithPlaces(language, prompt, images.length, { raw, tools, adapter, variables: variablesOf(terms) });
  if (language.marks === "harmony") return [...ids, ...tokenizer.encode(begin, { special: true })];
  const between = beforeBegun(language.marks, promptEnd(tokenizer, ids), begin);
  return [
    ...ids,
    ...tokenizer.encode(between, { special: true }),
    ...tokenizer.encode(begin, { special: isSpecial ?? false }),
  ];
}
