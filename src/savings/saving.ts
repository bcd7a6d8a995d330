import type { z } from "zod";
import type { Decoder } from "../models/decoder/decoder.ts";
import type { ModelForm } from "../weights/prepared/quant.ts";
import type { PromptForm } from "../weights/tokenizer/index.ts";
import type { Calibration } from "./calibration.ts";
import type { LayerMask } from "./masks.ts";
import type { PlanPart, PlanRequest } from "./plan.ts";
import type { SavingHost, Seam } from "./seams.ts";

type SavingGroup =
  | "tokens"
  | "attention"
  | "depth"
  | "experts"
  | "precision"
  | "routing"
  | "output"
  | "knowledge"
  | "training";

/** One way to spend less inside a model: typed options, and the code at the model's seams. */
export interface Saving<O = unknown> {
  readonly name: string;
  readonly group: SavingGroup;
  readonly summary: string;
  readonly needs: readonly Seam[];
  readonly options: z.ZodType<O>;
  /**
   * Its defaults are no choice that suits every model: its name alone means the preset that ships for the model, and is
   * refused with this sentence if there is none. Absent: the defaults act in every model that it serves.
   */
  readonly withoutPreset?: string;
  /** The option that sets the shortest prompt on which it acts, and its tokens; absent: it acts on all. */
  readonly leastPrompt?: { readonly option: string; tokens(options: O): number };
  /** Why a model, its weights in a form that may be unknown, cannot be served though it has the seams ("a sliding window"); undefined: it can. */
  unsupported(decoder: Decoder, form?: ModelForm): string | undefined;
  /**
   * The sentence for a model whose weights, in this form, do already what it would do; undefined: they do not. There it is
   * `unsupported` for whoever looks for savings; a recipe that has it runs as without it.
   */
  idle?(form: ModelForm | undefined): string | undefined;
  /** True if it acts on models whose positions have a time, a height and a width. */
  readonly servesAxes?: boolean;
  /** The saving's calibration; its options name the resulting file. Absent: it needs none. */
  readonly calibration?: Calibration | undefined;
  /** Options that name a file of this machine, which a request from outside may not. */
  readonly files?: readonly string[];
  /**
   * The seams that it takes under these options, such as "the attention" or "the exits of an answer": no
   * two savings may take the same one.
   */
  seams(options: O): readonly string[];
  /** Checks options against a model before anything is loaded. @throws UserError */
  check(options: O, host: SavingHost): Promise<void>;
  /**
   * Options for `lab tune` to try in a model of so many layers, from mild to bold, without the saving's name; absent: it is
   * tried only if somebody names it, and `untuned` says why.
   */
  settings?(layers: number): readonly string[];
  readonly untuned?: string;
  /**
   * Prepares the saving, once for a model and options; undefined if the options are neutral, so that the request runs
   * dense.
   * @throws UserError like `check`
   */
  prepare(options: O, host: SavingHost): Promise<PreparedSaving | undefined>;
  /** The form of the prompts on which a risk among the options is certified; absent, or undefined: it certifies nothing. */
  certifiedOn?(options: O): PromptForm | undefined;
  /**
   * The saving in training, one mask a layer; absent: no model is trained with it.
   * @throws UserError if the model cannot be trained so
   */
  masks?(options: O, decoder: Decoder): readonly LayerMask[];
}

/** A saving ready to act in one model, for any number of requests. */
export interface PreparedSaving extends Disposable {
  /** The recipes that it chooses among, if it does: each one's programs are compiled. */
  readonly variants?: readonly (readonly PreparedSaving[])[];
  /** False once a file that it was prepared from has changed: it is then prepared again. Absent: it never is. */
  current?(): boolean;
  /** The saving's part of a request's plan; undefined if it does not act on this request. */
  plan(request: PlanRequest): PlanPart | undefined;
}
