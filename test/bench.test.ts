import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { Child } from "../bench/child.ts";
import { type Bench, benchOptions, measure, type Side, type Sides } from "../bench/harness.ts";
import { find, list, run } from "../bench/index.ts";
import { median, summarise, table } from "../bench/report.ts";

const fixtures = fileURLToPath(new URL("../src/models/fixtures/", import.meta.url));
const options = benchOptions.parse({ path: "none.gguf", rounds: 5 });

/** A side of a comparison that returns the values in turn and logs its calls. */
function scripted(name: string, values: number[], log: string[]): Side {
  let next = 0;
  return {
    name,
    start: async () => void log.push(`start ${name}`),
    stop: async () => void log.push(`stop ${name}`),
    async run() {
      log.push(name);
      const value = values[next++];
      if (value === undefined) throw new Error(`${name} has run dry`);
      return value;
    },
  };
}

function scriptedBench(
  ours: number[],
  theirs: number[],
  changes: Partial<Bench> = {},
): { bench: Bench; log: string[] } {
  const log: string[] = [];
  const sides = () => ({ ours: scripted("ours", ours, log), theirs: scripted("theirs", theirs, log) });
  return { log, bench: { name: "b", unit: "tok/s", moreIsBetter: true, lifetime: "kept", sides, ...changes } };
}

describe("measure", () => {
  it("warms both sides once, then takes turns, and stops both", async () => {
    const { bench, log } = scriptedBench([9, 1, 2, 3, 4, 5], [9, 1, 1, 1, 1, 1]);
    const { rounds } = await measure(bench, options);
    const turns = Array.from({ length: 5 }, () => ["ours", "theirs"]).flat();
    expect(log).toEqual(["start ours", "ours", "start theirs", "theirs", ...turns, "stop ours", "stop theirs"]);
    expect(rounds.map((r) => r.ours)).toEqual([1, 2, 3, 4, 5]);
  });

  it("starts and stops fresh sides around every run", async () => {
    const { bench, log } = scriptedBench([9, 1, 1, 1, 1, 1], [9, 1, 1, 1, 1, 1], { lifetime: "fresh" });
    await measure(bench, options);
    const once = ["start ours", "ours", "stop ours", "start theirs", "theirs", "stop theirs"];
    expect(log).toEqual(Array.from({ length: 6 }, () => once).flat());
  });

  it("measures a third side in the same rounds, outside the ratio", async () => {
    const { bench, log } = scriptedBench([9, 2, 2, 2, 2, 2], [9, 1, 1, 1, 1, 1]);
    const pair = bench.sides(options) as Sides;
    const three = { ...bench, sides: () => ({ ...pair, beside: scripted("beside", [9, 5, 6, 7, 8, 9], log) }) };
    const outcome = await measure(three, options);
    expect(summarise(outcome)).toMatchObject({ ratio: 2, beside: { name: "beside", value: 7 } });
    expect(log.filter((line) => line === "beside")).toHaveLength(6);
    expect(log.at(-1)).toBe("stop beside");
  });

  it("runs a bench with its own number of rounds that often, without a warm-up", async () => {
    const { bench, log } = scriptedBench([1, 2], [1, 2], { lifetime: "fresh", rounds: 2 });
    expect((await measure(bench, options)).rounds.map((r) => r.ours)).toEqual([1, 2]);
    expect(log.filter((line) => line === "ours")).toHaveLength(2);
  });

  it("inverts the ratio so that above 1 is good for us", async () => {
    const faster = scriptedBench([9, 4, 4, 4, 4, 4], [9, 2, 2, 2, 2, 2]);
    const smaller = scriptedBench([9, 2, 2, 2, 2, 2], [9, 4, 4, 4, 4, 4], { unit: "ms", moreIsBetter: false });
    expect((await measure(faster.bench, options)).rounds[0]!.ratio).toBe(2);
    expect((await measure(smaller.bench, options)).rounds[0]!.ratio).toBe(2);
  });

  it.each(["kept", "fresh"] as const)("stops all started sides when a %s side fails", async (lifetime) => {
    const { bench, log } = scriptedBench([9, 1], [9, 1, 1], { lifetime });
    await expect(measure(bench, options)).rejects.toThrow("ours has run dry");
    for (const name of ["ours", "theirs"]) {
      const count = (text: string) => log.filter((entry) => entry === text).length;
      expect(count(`stop ${name}`)).toBe(count(`start ${name}`));
    }
  });

  it("refuses fewer than five rounds", () => {
    expect(() => benchOptions.parse({ path: "x", rounds: 4 })).toThrow();
  });
});

describe("the result", () => {
  it("takes the median of the rounds' ratios, not the ratio of the medians", async () => {
    const { bench } = scriptedBench([9, 2, 3, 4, 50, 60], [9, 1, 3, 1, 10, 100]);
    const outcome = await measure({ ...bench, floor: async () => 123.456 }, options);
    expect(summarise(outcome)).toMatchObject({
      ...{ bench: "b", model: "smollm2", unit: "tok/s", peer: "theirs" },
      ...{ ours: 4, theirs: 3, ratio: 2, runs: 5, spread: [0.6, 5], floor: 123.5 },
    });
    expect(Object.keys(summarise(outcome))).toEqual(
      ["bench", "model", "unit", "ours", "peer", "theirs", "ratio", "runs", "spread", "machine", "floor"], // biome-ignore format: one line
    );
    const lines = table(outcome).split("\n");
    expect(lines).toHaveLength(1 + 5 + 2);
    expect(lines.at(-2)).toMatch(/^median +4 +3 +2$/);
  });

  it("names the compared savings, if the bench takes them", async () => {
    const { bench } = scriptedBench([9, 1, 1, 1, 1, 1], [9, 1, 1, 1, 1, 1], { saves: true });
    const save = ["exit:layer=20"];
    expect(summarise(await measure(bench, { ...options, save }))).toMatchObject({ save });
  });

  it("has no floor if none is known", async () => {
    const { bench } = scriptedBench([9, 1, 1, 1, 1, 1], [9, 1, 1, 1, 1, 1]);
    const outcome = await measure(bench, options);
    expect(summarise(outcome)).not.toHaveProperty("floor");
    expect(table(outcome)).not.toContain("floor");
  });

  it("computes the median of odd and even counts", () => {
    expect([median([10, 9, 100]), median([4, 1, 3, 2])]).toEqual([10, 2.5]);
  });
});

describe("the registry", () => {
  it("lists benches, each of which loads under its own name", async () => {
    expect(list().map((b) => b.name)).toEqual(expect.arrayContaining(["decode", "prefill", "cold", "memory"]));
    for (const { name } of list()) expect((await find(name)).name).toBe(name);
  });

  it("suggests the nearest name", async () => {
    await expect(run("decod", { path: "x" })).rejects.toThrow('no bench is called "decod"; did you mean "decode"?');
  });

  it("requires savings if a bench compares them, and refuses them otherwise", async () => {
    await expect(run("complete", { path: "x" })).rejects.toThrow("complete: expected --save, the savings to compare");
    await expect(run("exit", { path: "x", save: ["sec"] })).rejects.toThrow(
      "exit has its own recipes; expected no --save",
    );
  });
});

describe("the llama.cpp child", () => {
  let child: Child | undefined;
  afterEach(() => child?.stop());

  it("returns transformers' greedy tokens, and the same twice from an empty cache", async () => {
    const { models } = JSON.parse(readFileSync(`${fixtures}llama-tiny.json`, "utf8")) as {
      models: { file: string; prompt: number; tokens: number[] }[];
    };
    const { file, prompt, tokens } = models[0]!;
    child = await Child.start("peer/llama.ts");
    await child.call("load", { model: fixtures + file, context: 256 });
    for (let time = 0; time < 2; time++) {
      const decoded = await child.call("decode", { tokens: tokens.slice(0, prompt), n: 9 });
      expect(decoded.tokens).toEqual(tokens.slice(prompt));
      expect(decoded.seconds).toBeGreaterThan(0);
    }
    expect((await child.call("prefill", { tokens })).seconds).toBeGreaterThan(0);
    expect((await child.call("peak", {})).bytes).toBeGreaterThan(20e6);
  });

  it("passes its errors on and stays alive", async () => {
    child = await Child.start("peer/llama.ts");
    for (let time = 0; time < 2; time++)
      await expect(child.call("prefill", { tokens: [1] })).rejects.toThrow("no model is loaded");
  });

  it("is reported when it has died", async () => {
    child = await Child.start("peer/llama.ts");
    await child.stop();
    await expect(child.call("peak", {})).rejects.toThrow('the process died during "peak"');
  });
});
