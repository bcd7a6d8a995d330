/**
 * Measures a model that sees on questions about held-out scenes, by kind, with the picture and with a grey one in its
 * place, and adds them to `figures.json` in its folder; `--most` is the number of objects on a scene, at most:
 *
 *     npx tsx research/visual-tokens/vlm-tiny/measure.ts packages/models/vlm-tiny [--limit 300] [--seed 1] [--most 5]
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load } from "../../../src/index.ts";
import { exactMatch } from "../../../src/lab/metrics/index.ts";
import { everyItem, type ItemOf, itemsOf } from "../../common/tasks.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    limit: { type: "string", default: "300" },
    seed: { type: "string", default: "1" },
    most: { type: "string", default: "5" },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("expected the folder of a model");
using model = await load(folder);
const { limit, seed } = { limit: Number(values.limit), seed: Number(values.seed) };

/** The share of right answers to questions of a kind. */
async function accuracy(ask: string, picture: "shown" | "blank"): Promise<number> {
  const task = `scenes:ask=${ask},picture=${picture},most=${values.most}`;
  const items: ItemOf<"generation">[] = [];
  for await (const item of itemsOf("generation", task, { ...everyItem, limit, seed })) items.push(item);
  const answers = await model.completeAll(
    items.map(({ prompt, images, maxTokens }) => ({ prompt, images, maxTokens, raw: true, temperature: 0 })),
  );
  const parts = items.map((item, i) => {
    const answer = { text: answers[i]!.text };
    return exactMatch.part(item, answer, answer);
  });
  return exactMatch.quality(parts);
}

const figures: Record<string, { shown: number; blank: number }> = {};
for (const ask of ["where", "which", "count", "digits"]) {
  figures[ask] = { shown: await accuracy(ask, "shown"), blank: await accuracy(ask, "blank") };
  console.log(ask, figures[ask]);
}
const file = join(folder, "figures.json");
const others = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
const all = { ...others, [`most ${values.most}`]: { questions: limit, seed, figures } };
writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
