import { UserError } from "../../util/errors.ts";

/** Allowed patterns: names, digits, classes and alternatives, but no repeated group, which may backtrack for ever. */
const SIMPLE = /^(?:[\w.|^$()*+?:-]|\\[dw.])+$/;
const REPEATED_GROUP = /\)[*+?]/;

/**
 * PEFT's `alpha_pattern`: regular expressions of modules' names, or of the ends of their names after a dot, each with
 * its alpha. The first match wins; undefined if none matches.
 * @throws UserError if one is not a valid expression
 */
export function alphaPattern(
  file: string,
  patterns: Readonly<Record<string, number>>,
): (module: string) => number | undefined {
  const known = Object.entries(patterns).map(([pattern, alpha]) => [expression(file, pattern), alpha] as const);
  return (module) => known.find(([fits]) => fits.test(module))?.[1];
}

function expression(file: string, pattern: string): RegExp {
  try {
    if (SIMPLE.test(pattern) && !REPEATED_GROUP.test(pattern)) return new RegExp(`^(?:.*\\.)?(?:${pattern})$`);
  } catch {
    // Reported below, like any other.
  }
  throw new UserError(
    `${file}: "alpha_pattern" has ${JSON.stringify(pattern)}, expected the name of a module or a simple expression of names`,
  );
}
