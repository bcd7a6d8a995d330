/**
 * Prints the share of a text's routing choices that falls on each expert: `npx tsx research/moe/expert-shares.ts MODEL
 * TEXT`. The last tenth of the file TEXT is read in rows of 128 tokens; prints a line for each router.
 */
import { readFileSync } from "node:fs";
import { expertShares, full, sum, topK, volume } from "../../src/graph/index.ts";
import { readRouters } from "./routers.ts";

const TOKENS = 128;

const [model, text] = process.argv.slice(2);
if (!model || !text) throw new Error("expected a model's folder and a text file");
const whole = readFileSync(text, "utf8");
const shares = await readRouters(
  model,
  (tokenizer) => {
    const ids = tokenizer.encode(whole.slice(Math.floor(0.9 * whole.length)));
    return { ids: ids.slice(0, Math.floor(ids.length / TOKENS) * TOKENS), tokens: TOKENS };
  },
  (_, experts) => ({
    size: experts,
    of: (logits, { count, active }) =>
      expertShares(
        topK(logits, active).chosen,
        full(sum(logits, 2), 1 / Number(volume(logits.shape.slice(0, 2)))),
        count,
      ),
  }),
);
for (const [router, each] of Object.entries(shares))
  console.log(`${router}: ${[...each].map((share) => share.toFixed(3)).join(" ")}`);
