import { MODES } from "./denoisers.ts";
import type { DenoisingIds } from "./tokens.ts";

/** Ids from 1000 on: the modes, then sentinels; 999 ends texts. */
export const idsOf = (sentinels: number): DenoisingIds => ({
  modes: { [MODES.S]: 1000, [MODES.R]: 1001, [MODES.X]: 1002 },
  sentinels: Array.from({ length: sentinels }, (_, k) => 1003 + k),
  end: 999,
});
