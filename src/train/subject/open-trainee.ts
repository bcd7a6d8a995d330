import { distance } from "fastest-levenshtein";
import { few, suggest, UserError } from "../../util/errors.ts";
import { wildcard } from "../../util/wildcard.ts";
import { nothingFrozen } from "../freeze/frozen.ts";
import type { Trainee } from "../graphs/graphs.ts";
import { AUTO, type TrainOptions } from "../options.ts";
import { type JoinedTensors, ParameterStore } from "../step/parameters.ts";
import { weightsOf } from "../step/passes.ts";

/**
 * Opens a model and its parameters, without values. Parameters that match a pattern of `train` and are not frozen are
 * trained; without patterns, all match.
 * @throws UserError for a pattern without a match
 */
export function openTrainee(
  model: Omit<Trainee, "trained">,
  { train, freeze }: Partial<Pick<TrainOptions, "train" | "freeze">>,
  frozenOf: (joined: readonly JoinedTensors[]) => (name: string) => boolean = () => nothingFrozen,
) {
  const joined = weightsOf({ ...model, trained: () => false });
  const names = joined.flatMap(({ sizes }) => Object.keys(sizes));
  const [wanted, masked, frozen] = [trainedBy(train ?? [], names), frozenOf(joined), frozenIn(freeze, names)];
  const trained = (name: string) => wanted(name) && !masked(name) && !frozen(name);
  const store = new ParameterStore(joined, trained);
  const trainee: Trainee = { ...model, trained };
  const whole: Trainee = { ...model, trained: () => true };
  return { trainee, whole, store, [Symbol.dispose]: () => store[Symbol.dispose]() };
}

/**
 * Returns a test for names that the option `freeze` lists. While `auto` reads gradients, nothing is frozen.
 * @throws UserError for a pattern without a match, or if nothing is left to train
 */
export function frozenIn(freeze: TrainOptions["freeze"], names: readonly string[]): (name: string) => boolean {
  if (freeze === undefined || freeze === AUTO || freeze.length === 0) return nothingFrozen;
  const frozen = trainedBy(freeze, names, "freeze");
  if (names.every(frozen)) throw new UserError("freeze: every parameter is frozen; leave at least one to train", 2);
  return frozen;
}

/**
 * Returns a test for names that match a pattern, in which `*` is any part of a name; an empty list matches all.
 * @throws UserError for a pattern without a match
 */
export function trainedBy(
  patterns: readonly string[],
  names: readonly string[],
  option = "train",
): (name: string) => boolean {
  if (patterns.length === 0) return () => true;
  const tests = patterns.map((pattern) => {
    const test = wildcard(pattern);
    if (names.some((name) => test.test(name))) return test;
    const near =
      (option === "freeze" && suggest(pattern, [AUTO])) || `; the nearest names are ${few(nearestOf(pattern, names))}`;
    throw new UserError(`${option}: no parameter is named "${pattern}"${near}`, 2);
  });
  return (name) => tests.some((test) => test.test(name));
}

/**
 * The three names nearest to a pattern, ignoring asterisks, and ignoring a name's last part if the pattern lacks it.
 */
function nearestOf(pattern: string, names: readonly string[]): string[] {
  const text = pattern.replaceAll("*", "");
  const short = (name: string) => (/\.(weight|bias)$/.test(text) ? name : name.replace(/\.(weight|bias)$/, ""));
  const far = new Map(names.map((name) => [name, distance(text, short(name))]));
  return [...far.keys()].sort((a, b) => far.get(a)! - far.get(b)!).slice(0, 3);
}
