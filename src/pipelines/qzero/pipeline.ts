import type { LabelResources, ReadTerms } from "../labelling.ts";
import type { QZeroRequest } from "./classifier.ts";

export const qzero = {
  name: "qzero",
  group: "classification",
  summary: "label a text by categories of found documents: --via qzero",
  options: async () => (await import("./options.ts")).qzeroOptions,
  /** Fields of `POST /v1/classify`. */
  fields: () => import("./fields.ts"),
  /** Flags of `classify --via`. */
  flags: () => import("./flags.ts"),
  async classify(resources: LabelResources, texts: readonly string[], request: QZeroRequest, terms: ReadTerms) {
    const { QZeroClassifier } = await import("./classifier.ts");
    return new QZeroClassifier(resources).classify(texts, request, terms);
  },
};
