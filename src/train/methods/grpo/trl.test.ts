/** Compares losses and gradient norms with TRL's GRPOTrainer on fixed completions: tools/reference/grpo.py. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { openBase } from "../../../library/train.ts";
import { BatchStage } from "../../session/batch-stage.ts";
import { openRun } from "../../session/open-run.ts";
import { completeOptions } from "../complete.ts";
import { tinyChatModel } from "../preferences/tiny-model.testing.ts";
import { advantagesOf, type scales } from "./advantages.ts";
import { figuresOf } from "./figures.ts";
import { type Rollout, Rollouts } from "./rollouts.ts";

interface Fixture {
  readonly groups: readonly {
    readonly prompt: string;
    readonly completions: readonly { readonly text: string; readonly reward: number }[];
  }[];
  readonly cases: readonly {
    readonly form: "text" | "chat";
    readonly scale_rewards: (typeof scales)[number];
    readonly accumulate: number;
    readonly rate: number;
    readonly losses: readonly number[];
    readonly norms: readonly number[];
    readonly metrics: Readonly<Record<string, number>>;
  }[];
}
const fixture = path.join(import.meta.dirname, "fixtures/trl.json");
const { groups, cases } = JSON.parse(readFileSync(fixture, "utf8")) as Fixture;

const folder = mkdtempSync(path.join(tmpdir(), "modicum-grpo-"));
const model = tinyChatModel(folder);
afterAll(() => rmSync(folder, { recursive: true }));

test.each(cases)(
  "$form, scale_rewards $scale_rewards, $accumulate batches: three steps as TRL's",
  async ({ form, scale_rewards, accumulate, rate, losses, norms, metrics }) => {
    const data = path.join(folder, `${form}.jsonl`);
    const promptOf = (prompt: string) => (form === "chat" ? [{ role: "user", content: prompt }] : prompt);
    const rows = groups.map(({ prompt }) => ({ prompt: promptOf(prompt), answer: "" }));
    writeFileSync(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const group = groups[0]!.completions.length;
    const run = { model, data, method: { name: "grpo", num_generations: group }, train: ["*"], tokens: 64 };
    const steps = { batch: (group * groups.length) / accumulate, accumulate, steps: losses.length, clip: 0 };
    const optimizer = { name: "sgd", momentum: 0, weightDecay: 0, lr: rate };
    const options = completeOptions({ ...run, ...steps, optimizer, schedule: { name: "constant" } });
    const opened = await openRun(options, folder, (name) => openBase(name, {}));
    using stage = await BatchStage.open(options, opened.subject, opened.data);
    const rollouts = opened.data.training;
    if (!(rollouts instanceof Rollouts)) throw new Error("expected rollouts");
    const rewards = groups.map(({ completions }) => completions.map(({ reward }) => reward));
    const advantages = advantagesOf(rewards, scale_rewards);
    const rolloutsOf = (place: number): Rollout[] =>
      groups[place]!.completions.map(({ text }, k) => ({
        prompt: rollouts.prompts[place]!,
        completion: opened.tokenizer.encode(text, { special: true }),
        advantage: advantages[place]![k]!,
      }));
    const batches = Array.from({ length: accumulate * losses.length }, (_, i) => i);
    rollouts.hold(new Map(batches.map((i) => [i, rollouts.places(i).flatMap(rolloutsOf)])));
    const completions = groups.map((_, place) =>
      rolloutsOf(place).map(({ completion: ids }) => ({ ids, clipped: ids.at(-1) !== opened.tokenizer.eos })),
    );
    const figures = figuresOf(completions, rewards, scale_rewards);
    for (const [name, value] of Object.entries(metrics)) expect(figures[name], name).toBeCloseTo(value, 5);
    await stage.prepare();
    for (const [i, expected] of losses.entries()) {
      const { loss, norm } = await stage.step(i, { updates: i, skipped: 0 });
      expect(Math.abs(loss - expected), `loss ${i}: ${loss}`).toBeLessThan(1e-4);
      expect(Math.abs(norm / norms[i]! - 1), `norm ${i}: ${norm}`).toBeLessThan(1e-4);
    }
  },
);
