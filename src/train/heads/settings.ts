/** Trainable heads: a language model's, a classifier's, or an embedding model's. */
export const heads = ["lm", "classes", "embedding"] as const;
export type HeadKind = (typeof heads)[number];

/** The head over whole texts that a run's data require. */
export type TextHeadSettings =
  | { readonly kind: "classes"; readonly labels: readonly string[] }
  | { readonly kind: "embedding" };
export type TextHeadKind = TextHeadSettings["kind"];
