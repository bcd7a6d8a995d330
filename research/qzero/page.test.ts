import { describe, expect, test } from "vitest";
import { measuredNotice } from "../../src/pipelines/qzero/measured.ts";
import { checkQZeroOptions, SCORER_KINDS } from "../../src/pipelines/qzero/options.ts";
import { disagreements } from "../common/lab-page.ts";
import { choiceFor, choiceOf, gainText } from "./choice-page.ts";
import { PAGE, type Row, readRows, resultsTable, SECTION } from "./page.ts";

test("the page of qzero says what its results say: npx tsx research/qzero/page.ts", () => {
  expect(disagreements([[PAGE, SECTION, resultsTable()]], [])).toEqual([]);
});

const rows = readRows();
function rowOf(model: string, arm: string, more: Partial<Row> = {}): Row {
  const wanted = { model, arm, task: "topics", telling: 5, topK: 50, ...more };
  const row = rows.find((each) => Object.entries(wanted).every(([key, value]) => each[key as keyof Row] === value));
  if (!row) throw new Error(`no row of ${JSON.stringify(wanted)}`);
  return row;
}
const accuracy = (...of: Parameters<typeof rowOf>) => rowOf(...of).accuracy;

/** Three standard deviations above chance, of 20 labels and 200 texts. */
const CHANCE = 0.05 + 3 * Math.sqrt((0.05 * 0.95) / 200);

describe("the made-up encyclopaedia", () => {
  test.each([0, 5, 10])("word vectors gain 20 points or more with %d of 10 names known", (telling) => {
    expect(rowOf("glove", "replace", { telling }).delta.ci95[0]).toBeGreaterThan(0.2);
  });

  test.each(["glove", "minilm"])("%s: wrong categories lose the whole gain", (model) => {
    for (const arm of ["random articles", "shuffled categories", "categories of the next topic"])
      expect(accuracy(model, arm)).toBeLessThan(CHANCE);
    expect(accuracy(model, "label's name")).toBe(1);
  });

  test.each(["glove", "minilm"])("%s: praise and blame are not helped", (model) => {
    expect(rowOf(model, "replace", { task: "opinions" }).delta.ci95[1]).toBeLessThanOrEqual(0.05);
  });

  test.each(["glove", "minilm"])("%s: ten documents are better than one, and 25 about as good as ten", (model) => {
    const [one, ten, more] = [1, 10, 25].map((topK) => accuracy(model, "replace", { topK }));
    expect(ten).toBeGreaterThan(one!);
    expect(Math.abs(more! - ten!)).toBeLessThan(0.05);
  });

  test.each([5, 10])(
    "word vectors with categories close half of the gap to the plain encoder or more, %d of 10",
    (telling) => {
      const encoder = accuracy("minilm", "plain", { telling });
      const gap = encoder - accuracy("glove", "plain", { telling });
      expect(encoder - accuracy("glove", "replace", { telling })).toBeLessThan(gap / 2);
    },
  );

  test("an encoder gains no less than word vectors: far more if it knows no names, about as much if it knows all", () => {
    const gain = (model: string, telling: number) => rowOf(model, "replace", { telling }).delta.mean;
    expect(gain("minilm", 0)).toBeGreaterThan(gain("glove", 0) + 0.2);
    expect(Math.abs(gain("minilm", 10) - gain("glove", 10))).toBeLessThan(0.05);
  });
});

describe.each(SCORER_KINDS)("the defaults of %s", (kind) => {
  const { chosen, choosing, judged } = choiceFor(kind);
  const gains = new Map(judged.map(({ arm, gain }) => [arm, gain]));

  test("are the setting with the highest gain on the choosing halves", () => {
    expect(Math.max(...choosing.settings.map(({ gain }) => gain))).toBe(choosing.settings[0]!.gain);
    expect(choosing.settings[0]!.qzero).toEqual(chosen);
    expect(checkQZeroOptions({}, kind)).toMatchObject(chosen);
  });

  test("are not shown to be better than the text alone, and the notice says the judged gain", () => {
    expect(gains.get("chosen")!.ci95[0]).toBeLessThanOrEqual(0);
    expect(measuredNotice(kind)).toContain(gainText(gains.get("chosen")!));
  });

  test("lose less than the default before, which was worse than the text alone", () => {
    const [, high] = gains.get("default before")!.ci95;
    expect(high).toBeLessThan(0);
    expect(gains.get("chosen")!.mean).toBeGreaterThan(high);
  });
});

test("no gate calibrated on bge-small's scores is shown to be better than the text alone or than random gates", () => {
  const { gate, choosing } = choiceOf("bge-small");
  expect(gate!.qzero).toEqual(choosing.settings.find(({ qzero }) => qzero.when === "margin")!.qzero);
  expect(gate!.gain.ci95[0]).toBeLessThanOrEqual(0);
  expect(gate!.overRandom.ci95[0]).toBeLessThanOrEqual(0);
});
