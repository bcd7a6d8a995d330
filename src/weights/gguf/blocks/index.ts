import type { GgmlType } from "../types.ts";
import { codebookForms } from "./codebook.ts";
import type { BlockForm } from "./form.ts";
import { kForms, Q3_K_PRODUCTS } from "./k.ts";
import { plainForms } from "./plain.ts";

export { type BlockForm, emptyGroups, type Groups } from "./form.ts";

const forms: Partial<Record<GgmlType, BlockForm>> = { ...plainForms, ...kForms, ...codebookForms };

/** The layout of `type`'s blocks; undefined for types without blocks and unsupported ones. */
export function blockForm(type: GgmlType): BlockForm | undefined {
  return forms[type];
}

/** Like `blockForm`; if a type has several group sizes, the best one for the kernels. */
export function productForm(type: GgmlType): BlockForm | undefined {
  return type === "Q3_K" ? Q3_K_PRODUCTS : forms[type];
}
