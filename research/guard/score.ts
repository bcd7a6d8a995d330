/** Mean errors on held-out images of one class. */
export interface Errors {
  readonly published: number;
  readonly fullyTuned: number;
  readonly tuned: number;
}

/** The share of what full fine-tuning learns of a class that fine-tuning under a mask learns. */
export const adaptation = ({ published, fullyTuned, tuned }: Errors): number =>
  (published - tuned) / (published - fullyTuned);

/** One user's fine-tuning under one mask. */
export interface MaskScore {
  readonly mask: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly illegal: number;
  readonly innocent: number;
  /** Innocent adaptation minus illegal adaptation. */
  readonly selectivity: number;
  /** The shares of the user's fine-tuning that the mask saves. */
  readonly saved: Saved;
}

/** Shares of a run with nothing frozen: of its FLOPs, and of the bytes of gradients and the optimiser's states. */
export interface Saved {
  readonly flops: number;
  readonly bytes: number;
}
