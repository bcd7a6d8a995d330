import { expect, test } from "vitest";
import { readSweep } from "./grid.ts";

const settingsOf = (sweep: unknown) => readSweep(sweep).settings;
const base = { model: "some", data: "a.txt" };

test("every combination is a run; the last option's values change fastest", () => {
  const grid = { "optimizer.lr": [1e-3, 3e-4], "lora.rank": [4, 8], seed: [0, 1] };
  const settings = settingsOf({ ...base, optimizer: { lr: 1, momentum: 0.5 }, grid });
  expect(settings).toHaveLength(8);
  expect(settings[1]).toMatchObject({
    name: "lr=0.001,rank=4,seed=1",
    options: { optimizer: { lr: 1e-3, momentum: 0.5, beta1: 0.9 }, lora: { rank: 4, alpha: 16 }, seed: 1 },
  });
  expect(settings[7]).toMatchObject({ name: "lr=0.0003,rank=8,seed=1", options: { lora: { rank: 8 } } });
});

test("names are unique, and safe for file systems", () => {
  const names = (grid: object) => settingsOf({ ...base, grid }).map(({ name }) => name);
  expect(names({ "optimizer.name": ["sgd"], "schedule.name": ["linear"] })).toEqual([
    "optimizer.name=sgd,schedule.name=linear",
  ]);
  expect(names({ data: ["../a b.txt", "..:a/b.txt", "..-A-B.txt"] })).toEqual([
    "data=..-a-b.txt",
    "data=..-a-b.txt~2",
    "data=..-A-B.txt~3",
  ]);
});

test("an architecture's fields may be in a grid", () => {
  const [, deep] = settingsOf({
    ...{ data: "a.txt", architecture: { model_type: "llama", hidden_size: 32 } },
    grid: { "architecture.num_hidden_layers": [1, 2] },
  });
  expect(deep!.options.architecture).toEqual({ model_type: "llama", hidden_size: 32, num_hidden_layers: 2 });
});

test.each([
  [[1, 2], "expected an object with a sweep's options, got [1,2]"],
  [{ ...base }, '"grid": expected options with lists of values, got nothing'],
  [{ ...base, grid: {} }, '"grid": expected options with lists of values, got {}'],
  [{ ...base, grid: { seed: 3 } }, '"grid.seed": expected a list of values, got 3'],
  [{ ...base, grid: { "optimiser.lr": [1] } }, 'grid: there is no option "optimiser.lr"; did you mean "optimizer.lr"?'],
  [{ ...base, grid: { "lora.rank": [4, 4] } }, "grid: lora.rank has 4 twice"],
  [
    { ...base, grid: { seed: [0, 1] }, screen: "halving" },
    "screen: only runs with the same seed can be compared; remove seed from the grid",
  ],
  [{ ...base, grid: { seed: [0, 1] }, screen: { window: 2 } }, '"screen.window": must be at most 0.5 (got 2)'],
  [{ ...base, grid: { seed: [0, "one"] } }, 'run seed=one: "seed": expected number, got "one"'],
])("%j is refused", (sweep, message) => {
  expect(() => settingsOf(sweep)).toThrow(message);
});

test("a screen is a mode, or a mode with its options; without one it is off", () => {
  const screenOf = (screen?: unknown) =>
    readSweep({ ...base, grid: { "optimizer.lr": [1, 2] }, ...(screen !== undefined && { screen }) }).screen;
  expect(screenOf().mode).toBe("off");
  expect(screenOf({})).toMatchObject({ mode: "halving", window: 0.1, keep: 2 });
  expect(screenOf("paper")).toMatchObject({ mode: "paper", lossWeight: 1, normWeight: 0.5 });
  expect(screenOf({ mode: "report", keep: 3 })).toMatchObject({ mode: "report", keep: 3 });
});
