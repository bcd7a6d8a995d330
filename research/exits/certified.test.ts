/** Fresh documents, used neither in training nor for the certificate, lose no more than the certified risk. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { LanguageModel } from "../../src/engine/decode/language-model.ts";
import { readTexts } from "../../src/engine/file/given-texts.ts";
import { parseRecipe } from "../../src/index-lab.ts";
import { processorBits } from "../../src/runtime/processor.ts";
import { densePlan, type Plan } from "../../src/savings/plan.ts";
import { mean } from "../../src/util/mean.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import { freshDocuments } from "./fresh.ts";
import { leadTexts } from "./leads.ts";

/** Documents that certified the thresholds (models/smollm2/dynamax/README.md), and those that are served here. */
const [CERTIFIED, SERVED] = [500, 24];

let model: LanguageModel;
let documents: number[][];
let dense: number[][];
/** The form in which the thresholds are certified; in another they are refused. */
const served = processorBits() === 8;

beforeAll(async () => {
  if (!served) return;
  model = await LanguageModel.load(await resolveModel("smollm2"));
  const texts = await leadTexts();
  const fresh = freshDocuments("smollm2", model.tokenizer, { texts, tokens: 60_000 });
  const ids = fresh.slice(CERTIFIED).map((text) => model.encode(text, true).slice(0, 128));
  documents = ids.filter(({ length }) => length >= 32).slice(0, SERVED);
  dense = await choices(documents, () => densePlan);
});
afterAll(() => {
  if (served) model[Symbol.dispose]();
});

/** The token chosen after each token of a document, except the first 16, which are the prompt. */
async function choices(all: readonly number[][], planFor: () => Plan): Promise<number[][]> {
  const texts = all.map((ids) => {
    const chosen: number[] = [];
    const onLogits = (logits: Float32Array) => void chosen.push(logits.indexOf(Math.max(...logits)));
    return { prompt: ids.slice(0, 16), answer: ids.slice(16), plan: planFor(), onLogits, chosen };
  });
  await readTexts(model.engine, texts);
  return texts.map(({ chosen }) => chosen);
}

/** Each document's share of tokens that are not dense's. */
async function losses(recipe: string, count: number): Promise<number[]> {
  using lease = await model.use(parseRecipe([recipe]));
  const served = await choices(documents.slice(0, count), () => lease.plan(16));
  return served.map((tokens, i) => tokens.filter((token, at) => token !== dense[i]![at]).length / tokens.length);
}

/** The largest plausible mean of these losses if their expectation is `risk`: three standard errors above it. */
function mostBy(risk: number, all: readonly number[]): number {
  const deviation = Math.sqrt(mean(all.map((loss) => (loss - mean(all)) ** 2)));
  return risk + (3 * deviation) / Math.sqrt(all.length);
}

test.skipIf(!served)("dynamax:risk=0.05 changes at most about a twentieth of the tokens, and some", async () => {
  const all = await losses("dynamax:risk=0.05", SERVED);
  expect(mean(all)).toBeGreaterThan(0);
  expect(mean(all)).toBeLessThanOrEqual(mostBy(0.05, all));
});

test.skipIf(!served)("a threshold of 0 is far beyond the bound", async () => {
  const all = await losses("dynamax:threshold=0,fill=recompute", 4);
  expect(mean(all)).toBeGreaterThan(mostBy(0.05, all));
});
