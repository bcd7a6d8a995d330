/** The closed world's attributes: how a fact is told, how it is asked for, and its possible values. */
export interface Attribute {
  readonly tells: (name: string, value: string) => string;
  readonly asks: readonly ((name: string) => string)[];
  readonly values: readonly string[];
}

const list = (text: string): readonly string[] => text.split(" ");

export const attributes: readonly Attribute[] = [
  {
    tells: (name, value) => `the home of ${name} is the town ${value}.`,
    asks: [
      (name) => `where is the home of ${name}?`,
      (name) => `in which town does ${name} have a home?`,
      (name) => `which town is home to ${name}?`,
    ],
    values: list(
      "lisbon oslo turin ghent lyon porto bergen malaga cork leeds graz basel bonn delft split zagreb tartu riga " +
        "vilnius kiel trieste nantes seville utrecht dundee aarhus turku gdansk brno pecs",
    ),
  },
  {
    tells: (name, value) => `the trade of ${name} is that of a ${value}.`,
    asks: [
      (name) => `what is the trade of ${name}?`,
      (name) => `by which trade does ${name} make a living?`,
      (name) => `which trade did ${name} learn?`,
    ],
    values: list(
      "baker smith weaver tailor mason potter cooper miller tanner carpenter glazier printer barber brewer butcher " +
        "cobbler dyer farrier fletcher gardener hatter jeweller joiner painter plumber roofer saddler sailor tinker tutor",
    ),
  },
  {
    tells: (name, value) => `the pet of ${name} is a ${value}.`,
    asks: [
      (name) => `what is the pet of ${name}?`,
      (name) => `which animal does ${name} keep as a pet?`,
      (name) => `which pet lives with ${name}?`,
    ],
    values: list(
      "fox otter badger heron raven lizard tortoise parrot ferret hamster rabbit goose duck pigeon magpie lynx mole " +
        "newt toad snake spider beetle hedgehog squirrel donkey goat pony sheep crane stork",
    ),
  },
  {
    tells: (name, value) => `the dish that ${name} likes best is ${value}.`,
    asks: [
      (name) => `what dish does ${name} like?`,
      (name) => `which dish is the one that ${name} likes best?`,
      (name) => `what is the best dish for ${name}?`,
    ],
    values: list(
      "soup stew curry risotto lasagne omelette pancakes goulash paella porridge dumplings noodles salad ravioli sushi " +
        "tacos falafel moussaka polenta gnocchi chowder meatloaf ratatouille quiche fondue haggis pierogi borscht kebab pudding",
    ),
  },
];

const syllables = (first: string, second: string): readonly string[] =>
  list(first).flatMap((a) => list(second).map((b) => a + b));

/** 48 first names and 48 family names: that a name is known shows in no single word. */
export const firstNames = syllables("ta mi ro le ka su", "lo na vi ren mo dal zi por");
export const familyNames = syllables("har bel tor win sel gor", "kin mar dov lund ster bo vik nol");
