/**
 * Writes the tables of the choice of QZero's defaults (research/qzero/choose.ts):
 *
 *     npx tsx research/qzero/choice-page.ts
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SCORER_KINDS, type ScorerKind } from "../../src/pipelines/qzero/options.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { signed } from "../common/figures.ts";
import { percent } from "../common/shares.ts";
import type { CellVerdict, Choice, GateVerdict, Verdict } from "./choice.ts";

export const PAGE = "research/qzero/choice/README.md";
export const SECTION = "qzero-choice";

const MODELS: Readonly<Record<ScorerKind, string>> = { words: "glove", encoder: "minilm" };

/** The committed choice of a model. */
export const choiceOf = (model: string): Choice =>
  JSON.parse(readFileSync(join(root, "research/qzero/choice", `${model}.json`), "utf8"));

/** The choice that set the defaults for word vectors, or for encoders. */
export const choiceFor = (kind: ScorerKind): Choice => choiceOf(MODELS[kind]);

const SHOWN = 5;
const three = (value: number): string => value.toFixed(3);
/** A gain with its interval, formatted for notices and tables. */
export const gainText = ({ mean, ci95 }: Verdict["gain"]): string => `${signed(mean)} [${ci95.map(signed).join(", ")}]`;
const settingText = (qzero: object): string =>
  Object.entries(qzero)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
const titleOf = ({ set, corpus }: Pick<CellVerdict, "set" | "corpus">): string => `${set}, ${corpus}`;

/** All tables of the choices. */
export const choiceSection = (): string =>
  [...SCORER_KINDS.map(choiceFor), choiceOf("bge-small")]
    .flatMap((choice) => [
      `### ${choice.model}: chosen on first halves\n`,
      settingsTable(choice),
      `\n### ${choice.model}: judged on second halves and SST-2\n`,
      verdictTable(choice),
      ...(choice.gate ? [`\n${gateSentence(choice.gate)}`] : []),
      "",
    ])
    .join("\n")
    .trimEnd();

const gateSentence = ({ qzero, lookedUp, gain, overRandom }: GateVerdict): string =>
  `The best gate, ${settingText(qzero)}, looks up ${percent(lookedUp)}: ${gainText(gain)} over the text alone, and ${gainText(overRandom)} over random gates that look up as many texts.`;

/** The best settings and the worst. */
function settingsTable({ choosing: { cells, settings } }: Choice): string {
  const row = ({ qzero, gain, gains }: (typeof settings)[number]) => [
    settingText(qzero),
    signed(gain),
    ...gains.map(signed),
  ];
  const plain = ["the text alone: accuracy", "", ...cells.map((cell) => three(cell.plain))];
  const head = ["setting", "mean gain", ...cells.map(titleOf)];
  return markdownTable(head, [plain, ...settings.slice(0, SHOWN).map(row), row(settings.at(-1)!)]);
}

function verdictTable({ judged }: Choice): string {
  const cells = judged[0]!.cells;
  const plain = ["the text alone: accuracy", "", ...cells.map((cell) => three(cell.plain))];
  const rows = judged.map(({ arm, qzero, gain, cells }) => [
    `${arm}: ${settingText(qzero)}`,
    gainText(gain),
    ...cells.map((cell) => gainText(cell.gain)),
  ]);
  return markdownTable(["arm", "gain over all", ...cells.map(titleOf)], [plain, ...rows]);
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, choiceSection());
