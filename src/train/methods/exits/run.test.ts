import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { trainOptions } from "../../options.ts";
import { readMetrics } from "../../session/metrics.ts";
import { pauseSession, runSession, type Session } from "../../session/session.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-exits-"));
afterAll(() => rmSync(folder, { recursive: true }));

const text = path.join(folder, "text.txt");
writeFileSync(text, "It is the small things, done every day, that make a house a home. ".repeat(30));

const session = (out: string, method: string | undefined, changed: Partial<Session> = {}): Session => ({
  options: trainOptions.parse({
    method,
    architecture: {
      ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: 3, num_attention_heads: 2 },
      ...{ num_key_value_heads: 1, intermediate_size: 48, max_position_embeddings: 16, rms_norm_eps: 1e-5 },
    },
    ...{ data: text, tokens: 16, batch: 2, steps: 4, evaluateEvery: 4, evaluateBatches: 2, optimizer: { lr: 1e-2 } },
  }),
  out: path.join(folder, out),
  reuse: "refuse",
  ...changed,
});

const noBase = () => Promise.reject(new Error("there is no base"));

test("a run that pauses resumes to the last bit; heads at exits are overhead, and still count after a pause", async () => {
  const method = "exits:layers=1+2";
  const whole = await runSession(session("whole", method), noBase, {});
  await pauseSession(session("halves", method), 2, noBase, {});
  const halves = await runSession(session("halves", method, { reuse: "resume" }), noBase, {});
  const losses = (out: string) => readMetrics(path.join(folder, out)).map(({ loss, norm }) => [loss, norm]);
  expect(losses("halves")).toEqual(losses("whole"));
  const weights = (out: string) => readFileSync(path.join(folder, out, "model.safetensors")).toString("hex");
  expect(weights("halves")).toBe(weights("whole"));

  const plain = await runSession(session("plain", undefined), noBase, {});
  const { flops } = whole.receipt;
  expect(halves.receipt.flops).toEqual(flops);
  const { overhead, ...rest } = flops;
  expect({ ...rest, spent: flops.spent - overhead, saved: 0 }).toEqual({ ...plain.receipt.flops, overhead: undefined });
  // Two 32 × vocabulary heads on 4 batches of 32 labels, each with a forward and two backward products; plus the norm.
  const vocabulary = new Set(readFileSync(text, "utf8")).size + 1;
  const products = 2 * 4 * 32 * 3 * 2 * 32 * vocabulary;
  expect(overhead).toBeGreaterThanOrEqual(products);
  expect(overhead).toBeLessThan(1.05 * products);
});
