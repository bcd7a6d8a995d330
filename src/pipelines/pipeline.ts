import type { z } from "zod";

/** A method that saves compute by choosing or combining whole models, as shown in lists. */
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
  /** True if the name selects this pipeline. */
  is(model: string): boolean;
  /** A name's kind in messages: `a pair of models`. */
  readonly kind: string;
  /** A name's syntax in help: `A>B@share=0.3`. */
  readonly form: string;
  /** The commands and endpoints that accept names of this kind. */
  readonly takers: string;
}

/** A pipeline that a name of models selects. */
export interface ModelsPipeline extends Pipeline {
  readonly naming: Naming;
  /** Parses a name; undefined if the name selects a different pipeline. @throws UserError that names the option */
  parse(model: string): ParsedName | undefined;
  /** The pipeline's name for these models, without options. */
  nameOf(roles: Roles): string;
  /** The role of the model that, run alone, counts as dense. */
  readonly dense: string;
  /** The field of an entry in the server's list that holds the pipeline's models; default `models`. */
  readonly listed?: Field & { of?(named: NamedPipeline): unknown };
}

/** Options by name. */
export type Values = Readonly<Record<string, unknown>>;

/** The names of a pipeline's models, by role. */
export type Roles = Readonly<Record<string, string>>;

/** The parts of a name. */
interface ParsedName {
  readonly roles: Roles;
  /** The options as written: `n=5`; empty if none. */
  readonly optionText: string;
  /** The options by name, if the pipeline parses them. */
  readonly values?: Values;
}

/** A pipeline with its models and options. */
export interface NamedPipeline<P extends Pipeline = Pipeline> extends ParsedName {
  readonly pipeline: P;
  /** The name without the options. */
  readonly name: string;
  /**
   * True if the options are the server's default. Requests that differ from the certificate's test data are then
   * answered densely, not refused.
   */
  readonly byDefault?: true;
}

export interface Field {
  readonly field: string;
  readonly schema: z.ZodType;
}

/** A pipeline with its options in recipe syntax: `vote:n=5`. */
export const recipeOf = ({ pipeline, optionText }: NamedPipeline): string =>
  optionText === "" ? pipeline.name : `${pipeline.name}:${optionText}`;
