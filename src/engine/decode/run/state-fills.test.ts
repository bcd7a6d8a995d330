/** Tokens that exit early in a recurrent model, on fixtures with two layers. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { densePlan, type Plan, type StateFill } from "../../../savings/plan.ts";
import { parseRecipe } from "../../../savings/recipe.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import { Engine } from "./engine.ts";
import { Recipes } from "./recipes.ts";
import { tokenLogits } from "./stepped.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-state-fills-"));
afterAll(() => rmSync(folder, { recursive: true }));

const open = async (name: string) => {
  const file = fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
  return openDecoder(openCheckpoint(file), path.join(folder, name), "f32");
};

const prompt = [5, 9, 30, 41, 2, 17];
const next = [3, 66, 12, 8];

/** The tokens of `next` that exit after the first layer. */
const leaving = (fill: StateFill, which: ReadonlySet<number>): Plan => ({
  ...densePlan,
  state: { prompt: "", answer: undefined },
  cuts: [
    {
      ...{ after: 1, scope: "step", fill },
      decide: ({ tokens }) => (which.has(tokens - prompt.length) ? { kind: "exit", fill } : { kind: "continue" }),
    },
  ],
});

const EARLY = new Set([0, 1]);
const plans: Readonly<Record<string, Plan>> = {
  dense: densePlan,
  partial: leaving("ssm-partial", EARLY),
  skip: leaving("ssm-skip", EARLY),
  recompute: leaving("recompute", EARLY),
};

describe.each([
  ["mamba", 48],
  ["mamba2", 64],
])("%s", (name, inner) => {
  let engine: Engine;
  beforeAll(async () => {
    const { decoder, weights } = await open(name);
    engine = await Engine.create(decoder, weights);
    for (const plan of Object.values(plans)) await engine.prepare(plan);
  });
  afterAll(() => engine[Symbol.dispose]());

  /** Logits after each further token, and the deeper layer's state after each. */
  async function run(plan: Plan, rows = 1) {
    const meter = new Meter(engine.programs);
    const slots: Slot[] = [];
    for (let i = 0; i < rows; i++) {
      slots.push(engine.acquireEmpty(prompt, plan));
      await engine.prefill(slots[i]!, prompt, new Meter(engine.programs), plan);
    }
    const [logits, states]: [Float32Array[], Float32Array[]] = [[], [slots[0]!.cache.state(1).slice()]];
    for (const token of next) {
      const plansOf = (i: number) => (i === 0 ? plan : densePlan);
      const stepped = await engine.stepAll(
        slots.map((slot, i) => ({
          slot,
          token,
          meter: i === 0 ? meter : new Meter(engine.programs),
          plan: plansOf(i),
        })),
      );
      logits.push(tokenLogits(stepped[0]!).slice());
      states.push(slots[0]!.cache.state(1).slice());
    }
    for (const slot of slots) engine.release(slot);
    return { logits, states, spent: meter.total() };
  }

  const close = (got: Float32Array, expected: Float32Array) => {
    for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 4);
  };

  test("ssm-partial leaves the state that the deeper layer has of the stream at the exit", async () => {
    const [dense, partial] = [await run(plans["dense"]!), await run(plans["partial"]!)];
    for (const [i, state] of dense.states.entries()) close(partial.states[i]!, state);
    // Later tokens match dense: the stream at the exit is the skipped layer's own input.
    for (const i of [2, 3]) close(partial.logits[i]!, dense.logits[i]!);
    expect(partial.spent.flops.overhead).toBeGreaterThan(0);
    // An exited token skips at least the layer's gate and output projections, each between widths 32 and `inner`.
    const saved = dense.spent.flops.spent - partial.spent.flops.spent;
    expect(saved).toBeGreaterThanOrEqual(EARLY.size * 2 * (2 * 32 * inner));
  });

  test("ssm-skip leaves the state as it is, to the last bit", async () => {
    const [dense, skip] = [await run(plans["dense"]!), await run(plans["skip"]!)];
    expect(skip.states[1]).toEqual(skip.states[0]);
    expect(skip.states[2]).toEqual(skip.states[0]);
    expect(skip.states[3]).not.toEqual(skip.states[0]);
    expect(Math.max(...skip.logits[3]!.map((v, i) => Math.abs(v - dense.logits[3]![i]!)))).toBeGreaterThan(1e-3);
    expect(skip.spent.flops.spent).toBeLessThan(dense.spent.flops.spent);
  });

  test("recompute gives later tokens what dense does", async () => {
    const [dense, recompute] = [await run(plans["dense"]!), await run(plans["recompute"]!)];
    for (const i of [2, 3]) close(recompute.logits[i]!, dense.logits[i]!);
  });

  test.each(["partial", "skip", "recompute"])("%s: a row leaves beside others as it does alone", async (plan) => {
    const [alone, together] = [await run(plans[plan]!), await run(plans[plan]!, 3)];
    for (const [i, logits] of alone.logits.entries()) close(together.logits[i]!, logits);
  });
});

test.each([
  ["mamba2", "exit:layer=1,mode=random", "ssm-partial"],
  ["mamba2", "dynamax:rule=softmax-max", "ssm-partial"],
  ["mamba2", "exit:layer=1", "none"],
  ["llama-biased", "exit:layer=1,mode=random", "copy-kv"],
  ["llama-biased", "dynamax:rule=softmax-max", "copy-hidden"],
])("the usual fill of %s under %s is %s", async (name, text, fill) => {
  const { decoder, weights } = await open(name);
  using recipes = new Recipes({ decoder, hash: async () => "" }, async () => {});
  using lease = await recipes.use(parseRecipe([text]));
  const { cuts } = lease.plan(prompt.length);
  expect(cuts.map((cut) => cut.scope === "step" && cut.fill)).toEqual([fill]);
  weights.abandon();
});

test.each([
  [
    "exit:layer=1,mode=random,fill=copy-kv",
    "exit: fill=copy-kv is for attention layers, but the model's are recurrent: expected ssm-partial, ssm-skip, recompute",
  ],
  ["exit:layer=1,fill=verify", "exit: fill=verify is for attention layers"],
])("%s is refused in one sentence", async (text, sentence) => {
  const { decoder, weights } = await open("mamba2");
  const recipes = new Recipes({ decoder, hash: async () => "" }, async () => {});
  await expect(recipes.use(parseRecipe([text]))).rejects.toThrow(sentence);
  weights.abandon();
});
