/**
 * Times decoding with drafts alternately with dense, batch 1: `npx tsx research/drafts/turns.ts ROUNDS [FOLDER]`, with
 * the shipped draft or another one's folder. research/drafts/results/turns.json has milliseconds per token by kind of
 * question, and each arm's ratio to dense in the same round.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { machine, median } from "../../bench/report.ts";
import { load } from "../../src/index.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import { MODEL } from "./train/answered.ts";
import { questions } from "./train/documents.ts";

const QUESTIONS = 6;
const TOKENS = 64;
const KINDS = ["code", "chat"] as const;

const [rounds = "5", folder] = process.argv.slice(2);
const file = folder === undefined ? "" : `,file=${folder}`;
const arms: Readonly<Record<string, readonly string[]>> = {
  dense: [],
  lookup: ["lookup"],
  draft: [`draft:tokens=2${file}`],
  "draft, never quoting": [`draft:match=0${file}`],
};
const heldOut = (await questions()).filter(({ split }) => split === "held-out");
using model = await load(MODEL);

interface Measured {
  text: string;
  tokens: number;
  ms: number;
  drafts: number;
  accepted: number;
}

/** An arm's answers to some questions. */
async function answer(prompts: readonly string[], save: readonly string[]): Promise<Measured> {
  const sum = { text: "", tokens: 0, ms: 0, drafts: 0, accepted: 0 };
  for (const prompt of prompts) {
    const { text, receipt } = await model.complete(prompt, { maxTokens: TOKENS, temperature: 0, save });
    sum.text += text;
    sum.tokens += receipt.tokens.completion;
    sum.ms += receipt.ms.decode;
    sum.drafts += Number(receipt.work?.["drafts"]?.run ?? 0);
    sum.accepted += Number(receipt.work?.["accepted"]?.run ?? 0);
  }
  return sum;
}

const short = (value: number): number => Number(value.toFixed(3));
const results = [];
for (const kind of KINDS) {
  const prompts = heldOut.filter((each) => each.kind === kind).slice(0, QUESTIONS);
  const all = new Map(Object.keys(arms).map((arm) => [arm, [] as Measured[]]));
  for (let round = -1; round < Number(rounds); round++)
    for (const [arm, save] of Object.entries(arms)) {
      const measured = await answer(
        prompts.map(({ text }) => text),
        save,
      );
      if (round >= 0) all.get(arm)!.push(measured);
    }
  const dense = all.get("dense")!;
  for (const [arm, own] of all) {
    if (own.some(({ text }) => text !== dense[0]!.text)) throw new Error(`${kind}: ${arm} has another text than dense`);
    const gains = own.map(({ ms }, i) => dense[i]!.ms / ms);
    const { tokens, drafts, accepted } = own[0]!;
    const line = {
      ...{ kind, arm, ms: short(median(own.map(({ ms }) => ms / tokens))), gain: short(median(gains)) },
      spread: [short(Math.min(...gains)), short(Math.max(...gains))],
      ...{ drafts: short(drafts / tokens), accepted: short(accepted / tokens) },
    };
    results.push(line);
    console.log(JSON.stringify(line));
  }
}
const about = { model: MODEL, rounds: Number(rounds), questions: QUESTIONS, tokens: TOKENS };
writeFileSync(
  path.join(import.meta.dirname, "results", "turns", "qwen2.5-coder.json"),
  `${JSON.stringify({ ...about, machine: machine(await resolveModel(MODEL)), results }, null, 1)}\n`,
);
