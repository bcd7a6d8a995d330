/** The arguments and results of the library's calls. */
import type { z } from "zod";
import type { Ceiling } from "../engine/decode/answer/cut.ts";
import type { FinishReason, GenerateInput } from "../engine/decode/answer/generate.ts";
import type { reasoningEffort } from "../engine/decode/channels/options.ts";
import type { completionOptions } from "../engine/decode/completion/options.ts";
import type { Place } from "../engine/decode/completion/place.ts";
import type { Format } from "../engine/decode/grammar/index.ts";
import type { Prompt } from "../engine/decode/language-model.ts";
import type { Sampled } from "../engine/decode/sampling/sampler.ts";
import type { Tool, ToolChoice } from "../engine/decode/tools/tools.ts";
import type { ImagineInput } from "../engine/images/imagine/options.ts";
import type { Truncate } from "../engine/truncate.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Device } from "../runtime/device.ts";
import type { Budget } from "../savings/auto/guarantee.ts";
import type { Recipe } from "../savings/recipe.ts";
import type { Quant } from "../weights/prepared/weights.ts";
import type { ResolveOptions } from "../weights/sources/index.ts";
import type { Json, Mode } from "../weights/tokenizer/index.ts";

export interface LoadOptions extends ResolveOptions {
  /** The default savings of calls, in order, each `name` or `name:key=value,…`; an empty list means dense. */
  save?: readonly string[] | Recipe;
  /**
   * `auto` (the default, unless a registered recipe sets it): weights in the fastest form of their type; `f32`:
   * dequantised, slow, for comparison with a reference; `q8`, `q4`: floats rounded to 8 or 4 bits; `q8r`: a decoder's
   * layers in rotated bytes.
   */
  quant?: Quant;
  /** The device of a decoder's layers: `cpu`, or `webgpu`, whose results differ in the last digits. Default: `cpu`. */
  device?: Device | undefined;
  /** Threads of the pool that all models of the process share, set by the first load. Default: the cores that the process may use. */
  threads?: number | undefined;
  /** Folder of a PEFT LoRA adapter, for every request: merged into safetensors, kept separate from a GGUF. */
  adapter?: string | undefined;
  /** Folders of PEFT LoRA adapters by chosen names, kept separate from the model, for requests that name one. */
  adapters?: Readonly<Record<string, string>> | undefined;
}

/** Options to stop a call, and to receive its cost so far. */
export interface Stoppable {
  /**
   * Stops the run within one step, or, for an encoder, before the next batch of texts; the call then throws the
   * signal's reason, by default an AbortError.
   */
  signal?: AbortSignal;
  /**
   * Called with the receipt of a run that did not finish, because of `signal`, an error, or a reader that left. Not
   * called if nothing ran.
   */
  onStopped?: (receipt: Receipt) => void;
}

interface Saves {
  /**
   * Savings of this call, replacing the savings that the model was loaded with; an empty list is dense. Recipes share
   * the model's weights.
   */
  save?: readonly string[] | Recipe | undefined;
}

/** The options of an answer besides its generation options. */
interface AnswerOptions extends Saves {
  /** One of the model's `adapters`; by default none. */
  adapter?: string | undefined;
  /**
   * The maximum cost of the answer, under `auto:NAME`: selects the certified recipe with the least loss whose price
   * fits, else the cheapest. The receipt says whether the cost stayed within it.
   */
  budget?: Budget | undefined;
  /** If true, `maxTokens` is only a default, and with `auto:NAME` the certificate's limit applies if it is lower. */
  defaultLength?: boolean | undefined;
  /**
   * Images, each a file's path or its bytes, for models that read them. They precede a text; in a chat, they fill the
   * parts `{ type: "image" }`, or begin the last user turn if there are no such parts.
   */
  images?: readonly (string | Uint8Array)[] | undefined;
  /**
   * If true, a text is used unchanged, without the model's chat template; if false, it becomes one user turn. By
   * default, as in the adapter's training, if known; else it becomes one user turn for a chat model.
   */
  raw?: boolean | undefined;
  /**
   * Samples with the model's own settings (`model.sampling`). This call's settings apply only if the model does not
   * define them.
   */
  modelSampling?: boolean | undefined;
  /** The text after the gap that the answer fills; the prompt precedes the gap. For models with fill-in tokens. */
  suffix?: string | undefined;
  /**
   * True if the prompt is a text with the blanks `<extra_id_0>`, `<extra_id_1>` …: the answer has the blanks' contents
   * in order, each after its blank's name, except the first. For models trained to fill blanks; see `Model.infill`.
   */
  infill?: boolean | undefined;
  /** Puts a mode token before a text, which is otherwise used unchanged: for models trained with UL2R. */
  mode?: Mode | undefined;
  /**
   * Also returns the prompt's tokens, each with its log-probability and this many of the likeliest tokens, at most 20.
   * The whole prompt then runs; nothing comes from a cache.
   */
  promptLogprobs?: number | undefined;
  /** If false, the whole prompt runs, and nothing comes from a cache. */
  cachePrompt?: boolean | undefined;
  /**
   * If true, a request gives the same tokens and log-probabilities alone or in a batch, whatever the cache holds. Only
   * whole chunks of earlier prompts are reused.
   */
  deterministic?: boolean | undefined;
  /**
   * Constrains the answer, token by token: `"json"` for any JSON object, or a JSON schema. The answer parses unless
   * `maxTokens` cuts it off.
   */
  format?: Format | undefined;
  /**
   * Functions that the model may call, in OpenAI's format. The answer's `toolCalls` are its calls, `content` is its
   * text without them; in `text` they remain as the model writes them, `<tool_call>{"name", "arguments"}</tool_call>`.
   */
  tools?: readonly Tool[] | undefined;
  /**
   * `auto` (default), `none`, `required`, or the name of the function to call; the answer then begins inside the call.
   */
  toolChoice?: ToolChoice | undefined;
  /** True (the default) if an answer may have several calls; otherwise, the first call ends it. */
  parallelToolCalls?: boolean | undefined;
  /**
   * The amount of reasoning, as the model's chat template supports it: gpt-oss's `reasoning_effort`; for Qwen3 and
   * others, `none` turns reasoning off, and any other word turns it on.
   */
  reasoningEffort?: z.output<typeof reasoningEffort> | undefined;
  /** Further variables of the chat template, such as `{ enable_thinking: false }`. */
  templateVariables?: Readonly<Record<string, Json>> | undefined;
  /** Called with the raw logits before each token is chosen; do not keep the array. For models that generate. */
  observe?: ((logits: Float32Array) => void) | undefined;
}

export interface RunOptions extends GenerateInput, Stoppable, AnswerOptions {
  /** The request's owner, if the model is scheduled; owners share the model equally. */
  key?: string | undefined;
  /** The time of the request's arrival, as in `performance.now()`; by default, the time of the call. */
  arrived?: number | undefined;
  /**
   * A deadline, as in `performance.now()`, if the model is scheduled. The answer ends early, or fails with `Refused` if
   * it has not begun.
   */
  deadline?: number | undefined;
  /** Called when the scheduler starts this request, if the model has a scheduler. */
  onBegun?: (() => void) | undefined;
  /** If false, the answer is never audited (`Model.audit`). */
  audit?: boolean | undefined;
  /**
   * The maximum cost of the answer, in FLOPs or tokens. Beyond it, the answer ends with the reason `length`, and its
   * receipt says so.
   */
  ceiling?: Ceiling | undefined;
}

export interface ReadOptions extends Stoppable {
  /** The call's owner: simultaneous calls run in shared batches, divided equally among owners. */
  key?: string | undefined;
  /** The time of the request's arrival, as in `performance.now()`; by default, the time of the call. */
  arrived?: number | undefined;
  /** A deadline, as in `performance.now()`, after which the call fails with `Refused`. */
  deadline?: number | undefined;
  /** Called when the call starts to run. */
  onBegun?: (() => void) | undefined;
  /**
   * The maximum FLOPs of the texts, estimated from their lengths, dense and without a cache. Beyond it, the call fails
   * before anything runs.
   */
  ceiling?: Pick<Ceiling, "flops"> | undefined;
}

interface CutOptions extends ReadOptions {
  /**
   * If true (the default), texts longer than the model's limit are cut at their ends; if a number, all texts are cut
   * to at most that many tokens; if false, texts over the limit are refused.
   */
  truncate?: Truncate | undefined;
}

export interface EmbedOptions extends CutOptions {
  /** The name of the model's prompt to put before each text, such as `query`; by default the model's default prompt. */
  prompt?: string | undefined;
}

export interface RelevanceOptions extends CutOptions, Saves {
  /** Maximum tokens read from each text; by default the model's limit. */
  maxTokensPerText?: number | undefined;
}

export interface ClassifyOptions extends ReadOptions, Saves {
  /** The labels to choose among; by default all of the model's. A generative model has no labels of its own. */
  labels?: readonly string[];
}

/** One of several prompts that are answered together, with its own options. */
export interface BatchRequest extends GenerateInput, AnswerOptions {
  prompt: Prompt;
}

/** A call of one of the request's `tools`, which fits the tool's schema; the JSON format is that of a turn. */
export type ToolCall = { readonly name: string; readonly arguments: { readonly [name: string]: Json } };

/** The text and calls of an answer that may call tools. */
export interface Called {
  /** The answer's text without the calls. */
  content?: string;
  toolCalls?: readonly ToolCall[];
}

/** A piece of an answer. The last piece has `finishReason`, `receipt` and, if there are tools, the calls. */
export interface Chunk extends Called {
  /** Final text: never half a character, never the beginning of a stop string. */
  text: string;
  /** Reasoning before the text, for models whose chat template marks it. */
  reasoning?: string;
  /** In the last chunk, if the model marks reasoning: the number of reasoning tokens. */
  reasoningTokens?: number;
  /** The tokens sampled since the last chunk, with log-probabilities if requested. */
  tokens: readonly Sampled[];
  /**
   * In the first chunk, if `promptLogprobs` is set: the prompt's tokens. The first token has only its id. If the answer
   * was stopped early, the last tokens are missing.
   */
  prompt?: readonly Sampled[];
  finishReason?: FinishReason;
  receipt?: Receipt;
}

export interface Completion extends Called {
  /** The model's text, including calls, without the reasoning. */
  text: string;
  /** Reasoning before the text, for models whose chat template marks it. */
  reasoning?: string;
  /** The number of reasoning tokens, if the model marks reasoning. */
  reasoningTokens?: number;
  tokens: Sampled[];
  /** The prompt's tokens, as in a chunk. */
  prompt?: Sampled[];
  finishReason: FinishReason;
  receipt: Receipt;
}

/** A request to draw, and its callbacks. */
export interface ImagineOptions extends ImagineInput, Stoppable {
  /** Called after each step, with the number of steps completed for all images, and the total. */
  onStep?: ((done: number, all: number) => void) | undefined;
}

/** A place in a text to complete, and the options of the completion. */
export interface CompleteAtOptions extends Place, z.input<typeof completionOptions>, Stoppable, Saves {}

/** Text to insert at a place in a text. `receipt` also counts generated tokens cut off after the text's end. */
export interface CodeCompletion {
  text: string;
  /** True if a saving ended the completion before a token that it judged wrong. */
  stopped: boolean;
  finishReason: FinishReason;
  receipt: Receipt;
}

/** A text with filled blanks. `text` is the whole text, `blanks` the inserted parts, `tokens` the answer's tokens. */
export interface Infilled extends Completion {
  blanks: readonly string[];
}
