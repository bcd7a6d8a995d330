import { z } from "zod";
import { parseRow } from "../../util/data/row.ts";
import { rowsOf } from "../../util/data/rows.ts";
import { UserError } from "../../util/errors.ts";
import { filesOf } from "../../weights/sources/data-place.ts";
import type { LabelItem } from "../item.ts";
import { auroc, labelAccuracy } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { drawn } from "./draw.ts";
import { type Family, readOptions } from "./family.ts";

const options = z.strictObject({ file: z.string("expected the file with the texts and their labels") });

/** Texts and their labels in two columns of a table; the choices are all labels that occur, in alphabetical order. */
function family(name: string, summary: string, size: number, column: string, from: string): Family {
  const metadata = { summary, kind: "label", size, metrics: [labelAccuracy, auroc] } as const;
  return {
    ...metadata,
    name,
    source: from,
    usage: "FILE",
    make(text): TaskOf<"label"> {
      const { file } = readOptions(name, options, text, "file");
      return { ...metadata, name: `${name}:${text}`, source: file, items: (run) => itemsOf(file, column, run) };
    },
  };
}

const cell = z.string("expected a text");

async function* itemsOf(file: string, column: string, run: ItemsFor): AsyncGenerator<LabelItem> {
  const row = z.object({ text: cell, [column]: cell });
  const [path] = await filesOf(file, run);
  const rows: { text: string; label: string; number: number }[] = [];
  for await (const each of rowsOf(path!)) {
    const values = parseRow(row, each);
    rows.push({ text: values["text"]!, label: readable(values[column]!), number: each.number });
  }
  const labels = [...new Set(rows.map(({ label }) => label))].sort();
  if (labels.length < 2) throw new UserError(`${file}: expected two labels or more, got ${labels.length}`);
  for (const { text, label, number } of drawn(rows, run))
    yield { kind: "label", id: String(number), text, labels, gold: labels.indexOf(label) };
}

const readable = (label: string): string => label.replaceAll("_", " ");

export const banking77 = family(
  "banking77",
  "Which of 77 topics a bank customer writes about: Banking77, test (arXiv 2003.04807, CC BY 4.0)",
  3080,
  "category",
  "FILE: banking_data/test.csv of github.com/PolyAI-LDN/task-specific-datasets",
);

export const tagmynews = family(
  "tagmynews",
  "Which of 7 sections a headline belongs to: TagMyNews, test",
  6517,
  "category_name",
  "FILE: the data set's test table of github.com/rsinghlab/QZERO",
);
