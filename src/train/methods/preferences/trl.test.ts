/** Compares losses, gradient norms and metrics with TRL's trainers: tools/reference/preferences.py. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { train } from "../../../index.ts";
import { readMetrics } from "../../session/metrics.ts";
import { tinyChatModel } from "./tiny-model.testing.ts";

interface Case {
  readonly method: string;
  readonly options: Readonly<Record<string, number | string>>;
  readonly form: "text" | "chat";
  readonly rate: number;
  readonly rows: readonly object[];
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly metrics: readonly Readonly<Record<string, number>>[];
}
const fixtures = path.join(import.meta.dirname, "fixtures");
const { cases } = JSON.parse(readFileSync(path.join(fixtures, "trl.json"), "utf8")) as { cases: Case[] };

const folder = mkdtempSync(path.join(tmpdir(), "modicum-preferences-"));
const model = tinyChatModel(folder);
afterAll(() => rmSync(folder, { recursive: true }));

test.each(cases)(
  "$method $options $form: three steps as TRL's",
  async ({ method, options, form, rate, ...of }) => {
    const out = mkdtempSync(path.join(folder, "run-"));
    const data = path.join(out, "rows.jsonl");
    writeFileSync(data, of.rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const run = {
      model,
      data,
      method: { name: method, ...options },
      train: ["*"],
      validation: 0,
      batch: of.rows.length,
    };
    const still = { clip: 0, schedule: { name: "constant" as const }, tokens: 64, steps: of.losses.length };
    const sgd = { name: "sgd" as const, momentum: 0, weightDecay: 0, lr: rate };
    await train({ ...run, ...still, optimizer: sgd }, { out: path.join(out, "trained") });
    const steps = readMetrics(path.join(out, "trained"));
    for (const [i, { loss, norm, metrics = {} }] of steps.entries()) {
      expect(Math.abs(loss - of.losses[i]!), `loss ${i}: ${loss}`).toBeLessThan(1e-4 * Math.max(1, of.losses[i]!));
      expect(Math.abs(norm / of.norms[i]! - 1), `norm ${i}: ${norm}`).toBeLessThan(1e-4);
      expect(Object.keys(metrics)).toEqual(expect.arrayContaining(Object.keys(of.metrics[i]!)));
      for (const [name, value] of Object.entries(of.metrics[i]!))
        expect(Math.abs(metrics[name]! - value), `${name} ${i}: ${metrics[name]}`).toBeLessThan(
          1e-4 * Math.max(1, Math.abs(value)),
        );
    }
    expect(steps).toHaveLength(3);
  },
  60_000,
);
