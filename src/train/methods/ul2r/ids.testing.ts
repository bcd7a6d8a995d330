import type { DenoisingIds } from "./tokens.ts";

/** Ids from 1000 on: the modes, then sentinels; 999 ends texts. */
export const idsOf = (sentinels: number): DenoisingIds => ({
  modes: { S2S: 1000, NLU: 1001, NLG: 1002 },
  sentinels: Array.from({ length: sentinels }, (_, k) => 1003 + k),
  end: 999,
});
