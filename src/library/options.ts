/** The arguments and results of the library's calls. */
import type { Ceiling } from "../engine/answer/cut.ts";
import type { FinishReason, GenerateInput } from "../engine/answer/generate.ts";
import type { Format } from "../engine/grammar/index.ts";
import type { Prompt } from "../engine/language-model.ts";
import type { Sampled } from "../engine/sampling/sampler.ts";
import type { Tool, ToolChoice } from "../engine/tools/tools.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Recipe } from "../savings/recipe.ts";
import type { Quant } from "../weights/prepared/weights.ts";
import type { ResolveOptions } from "../weights/sources/index.ts";

export interface LoadOptions extends ResolveOptions {
  /** Savings of the calls that name none, each `name` or `name:key=value,…`, in order; none is dense. */
  save?: readonly string[] | Recipe;
  /** `auto` (default, but for a registered recipe that tells its own): weights in the fastest form that is exact; `f32`: dequantised, slow, for comparison with a reference. */
  quant?: Quant;
  /** Threads of the pool that all models of the process share: the first load decides. Default: the cores that the process may use. */
  threads?: number | undefined;
  /** Folder of a PEFT LoRA adapter, for every request: merged into safetensors, kept apart from a GGUF. */
  adapter?: string | undefined;
  /** Folders of PEFT LoRA adapters by names of one's choice, kept apart from the model, for the requests that name one. */
  adapters?: Readonly<Record<string, string>> | undefined;
}

/** Options to stop a call, and to learn what it had spent by then. */
export interface Stoppable {
  /** Stops the run within one step, of an encoder before the next batch of texts; the call then throws the signal's reason, by default an AbortError. */
  signal?: AbortSignal;
  /** Told what a run spent that ended without its receipt: by `signal`, by an error, or since its reader left. Not told where nothing ran. */
  onStopped?: (receipt: Receipt) => void;
}

export interface Saves {
  /** Savings of this call in place of those that the model was loaded with; an empty list is dense. Recipes share the model's weights. */
  save?: readonly string[] | Recipe | undefined;
}

/** The options of an answer besides those of generation. */
export interface AnswerOptions extends Saves {
  /** Which of the model's `adapters` acts; without it, none does. */
  adapter?: string | undefined;
  /** Take a text as it is, without the model's chat template. */
  raw?: boolean;
  /** Draw tokens by the model's own settings, which take the place of this call's (`model.sampling`); a setting that the model does not have stays. */
  modelSampling?: boolean | undefined;
  /** Text that comes after the answer, which fills the place between it and the prompt, a text or ids: of models that have tokens for this. */
  suffix?: string | undefined;
  /** Give the prompt's tokens, too, with their log-probabilities and so many of the likeliest in the place of each, at most 20: all of the prompt runs, nothing of it comes from a cache. */
  promptLogprobs?: number | undefined;
  /**
   * Constrains the answer, token by token: `"json"` for any JSON object, or a JSON schema. The answer parses unless
   * `maxTokens` cut it.
   */
  format?: Format | undefined;
  /** Functions that the model may call, in the form that OpenAI has; calls are texts of the answer, `<tool_call>{"name", "arguments"}</tool_call>`, their arguments held to the function's schema. */
  tools?: readonly Tool[] | undefined;
  /** `auto` (default), `none`, `required`, or the name of one that is to be called; the answer then begins inside the call. */
  toolChoice?: ToolChoice | undefined;
  /** True (the default) if an answer may have several calls; else the first ends it. */
  parallelToolCalls?: boolean | undefined;
  /** Told each token's raw logits before it is chosen; they are valid until it returns. Of models that generate. */
  observe?: ((logits: Float32Array) => void) | undefined;
}

export interface RunOptions extends GenerateInput, Stoppable, AnswerOptions {
  /** Whose request it is, where the model is scheduled: keys have equal shares. */
  key?: string | undefined;
  /** On the clock of `performance.now()`, where the model is scheduled: the answer ends then as it is, or fails with `Refused` where it has not begun. */
  deadline?: number | undefined;
  /** Told when its turn has come, where the model is scheduled. */
  onBegun?: (() => void) | undefined;
  /**
   * The most that the answer may cost, in FLOPs or tokens. Beyond it, the answer ends with the reason `length`, and its
   * receipt says so.
   */
  ceiling?: Ceiling | undefined;
}

export interface ReadOptions extends Stoppable {
  /** Whose call it is: calls of the same moment run in common batches, where keys have equal shares. */
  key?: string | undefined;
  /** On the clock of `performance.now()`: the call then fails with `Refused`. */
  deadline?: number | undefined;
  /** Told when its turn has come. */
  onBegun?: (() => void) | undefined;
  /**
   * The most that the texts may cost by their lengths, in FLOPs, run densely with nothing cached. Beyond it the call
   * fails before anything runs.
   */
  ceiling?: Pick<Ceiling, "flops"> | undefined;
}

export interface RelevanceOptions extends ReadOptions, Saves {
  /** Tokens of each text that are read at most; without it, what the model reads. */
  maxTokensPerText?: number | undefined;
}

export interface ClassifyOptions extends ReadOptions, Saves {
  /** The labels to choose among; else all that the model has. A model that generates has none. */
  labels?: readonly string[];
}

/** One of several prompts that are answered together, with its own options. */
export interface BatchRequest extends GenerateInput, AnswerOptions {
  prompt: Prompt;
}

/** A piece of an answer. The last one has `finishReason` and `receipt`. */
export interface Chunk {
  /** Text that is certain: never half a character, never the beginning of a stop string. */
  text: string;
  /** The tokens sampled since the last chunk, with log-probabilities when asked for. */
  tokens: readonly Sampled[];
  /**
   * In the first chunk, if `promptLogprobs` is set: the prompt's tokens. The first has only its id; an answer cut early
   * has fewer.
   */
  prompt?: readonly Sampled[];
  finishReason?: FinishReason;
  receipt?: Receipt;
}

export interface Completion {
  text: string;
  tokens: Sampled[];
  /** Like a chunk's. */
  prompt?: Sampled[];
  finishReason: FinishReason;
  receipt: Receipt;
}
