import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { markdownTable, writeSection } from "../../tools/section.ts";
import { bestOf } from "./gain.ts";
import { measured, PAGE } from "./page.ts";

export const ACCEPTANCE = "draft-acceptance";

const MODEL = "qwen2.5-coder";
const RESULTS = path.join(import.meta.dirname, "results");

interface Group {
  readonly kind: string;
  readonly text: string;
  readonly drafts: number;
  /** Share of the model's choices that are among the draft's tokens. */
  readonly reached: number;
  /** Share of places at which the control that quotes drafts. */
  readonly quotes: number;
  readonly acceptance: readonly number[];
  readonly quoteAcceptance: readonly number[];
}

interface Training {
  readonly tokens: number;
  readonly answers: number;
  readonly steps: number;
  readonly epochs: number;
  readonly parameters: number;
  readonly loss: number;
  readonly heldOut: number;
}

const read = <T>(...names: readonly string[]): T => JSON.parse(readFileSync(path.join(RESULTS, ...names), "utf8")) as T;
const fileOf = (name: string): string => path.join(RESULTS, "acceptance", `${name}.json`);
const groupsOf = (name: string) => read<{ readonly groups: readonly Group[] }>("acceptance", `${name}.json`).groups;
const shares = (all: readonly number[]): string => all.map((each) => each.toFixed(2)).join(", ");

/** Control runs, which show what the trained draft owes to its training and to the model's streams. */
const CONTROLS = { untrained: "untrained", "trained-shuffled": "streams shuffled" } as const;

/** The earlier run, on more tokens, which never read its own streams. */
const EARLIER = "earlier";

/** The trained draft in the form that ships. */
const SHIPPED = "Q4_0";

/** How often drafts are right at each step, beside the earlier run and the finished controls. */
function acceptances(all: readonly Group[]): string {
  const [earlier, shipped] = [groupsOf(EARLIER), groupsOf(SHIPPED)];
  const controls = Object.entries(CONTROLS).filter(([name]) => existsSync(fileOf(name)));
  return markdownTable(
    [
      "text",
      "drafts",
      "in its 8,192",
      "trained",
      "in 4 bits",
      "earlier",
      ...controls.map(([, title]) => title),
      "lookup drafts",
      "right",
    ],
    all.map((group, i) => [
      `${group.kind}, ${group.text}`,
      String(group.drafts),
      group.reached.toFixed(2),
      ...[group, shipped[i]!].map(({ acceptance }) => shares(acceptance)),
      shares(earlier.find(({ kind, text }) => kind === group.kind && text === group.text)!.acceptance),
      ...controls.map(([name]) => groupsOf(name)[i]!.acceptance[0]!.toFixed(2)),
      group.quotes.toFixed(2),
      shares(group.quoteAcceptance),
    ]),
  );
}

/** The gains by the formula, in each form of the model's weights. */
function gains(all: readonly Group[]): string {
  const forms = measured().filter(({ model }) => model === MODEL);
  return markdownTable(
    ["text", ...forms.map(({ form }) => form)],
    all.map((group) => [
      `${group.kind}, ${group.text}`,
      ...forms.map((times) => {
        const { gain, drafts } = bestOf(times, group.acceptance);
        return `${gain.toFixed(2)} (${drafts})`;
      }),
    ]),
  );
}

const count = (value: number): string => value.toLocaleString("en");

function trainingOf(run: string): string {
  const { tokens, answers, steps, epochs, loss, heldOut } = read<Training>("training", `${run}.json`);
  return `${count(tokens)} tokens, ${count(answers)} of them in answers of the model's own, in ${count(steps)} steps (${epochs} epochs); its loss ends at ${loss.toFixed(2)} nats, on held-out texts at ${heldOut.toFixed(2)}`;
}

export function acceptanceSection(): string {
  const { parameters } = read<Training>("training", "trained.json");
  const all = groupsOf("trained");
  const about = `${count(parameters)} weights are trained on ${trainingOf("trained")}. The earlier run, on the model's streams alone, had ${trainingOf(EARLIER)}.`;
  return [about, acceptances(all), "Gains by the formula, with these shares:", gains(all)].join("\n\n");
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, ACCEPTANCE, acceptanceSection());
