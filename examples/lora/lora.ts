/**
 * Teaches SmolLM2 to hide names: writes `train.jsonl` and trains a LoRA adapter on it in `adapter`; writes
 * `tune.jsonl`, other sentences with other names, on which `npm run tune` certifies the fastest recipe.
 */
import { writeFileSync } from "node:fs";
import { train } from "modicum/train";
import texts from "./texts.json" with { type: "json" };

const TRAINED = { names: 12, sentences: 12 };

const user = (text: string) => ({ role: "user", content: `Replace the name by [NAME]: ${text}` });
const pairs = (names: string[], sentences: string[]) =>
  sentences.flatMap((sentence) =>
    names.map((name) => ({ text: sentence.replace("NAME", name), hidden: sentence.replace("NAME", "[NAME]") })),
  );
const writeLines = (file: string, rows: object[]) =>
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

const { names, sentences } = texts;
const known = pairs(names.slice(0, TRAINED.names), sentences.slice(0, TRAINED.sentences));
writeLines(
  "train.jsonl",
  known.map(({ text, hidden }) => ({ messages: [user(text), { role: "assistant", content: hidden }] })),
);
const fresh = pairs(names.slice(TRAINED.names), sentences.slice(TRAINED.sentences));
writeLines(
  "tune.jsonl",
  fresh.map(({ text, hidden }) => ({ messages: [user(text)], answer: hidden })),
);

const { loss, receipt } = await train(
  {
    model: "smollm2",
    data: ["train.jsonl"],
    lora: { rank: 8 },
    tokens: 96,
    batch: 4,
    steps: 16,
    optimizer: { lr: 2e-3 },
    schedule: { name: "cosine", warmup: 2 },
  },
  { out: "adapter", reuse: "force", onStep: ({ step, loss }) => console.log(`step ${step}: loss ${loss.toFixed(3)}`) },
);
console.log(loss, receipt.flops);
