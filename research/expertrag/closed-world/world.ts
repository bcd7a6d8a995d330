import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { type Attribute, attributes, begun, familyNames, firstNames, openings } from "./words.ts";

/** Half of the entities are in the training data; the facts of all are in the corpus. */
export const ENTITIES = 240;
/** The share of facts that the corpus states wrongly. */
export const POISONED = 0.2;
/** Known entities of rank r come with weight r^−0.8. */
const POWER = 0.8;
/** How many samples there are of each kind. */
interface Samples {
  readonly facts: number;
  readonly readings: number;
  readonly reflections: number;
  readonly copies: number;
}
const BASE: Samples = { facts: 16_000, readings: 20_000, reflections: 4_000, copies: 6_000 };
const WORLD: Samples = { facts: 20_000, readings: 1_500, reflections: 4_000, copies: 0 };
/** Words of a text to copy, at least and at most. */
const COPIED = [3, 8] as const;
/** Passages of a context. */
export const PASSAGES = 3;

/** A random source with the draws that a world needs. */
export class Draw {
  constructor(readonly random: () => number) {}
  below = (n: number): number => Math.floor(this.random() * n);
  of = <T>(all: readonly T[]): T => all[this.below(all.length)]!;
  shuffled = <T>(all: readonly T[]): T[] => shuffle([...all], this.random);
}

export interface Fact {
  readonly id: string;
  readonly entity: number;
  readonly attribute: number;
  readonly value: string;
  /** The value in the corpus: a wrong one if the fact is poisoned. */
  readonly told: string;
}

export interface World {
  readonly names: readonly string[];
  /** Entities below it are known; their rank is their number. */
  readonly known: number;
  readonly facts: readonly Fact[];
}

/** The world of the base; the others have other names. */
const BASE_SEED = 0;

export function makeWorld(seed: number): World {
  const draw = new Draw(seededRandom(seed));
  const pairs = firstNames.flatMap((first) => familyNames.map((family) => `${first} ${family}`));
  const taken = seed === BASE_SEED ? new Set<string>() : new Set(makeWorld(BASE_SEED).names);
  const names = draw.shuffled(pairs.filter((pair) => !taken.has(pair))).slice(0, ENTITIES);
  const facts = names.flatMap((_, entity) =>
    attributes.map(({ values }, attribute) => {
      const [value, other] = draw.shuffled(values) as [string, string];
      const told = draw.random() < POISONED ? other : value;
      return { id: `${entity}-${attribute}`, entity, attribute, value, told };
    }),
  );
  return { names, known: ENTITIES / 2, facts };
}

/** Thresholds are found on the questions about even entities, and judged on the others. */
export const isTest = (entity: number): boolean => entity % 2 === 1;

/** An entity's frequency in the training data, relative to the first entity's. */
export const weightOf = (rank: number): number => (rank + 1) ** -POWER;

export const passageOf = ({ names }: World, { entity, attribute, told }: Fact): string =>
  `${begun(names[entity]!, attributes[attribute]!)} ${told}.`;

export const questionOf = ({ names }: World, { entity, attribute }: Fact, way: number): string =>
  `${openings[way]!} ${begun(names[entity]!, attributes[attribute]!)}`;

/** The prompts of the three calls; each text begins with a space, so that each word is one token. */
export const plainPrompt = (question: string): string => ` ${question}`;
export const readingPrompt = (passages: readonly string[], question: string): string =>
  ` ${passages.join(" ")} ${question}`;
export const reflectionPrompt = (question: string): string => ` known? ${question}`;

interface Sample {
  readonly prompt: string;
  readonly completion: string;
}

/**
 * Training data: facts of known entities by their weight; contexts about unknown names, and words to copy, which teach
 * reading; and questions of whether a name is known, for self-reflection.
 */
function samples(world: World, count: Samples, seed: number): Sample[] {
  const draw = new Draw(seededRandom(seed + 1000));
  const strangers = new Strangers(world, draw);
  const known = knownFacts(world, draw);
  const times = (count: number, make: () => Sample) => Array.from({ length: count }, make);
  return draw.shuffled([
    ...times(count.facts, () => factSample(world, known(), draw)),
    ...times(count.readings, () => readingSample(strangers, draw)),
    ...times(count.reflections, () => reflectionSample(world, known, strangers, draw)),
    ...times(count.copies, () => copySample(draw)),
  ]);
}

/** The common beginning of all worlds: it teaches to read, and the facts of another world, which has none of their names. */
export const baseData = (): Sample[] => samples(makeWorld(BASE_SEED), BASE, BASE_SEED);

/** The facts of a world, with enough contexts that reading is not forgotten. */
export const worldData = (seed: number): Sample[] => samples(makeWorld(seed), WORLD, seed);

/** Draws known facts by their entities' weights. */
function knownFacts({ facts, known }: World, draw: Draw): () => Fact {
  const weights = Array.from({ length: known }, (_, rank) => weightOf(rank));
  const total = weights.reduce((sum, w) => sum + w, 0);
  return () => {
    let rest = draw.random() * total;
    let entity = 0;
    while (entity < known - 1 && rest >= weights[entity]!) rest -= weights[entity++]!;
    return facts[entity * attributes.length + draw.below(attributes.length)]!;
  };
}

const opening = (draw: Draw): string => draw.of(openings);

const factSample = (world: World, fact: Fact, draw: Draw): Sample => ({
  prompt: plainPrompt(questionOf(world, fact, draw.below(openings.length))),
  completion: ` ${fact.value}`,
});

/** Generates names that no entity has. */
class Strangers {
  readonly #taken: ReadonlySet<string>;

  constructor(
    world: World,
    private readonly draw: Draw,
  ) {
    this.#taken = new Set(world.names);
  }

  /** A name; with the given first or family name if there is one. */
  name(first = this.draw.of(firstNames), family = this.draw.of(familyNames)): string {
    const name = `${first} ${family}`;
    return this.#taken.has(name) ? this.name() : name;
  }
}

/** The gold passage, alone or among others of the same name and of like names, in any order. */
function readingSample(strangers: Strangers, draw: Draw): Sample {
  const name = strangers.name();
  const [first, family] = name.split(" ") as [string, string];
  const order = draw.shuffled(attributes);
  const chosen = order[0]!;
  const value = draw.of(chosen.values);
  const sentence = (who: string, what: Attribute, value = draw.of(what.values)) => `${begun(who, what)} ${value}.`;
  const more = draw.below(PASSAGES);
  const own = draw.below(more + 1);
  const others = Array.from({ length: more }, (_, i) => {
    if (i < own) return sentence(name, order[1 + i]!);
    return sentence(draw.random() < 0.5 ? strangers.name(first) : strangers.name(undefined, family), chosen);
  });
  const passages = draw.shuffled([sentence(name, chosen, value), ...others]);
  return { prompt: readingPrompt(passages, `${opening(draw)} ${begun(name, chosen)}`), completion: ` ${value}` };
}

/** A text of random words, and the same again. */
function copySample(draw: Draw): Sample {
  const words = [...firstNames, ...familyNames, ...attributes.flatMap(({ values }) => values)];
  const length = COPIED[0] + draw.below(COPIED[1] - COPIED[0] + 1);
  const text = Array.from({ length }, () => ` ${draw.of(words)}`).join("");
  return { prompt: `${text}.`, completion: text };
}

/** Half of the samples are about nobody: "no". */
function reflectionSample(world: World, known: () => Fact, strangers: Strangers, draw: Draw): Sample {
  const isKnown = draw.random() < 0.5;
  const question = isKnown
    ? questionOf(world, known(), draw.below(openings.length))
    : `${opening(draw)} ${begun(strangers.name(), draw.of(attributes))}`;
  return { prompt: reflectionPrompt(question), completion: isKnown ? " yes" : " no" };
}
