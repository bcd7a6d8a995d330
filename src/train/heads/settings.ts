/** Trainable heads: a language model's, a classifier's, or an embedding model's. */
export const heads = ["lm", "classes", "embedding"] as const;
export type HeadKind = (typeof heads)[number];

/** A head over whole texts, as a run's data require. */
export type TextHeadSettings =
  | { readonly kind: "classes"; readonly labels: readonly string[] }
  | { readonly kind: "embedding" };
export type TextHeadKind = TextHeadSettings["kind"];
