/**
 * Writes on from texts with the small model, with exits at the same steps and other states for the layers that did not
 * run: `npx tsx research/exits/small/fills.ts [MODEL] [OUT]`. Results go to research/exits/dynamax-small.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../../../src/index.ts";
import { hasRecurrent } from "../../../src/models/decoder/decoder.ts";
import { mean } from "../../../src/util/mean.ts";
import { root } from "../../../tools/section.ts";
import { makeTexts } from "./texts.ts";

const [
  folder = join(root, "packages/models/exits-small"),
  out = join(root, "research/exits/dynamax-small/fills.json"),
] = process.argv.slice(2);

/** Shares of tokens that leave after the middle layer, at steps that chance picks: the higher, the longer the runs of exits. */
const RATES = [0.25, 0.5, 0.75, 0.9];
const SEEDS = [1, 2, 3];
/** Prompts, their characters, and the tokens that are written. */
const [PROMPTS, PROMPT, TOKENS] = [120, 80, 48];

using model = await load(folder);
const { config } = model.language!.decoder;
const middle = config.layers / 2;
const fills = hasRecurrent(config)
  ? ["recompute", "ssm-partial", "ssm-skip"]
  : ["recompute", "copy-hidden", "copy-kv", "mask", "verify"];
const prompts = makeTexts(5004, PROMPTS).map(({ text }) => text.slice(0, PROMPT));

async function written(save: readonly string[]): Promise<number[][]> {
  const terms = { raw: true, maxTokens: TOKENS, temperature: 0, repetitionDetection: false, save };
  const answers = await model.completeAll(prompts.map((prompt) => ({ prompt, ...terms })));
  return answers.map(({ tokens }) => tokens.map(({ id }) => id));
}

/** The share of dense's tokens reproduced at the same position, and the number before the first difference. */
function compare(dense: readonly number[], own: readonly number[]) {
  const same = dense.map((token, i) => Number(own[i] === token));
  const first = same.indexOf(0);
  return { agree: mean(same), before: first < 0 ? same.length : first };
}

const dense = await written([]);
const results = [];
for (const rate of RATES)
  for (const seed of SEEDS)
    for (const fill of fills) {
      const save = `dynamax:rule=random,from=${middle},rate=${rate},seed=${seed},fill=${fill}`;
      const answers = (await written([save])).map((own, i) => compare(dense[i]!, own));
      const [agree, before] = [mean(answers.map((a) => a.agree)), mean(answers.map((a) => a.before))];
      results.push({ rate, seed, fill, agree, before });
      process.stderr.write(`${save}: ${agree.toFixed(3)} of the tokens, ${before.toFixed(1)} before the first\n`);
    }
writeFileSync(out, `${JSON.stringify({ prompts: PROMPTS, tokens: TOKENS, after: middle, results })}\n`);
