import { UserError } from "../../../util/errors.ts";
import { DIGITS } from "./decimal.ts";
import type { Forest, Node } from "./forest.ts";
import type { Keywords } from "./keywords.ts";
import { type Bound, Magnitudes } from "./magnitudes.ts";

/** Two bounds on numbers, each optional; `whole`: integers only. */
export interface Bounds {
  readonly low: Bound;
  readonly high: Bound;
  readonly whole: boolean;
}

/** The bounds on a schema's numbers; undefined if the schema sets none. */
export function boundsOf(words: Keywords, integer: boolean): Bounds | undefined {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = words;
  const whole = integer || multipleOf !== undefined;
  const all = [minimum, maximum, exclusiveMinimum, exclusiveMaximum];
  if (!whole && all.every((bound) => bound === undefined)) return undefined;
  const low = tighter(Math.max, minimum ?? Number.NEGATIVE_INFINITY, exclusiveMinimum ?? Number.NEGATIVE_INFINITY);
  const high = tighter(Math.min, maximum ?? Number.POSITIVE_INFINITY, exclusiveMaximum ?? Number.POSITIVE_INFINITY);
  return { low, high, whole };
}

function tighter(of: typeof Math.max, closed: number, open: number): Bound {
  const at = of(closed, open);
  return { at, open: at === open && Number.isFinite(at) };
}

/** Larger numbers are never written, because a double may not keep all of their digits. */
const MOST = 10 ** DIGITS - 1;

/** Returns the numbers within the bounds, as JSON without an exponent. @throws UserError if no number fits */
export function numberNode(forest: Forest, { low, high, whole }: Bounds): Node {
  if (low.at > MOST || high.at < -MOST) throw new UserError(`numbers of more than ${DIGITS} digits cannot be enforced`);
  const [least, most] = [clamp(low), clamp(high)];
  const positive = new Magnitudes(forest, most.at, whole).between(floor(least), most);
  const turned = { at: -most.at, open: most.open };
  const negative = new Magnitudes(forest, -least.at, whole).between(floor(turned), negated(least));
  const node = forest.alt([positive, forest.seq(forest.text("-"), negative)]);
  if (node.kind === "none") throw new UserError(`no number lies within its bounds`);
  return node;
}

const negated = ({ at, open }: Bound): Bound => ({ at: -at, open });
const clamp = ({ at, open }: Bound): Bound =>
  Math.abs(at) > MOST ? { at: Math.sign(at) * MOST, open: false } : { at, open };
/** Below 0, every number is written with a sign. */
const floor = ({ at, open }: Bound): Bound => (at < 0 ? { at: 0, open: false } : { at, open });
