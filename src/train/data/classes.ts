import { inFile, UserError } from "../../util/errors.ts";
import type { Batch } from "./batch.ts";
import { got, type TextReading } from "./reading.ts";
import type { LabelledRecord, PlacedRecord } from "./records.ts";
import { byLength, inRows, type TextSample, type TextSamples } from "./text-rows.ts";

/**
 * Reads texts with class labels. The classes are the model's own if they include every label in the data, else the
 * data's labels, sorted.
 * @throws UserError with file and line
 */
export function classesOf(records: readonly PlacedRecord[], reading: TextReading, limit: number): TextSamples {
  const all = records.map(({ where, record }) => inFile(where, () => ({ where, ...labelled(record) })));
  const labels = labelsOf(
    all.map(({ label }) => label),
    reading.labels,
  );
  const places = new Map(labels.map((label, i) => [label, i]));
  const samples = all.map(({ where, text, label }) => ({
    texts: [inFile(where, () => reading.read(text, "classes", limit))],
    label: places.get(label)!,
  }));
  return { head: { kind: "classes", labels }, samples, batch: classBatch };
}

function labelled(record: PlacedRecord["record"]): { text: string; label: string } {
  if (record.kind === "labelled") return { text: record.text, label: nameOf(record) };
  throw new UserError(`expected "text" and "label" to train a classifier, got ${got(record)}`);
}

/** An unnamed class is named after its number, as in transformers. */
const nameOf = ({ label }: LabelledRecord): string => (typeof label === "string" ? label : `LABEL_${label}`);

function labelsOf(used: readonly string[], known: readonly string[]): readonly string[] {
  if (used.every((label) => known.includes(label))) return known;
  const labels = [...new Set(used)].sort(new Intl.Collator("en", { numeric: true }).compare);
  if (labels.length > 1) return labels;
  throw new UserError(`all texts have the label "${labels[0]}", expected at least two labels`);
}

function classBatch(samples: readonly TextSample[]): Batch {
  const sorted = samples.toSorted((a, b) => byLength(a.texts[0]!, b.texts[0]!));
  return {
    ...inRows(sorted.flatMap(({ texts }) => texts)),
    labels: Int32Array.from(sorted, ({ label }) => label!),
    ...{ labelled: samples.length, samples: samples.length },
  };
}
