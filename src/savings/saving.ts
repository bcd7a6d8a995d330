import type { z } from "zod";
import type { Decoder } from "../models/decoder.ts";
import type { AttentionSaving, SavingHost, Seam } from "./seams.ts";

export type SavingGroup =
  | "tokens"
  | "attention"
  | "depth"
  | "experts"
  | "routing"
  | "output"
  | "knowledge"
  | "training";

/** One way to spend less: typed options, and the seams it fills. */
export interface Saving<O = unknown> {
  readonly name: string;
  readonly group: SavingGroup;
  readonly summary: string;
  readonly needs: readonly Seam[];
  readonly options: z.ZodType<O>;
  /** What a model has that it cannot serve ("a sliding window"), though the model has its seams; undefined: it serves it. */
  hindrance(decoder: Decoder): string | undefined;
  /** Options that name a file of this machine, which a request from outside may not. */
  readonly files?: readonly string[];
  /** Whether it can act under these options, before anything is loaded. @throws UserError */
  check(options: O, host: SavingHost): Promise<void>;
  /** Fills the attention seam; undefined when the options are neutral, so that the dense program runs. */
  attention(options: O, host: SavingHost): Promise<AttentionSaving | undefined>;
}
