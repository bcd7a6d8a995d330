import { readFileSync } from "node:fs";
import path from "node:path";
import type { ExitsFile } from "../../../src/index.ts";
import { markdownTable, writeSection } from "../../../tools/section.ts";
import { EXIT, RESULTS, type Results } from "./setting.ts";

export const PAGE = "research/exits/lora/README.md";
export const SECTION = "lora-exit";

const count = (value: number): string => value.toLocaleString("en");
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const read = <T>(file: string): T => JSON.parse(readFileSync(file, "utf8")) as T;

/** Agreement by training tokens, and of the controls. */
export function loraSection(): string {
  const { machine, texts, heldOut, evaluations, commonest, behindToken } = read<Results>(RESULTS);
  const head = read<ExitsFile>(path.join(path.dirname(RESULTS), "head.json"));
  const about = `On ${machine.split(",")[0]}: ${count(texts)} training tokens, of which steps draw without repetition until all are seen; ${count(heldOut)} held out.`;
  const trained = evaluations.map(({ tokens, agree }) => [
    tokens === 0 ? "untrained exit" : `LoRA, ${count(tokens)} tokens`,
    percent(agree),
  ]);
  const controls = [
    ["the commonest choice", percent(commonest)],
    ["the commonest choice behind the same token", percent(behindToken)],
    [`a head of rank ${head.head.rank} alone, without LoRA`, percent(head.measured.agree[0]!)],
  ];
  return [about, markdownTable([`after layer ${EXIT}`, "the model's choice"], [...trained, ...controls])].join("\n\n");
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, loraSection());
