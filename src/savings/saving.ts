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

/** A method that saves compute inside a model: typed options, and code for some of the model's seams. */
export interface Saving<O = unknown> {
  readonly name: string;
  readonly group: SavingGroup;
  readonly summary: string;
  readonly needs: readonly Seam[];
  readonly options: z.ZodType<O>;
  /**
   * If present, no defaults suit every model: the bare name means the preset for the model, and this message is shown
   * for models without a preset. If absent, the defaults work for every supported model.
   */
  readonly withoutPreset?: string;
  /** The option that sets the minimum prompt length, and its value in tokens; absent if all prompts count. */
  readonly leastPrompt?: { readonly option: string; tokens(options: O): number };
  /**
   * The reason a model is unsupported ("a sliding window"); undefined if the model is supported. The form of its
   * weights may be unknown.
   */
  unsupported(decoder: Decoder, form?: ModelForm): string | undefined;
  /**
   * A notice if weights in this form already have the saving's effect, else undefined. Listings then show the saving as
   * unsupported, and a recipe runs as if it were left out.
   */
  idle?(form: ModelForm | undefined): string | undefined;
  /** True if the saving acts only on the tokens of images. */
  readonly visual?: boolean;
  /** True if the saving supports positions with time, height and width. */
  readonly servesAxes?: boolean;
  /** The saving's calibration; the saving's options name the file that results. Absent if the saving needs none. */
  readonly calibration?: Calibration | undefined;
  /**
   * Options that name a file on this machine; remote requests may not use them. `file` is the trained file without which
   * the saving cannot run.
   */
  readonly files?: readonly string[];
  /**
   * The seams that the saving uses with these options, such as "the attention" or "the steps of an answer"; two savings
   * may not use the same seam.
   */
  seams(options: O): readonly string[];
  /** Checks options against a model before anything is loaded. @throws UserError */
  check(options: O, host: SavingHost): Promise<void>;
  /**
   * Options for `lab tune` to try in a model with this many layers, from mild to bold, as texts without the saving's
   * name. If absent, only the bare name is tried; `untuned` gives the reason.
   */
  settings?(layers: number): readonly string[];
  readonly untuned?: string;
  /**
   * Prepares the saving once for a model and options; undefined if the options are neutral: the request runs dense.
   * @throws UserError like `check`
   */
  prepare(options: O, host: SavingHost): Promise<PreparedSaving | undefined>;
  /** The prompt form for which a risk in the options is certified; absent or undefined if none is certified. */
  certifiedOn?(options: O): PromptForm | undefined;
  /**
   * The saving in training, one mask per layer; absent if training does not support it.
   * @throws UserError if the model cannot be trained with it
   */
  masks?(options: O, decoder: Decoder): readonly LayerMask[];
}

/** A saving prepared for one model, for any number of requests. */
export interface PreparedSaving extends Disposable {
  /** The recipes that a certificate chooses among, if any; the programs of each are compiled. */
  readonly variants?: readonly (readonly PreparedSaving[])[];
  /** False once a file that the saving depends on has changed; the saving is then prepared again. Absent without files. */
  current?(): boolean;
  /** The saving's part of a request's plan; undefined if it does not act on this request. */
  plan(request: PlanRequest): PlanPart | undefined;
}
