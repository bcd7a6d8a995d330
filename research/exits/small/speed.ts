/**
 * Measures decode time and agreement with dense for the small model's recipes: trains exits on its own texts, then
 * continues the same prompts under every recipe, alternating with dense. `npx tsx research/exits/small/speed.ts FOLDER
 * [MODEL] [OUT]` keeps the exits in FOLDER; results go to research/exits/dynamax-small.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { load, type Receipt, type TrainExitsOptions, trainExits } from "../../../src/index.ts";
import { hasRecurrent } from "../../../src/models/decoder/decoder.ts";
import { mean } from "../../../src/util/mean.ts";
import { root } from "../../../tools/section.ts";
import { median } from "../../common/median.ts";
import { makeTexts } from "./texts.ts";

const [
  folder,
  path = join(root, "packages/models/exits-small"),
  out = join(root, "research/exits/dynamax-small/speed.json"),
] = process.argv.slice(2);
if (folder === undefined) throw new Error("expected a folder for the exits");

/** Beginnings, their characters, the tokens that are written, and the rounds of which the median is taken. */
const [PROMPTS, PROMPT, TOKENS, ROUNDS] = [24, 80, 96, 5];
const CHOICES = [
  "exit:layer=4",
  ...["linear", "ffn"].flatMap((kind) =>
    [0.95, 0.9, 0.8].map((threshold) => `dynamax:classifier=${kind},threshold=${threshold}`),
  ),
  "dynamax:classifier=ffn,threshold=0.9,fill=copy-hidden",
  "dynamax:classifier=ffn,threshold=0.9,fill=verify",
  "dynamax:classifier=ffn,threshold=0.6,fill=verify",
  "dynamax:rule=random,rate=0.5",
];

using model = await load(path);
const { config } = model.language!.decoder;
/** A recurrent model's layers that did not run have states to be filled, and no keys and values. */
const recurrentChoices = [
  ...CHOICES.filter((choice) => !choice.includes("fill=")).map((choice) =>
    choice.startsWith("dynamax") ? `${choice},fill=ssm-partial` : choice,
  ),
  "dynamax:classifier=ffn,threshold=0.9,fill=ssm-skip",
];
const choices = hasRecurrent(config) ? recurrentChoices : CHOICES;
if (!existsSync(join(folder, "exits.json"))) {
  const documents = makeTexts(6001, 800).map(({ text }) => text);
  const how = {
    from: 4,
    tokens: 100_000,
    block: 128,
    head: "shared",
    decider: ["linear", "ffn"],
  } satisfies TrainExitsOptions;
  await trainExits(model, "dynamax", documents, folder, { ...how, data: "small texts" });
}
const prompts = makeTexts(6002, PROMPTS).map(({ text }) => text.slice(0, PROMPT));

/** Tokens, decode time and layers of all beginnings, one after the other. */
async function written(save: readonly string[]) {
  const answers: { tokens: number[]; receipt: Receipt }[] = [];
  for (const prompt of prompts) {
    const terms = { raw: true, maxTokens: TOKENS, temperature: 0, repetitionDetection: false, save };
    const { tokens, receipt } = await model.complete(prompt, terms);
    answers.push({ tokens: tokens.map(({ id }) => id), receipt });
  }
  const sum = (of: (receipt: (typeof answers)[number]["receipt"]) => number) =>
    answers.reduce((total, { receipt }) => total + of(receipt), 0);
  return {
    tokens: answers.map((answer) => answer.tokens),
    ms: sum(({ ms }) => ms.decode) / sum(({ tokens }) => tokens.completion),
    saved: 1 - sum(({ flops }) => flops.spent) / sum(({ flops }) => flops.dense),
    layers: sum(layersOf) / sum(({ tokens }) => tokens.completion),
  };
}

function layersOf({ work, tokens }: Receipt): number {
  const run = work?.["layers"]?.run;
  return typeof run === "number" ? run : config.layers * tokens.completion;
}

const results = [];
for (const choice of choices) {
  const save = [choice.startsWith("dynamax:classifier") ? `${choice},file=${folder}` : choice];
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push({ dense: await written([]), own: await written(save) });
  const { dense, own } = rounds[0]!;
  const agree = dense.tokens.map((tokens, i) => mean(tokens.map((id, at) => Number(own.tokens[i]![at] === id))));
  const ratios = rounds.map((round) => round.dense.ms / round.own.ms);
  const found = {
    recipe: choice,
    consistency: mean(agree),
    same: mean(agree.map((share) => Number(share === 1))),
    layers: own.layers,
    flopsSaved: own.saved,
    msDense: median(rounds.map((round) => round.dense.ms)),
    ms: median(rounds.map((round) => round.own.ms)),
    faster: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
  results.push(found);
  process.stderr.write(`${JSON.stringify(found)}\n`);
}
writeFileSync(out, `${JSON.stringify({ prompts: PROMPTS, tokens: TOKENS, rounds: ROUNDS, results })}\n`);
