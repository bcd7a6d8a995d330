/** The settings of llama.cpp. */
export interface Settings {
  threads: number;
  flashAttention: boolean;
  mmap: boolean;
  api: "evaluate" | "controlledEvaluate";
}

/**
 * The fastest settings found by `sweep.ts` on two cores. The default is at least four threads, whose spinning barriers
 * stall on fewer cores.
 */
export const best: Settings = { threads: 2, flashAttention: true, mmap: true, api: "evaluate" };
