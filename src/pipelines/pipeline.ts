import type { z } from "zod";

/** One way to spend less around models, as lists show it. */
export interface Pipeline {
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  /** Loads the schema of its options. */
  options(): Promise<z.ZodType>;
  /** Absent if requests select the pipeline by a field. */
  readonly naming?: Naming;
}

/** The model names that select a pipeline. */
interface Naming {
  /** True for such a name. */
  is(model: string): boolean;
  /** A name's kind in messages: `a pair of models`. */
  readonly kind: string;
  /** A name's form in help: `A>B@share=0.3`. */
  readonly form: string;
  /** The calls that accept such a name. */
  readonly takers: string;
}

/** The pipeline over a name's models. */
export interface ModelsPipeline extends Pipeline {
  readonly naming: Naming;
  /** Parses a name; undefined if it is another pipeline's. @throws UserError that names the option */
  parse(model: string): Parsed | undefined;
  /** The name of models by role, without options. */
  nameOf(roles: Roles): string;
  /** The role of the model that is dense by itself. */
  readonly dense: string;
  /** The field for its models in a server's list; default `models`. */
  readonly listed?: Field & { of?(named: Named): unknown };
}

/** Options by name. */
export type Values = Readonly<Record<string, unknown>>;

/** Names of models by their parts in a pipeline. */
export type Roles = Readonly<Record<string, string>>;

/** The parts of a name. */
interface Parsed {
  readonly roles: Roles;
  /** The options as written: `n=5`; empty if none. */
  readonly optionText: string;
  /** The options by name, for a pipeline that reads them that way. */
  readonly values?: Values;
}

/** A pipeline over models. */
export interface Named<P extends Pipeline = Pipeline> extends Parsed {
  readonly pipeline: P;
  /** Without its options. */
  readonly name: string;
  /**
   * True if the options are the server's default. Dense then answers requests that differ from the certificate's test;
   * none is refused.
   */
  readonly byDefault?: true;
}

export interface Field {
  readonly field: string;
  readonly schema: z.ZodType;
}

/** A pipeline with its options in the form of recipes: `vote:n=5`. */
export const recipeOf = ({ pipeline, optionText }: Named): string =>
  optionText === "" ? pipeline.name : `${pipeline.name}:${optionText}`;
