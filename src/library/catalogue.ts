import { z } from "zod";
import { pipelines } from "../pipelines/registry.ts";
import { savings } from "../savings/registry.ts";
import type { Seam } from "../savings/seams.ts";
import { methods } from "../train/methods/registry.ts";

/** A saving inside a model, a pipeline around models, or a training method. */
export interface CatalogueEntry {
  readonly kind: "saving" | "pipeline" | "method";
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  /** The JSON schema of the entry's options. */
  readonly options: z.core.JSONSchema.BaseSchema;
  readonly needs: readonly Seam[];
}

const schemaOf = (options: z.ZodType) => z.toJSONSchema(options, { io: "input" });

/** Every saving, pipeline and method. */
export const catalogue = async (): Promise<CatalogueEntry[]> => [
  ...savings.map(
    ({ name, group, summary, needs, options }): CatalogueEntry => ({
      ...{ kind: "saving", name, group, summary, options: schemaOf(options), needs },
    }),
  ),
  ...(await Promise.all(
    pipelines.map(
      async ({ name, group, summary, options }): Promise<CatalogueEntry> => ({
        ...{ kind: "pipeline", name, group, summary, options: schemaOf(await options()), needs: [] },
      }),
    ),
  )),
  ...methods.map(
    ({ name, summary, options }): CatalogueEntry => ({
      ...{ kind: "method", name, group: "training", summary, options: schemaOf(options), needs: [] },
    }),
  ),
];
