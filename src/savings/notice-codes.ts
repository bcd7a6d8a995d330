import type { CodeBits } from "../graph/index.ts";
import type { SavingHost } from "./seams.ts";

/** Tells the user if what was learnt in `file` was learnt while the model's 4-bit types ran in other codes than they do here. */
export function noticeCodes(file: string, learnt: CodeBits | undefined, { codes, onNotice }: SavingHost): void {
  if (learnt === undefined || codes === undefined || learnt === codes) return;
  onNotice?.(
    `${file} was made while the model's 4-bit types ran in ${learnt} bits, and they run in ${codes} here; its thresholds may lie a little off`,
  );
}
