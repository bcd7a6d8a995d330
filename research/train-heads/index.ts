/**
 * MiniLM's two heads trained on Banking77: npx tsx research/train-heads/index.ts BANKING77-FOLDER [STEPS]. Writes
 * research/train-heads/results/banking77.json.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { writeJson } from "../../src/util/write-whole.ts";
import { type Arm, arms } from "./run.ts";

const [source, steps = "100"] = process.argv.slice(2);
if (source === undefined) throw new Error("expected the folder of Banking77");
const folder = await mkdtemp(path.join(tmpdir(), "modicum-heads-"));
const done: Arm[] = [];
for await (const arm of arms({ source, model: "minilm", steps: Number(steps), folder })) {
  done.push(arm);
  console.log(JSON.stringify(arm));
  const machine = cpus()[0]!.model.trim();
  await writeJson("research/train-heads/results/banking77.json", {
    model: "minilm",
    steps: Number(steps),
    machine,
    arms: done,
  });
}
await rm(folder, { recursive: true });
