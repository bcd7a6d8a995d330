import { z } from "zod";
import { checked } from "../../util/checked.ts";
import { suggest, UserError } from "../../util/errors.ts";

/** Creates a component of a tokenizer.json from its specification, an object with a `type`. */
export type Kind<T> = (specification: unknown) => T;

/** Defines a component type that checks its options first. */
export function kind<S extends z.ZodType, T>(options: S, make: (options: z.output<S>) => T): Kind<T> {
  return (specification) => make(checked(options, specification));
}

/** Creates a component by its type. @throws UserError for an unknown type; the caller adds the file's name */
export function component<T>(what: string, kinds: Readonly<Record<string, Kind<T>>>, specification: unknown): T {
  const { type } = checked(z.looseObject({ type: z.string() }), specification);
  if (!Object.hasOwn(kinds, type)) {
    const names = Object.keys(kinds);
    const hint = suggest(type, names) || `, expected one of ${names.join(", ")}`;
    throw new UserError(`the ${what} "${type}" is not supported${hint}`);
  }
  try {
    return kinds[type]!(specification);
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`the ${what} "${type}": ${error.message}`);
    throw error;
  }
}
