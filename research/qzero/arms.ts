import { z } from "zod";
import type { QZeroInput } from "../../src/index.ts";
import type { CategorisedDocument } from "../../src/pipelines/qzero/documents.ts";
import type { Corpus } from "./retrieved.ts";

const documentKinds = ["found", "shuffled", "random"] as const;
const readings = ["replace", "append", "interpolate", "margin", "filtered"] as const;

/** One way to classify: `append@10`, or with control documents `shuffled-append@10`. */
export interface Arm {
  readonly name: string;
  readonly qzero: QZeroInput;
  documents(corpus: Corpus, place: number): readonly CategorisedDocument[];
}

/** `plain` looks nothing up; the number counts documents. @throws for another name */
export function armOf(name: string): Arm {
  if (name === "plain") return { name, qzero: { when: "always" }, documents: () => [] };
  const [, kind = "found", reading, count] = /^(?:(\w+)-)?(\w+)@(\d+)$/.exec(name) ?? [];
  const options = optionsOf[z.enum(readings).parse(reading)];
  return {
    name,
    qzero: { ...options, topK: Number(count) },
    documents: documentsOf[z.enum(documentKinds).parse(kind)],
  };
}

const optionsOf: Readonly<Record<(typeof readings)[number], QZeroInput>> = {
  replace: { mode: "replace", when: "always" },
  append: { mode: "append", when: "always" },
  interpolate: { mode: "interpolate", alpha: 0.5, when: "always" },
  margin: { mode: "append", when: "margin", margin: 0.05 },
  filtered: { mode: "replace", when: "always", categoryFilter: true },
};

const documentsOf: Readonly<Record<(typeof documentKinds)[number], Arm["documents"]>> = {
  found: (corpus, place) => corpus.found[place]!.documents,
  shuffled: (corpus, place) => corpus.shuffled(place),
  random: (corpus, place) => corpus.random(place),
};
