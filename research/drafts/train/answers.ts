/**
 * Has the model answer questions greedily, eight at a time; resumes where it stopped:
 *
 * npx tsx research/drafts/train/answers.ts FOLDER HELD-OUT TRAIN
 *
 * FOLDER/answers.jsonl gets a line for each of the HELD-OUT and TRAIN questions: { kind, split, from, ids }.
 */
import { appendFileSync, mkdirSync } from "node:fs";
import { Meter } from "../../../src/engine/bill/meter.ts";
import { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { answersFile, answersIn, bestOf, MODEL, type Written } from "./answered.ts";
import { questions, type Source } from "./documents.ts";

const ROWS = 8;
const MOST = 224;

const [folder = "", heldOut = "24", train = "300"] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const all = await questions();
const some = (split: Source["split"], count: string) =>
  all.filter((each) => each.split === split).slice(0, Number(count));
const wanted = [...some("held-out", heldOut), ...some("train", train)];
using model = await LanguageModel.load(await resolveModel(MODEL), "q8r");
const { engine, tokenizer } = model;
const done = answersIn(folder).length;
for (let at = done; at < wanted.length; at += ROWS) {
  const group = await Promise.all(wanted.slice(at, at + ROWS).map(begin));
  while (group.some(({ ended }) => !ended)) {
    const active = group.filter(({ ended }) => !ended);
    const steps = active.map(({ slot, ids }) => ({ slot, token: ids.at(-1)!, meter: new Meter(engine.programs) }));
    for (const [i, stepped] of (await engine.stepAll(steps)).entries())
      if (stepped.kind === "token") grow(active[i]!, bestOf(stepped.logits));
  }
  for (const { slot, kind, split, from, ids } of group) {
    engine.release(slot);
    appendFileSync(answersFile(folder), `${JSON.stringify({ kind, split, from, ids } satisfies Written)}\n`);
  }
  console.log(new Date().toISOString(), at + group.length, "of", wanted.length);
}

interface Row extends Written {
  readonly slot: ReturnType<typeof engine.acquire>;
  ended: boolean;
}

async function begin({ kind, split, text }: Source): Promise<Row> {
  const ids = model.encode([{ role: "user", content: text }]);
  const slot = engine.acquireEmpty(ids);
  const row: Row = { kind, split, from: ids.length, ids: [...ids], slot, ended: false };
  grow(row, bestOf(await engine.prefill(slot, ids, new Meter(engine.programs))));
  return row;
}

function grow(row: Row, token: number): void {
  row.ids.push(token);
  row.ended = tokenizer.stopIds.has(token) || row.ids.length - row.from >= MOST;
}
