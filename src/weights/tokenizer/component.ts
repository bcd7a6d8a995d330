import { z } from "zod";
import { suggest, UserError } from "../../util/errors.ts";

/** What makes a component of a tokenizer.json from its specification, an object with a `type`. */
export type Kind<T> = (specification: unknown) => T;

/** A kind whose options are checked before it is made. */
export function kind<S extends z.ZodType, T>(options: S, make: (options: z.output<S>) => T): Kind<T> {
  return (specification) => make(parsed(options, specification));
}

/** Throws a `UserError` (without the file's name, which the caller knows) for a type that no kind is named after. */
export function component<T>(what: string, kinds: Readonly<Record<string, Kind<T>>>, specification: unknown): T {
  const { type } = parsed(z.looseObject({ type: z.string() }), specification);
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

/** `value` as `schema` reads it, or a `UserError` that names the field. */
export function parsed<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const reason = message.replace(/^Invalid (input|option): /, "");
  throw new UserError(path.length === 0 ? reason : `"${path.join(".")}": ${reason}`);
}
