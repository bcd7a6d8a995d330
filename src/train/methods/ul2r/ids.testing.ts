import type { DenoisingIds } from "./tokens.ts";

/** Token ids: 999 ends texts, modes start at 1000, sentinels at 1003. */
export const idsOf = (sentinels: number): DenoisingIds => ({
  modes: { S2S: 1000, NLU: 1001, NLG: 1002 },
  sentinels: Array.from({ length: sentinels }, (_, k) => 1003 + k),
  end: 999,
});
