/** The closed world's attributes: a word, and the values that an entity can have of it. */
export interface Attribute {
  readonly word: string;
  readonly values: readonly string[];
}

const list = (text: string): readonly string[] => text.split(" ");

export const attributes: readonly Attribute[] = [
  {
    word: "town",
    values: list(
      "lisbon oslo turin ghent lyon porto bergen malaga cork leeds graz basel bonn delft split zagreb tartu riga " +
        "vilnius kiel trieste nantes seville utrecht dundee aarhus turku gdansk brno pecs",
    ),
  },
  {
    word: "trade",
    values: list(
      "baker smith weaver tailor mason potter cooper miller tanner carpenter glazier printer barber brewer butcher " +
        "cobbler dyer farrier fletcher gardener hatter jeweller joiner painter plumber roofer saddler sailor tinker tutor",
    ),
  },
  {
    word: "pet",
    values: list(
      "fox otter badger heron raven lizard tortoise parrot ferret hamster rabbit goose duck pigeon magpie lynx mole " +
        "newt toad snake spider beetle hedgehog squirrel donkey goat pony sheep crane stork",
    ),
  },
  {
    word: "dish",
    values: list(
      "soup stew curry risotto lasagne omelette pancakes goulash paella porridge dumplings noodles salad ravioli sushi " +
        "tacos falafel moussaka polenta gnocchi chowder meatloaf ratatouille quiche fondue haggis pierogi borscht kebab pudding",
    ),
  },
];

/** A question is an entry to complete, so that its answer is one word; they differ in length. */
export const openings = ["complete:", "what is the", "please say what comes next here:"] as const;

/** A fact as an entry, up to its value. */
export const begun = (name: string, { word }: Attribute): string => `${name} ${word}`;

const syllables = (first: string, second: string): readonly string[] =>
  list(first).flatMap((a) => list(second).map((b) => a + b));

/** 48 first names and 48 family names: that a name is known shows in no single word. */
export const firstNames = syllables("ta mi ro le ka su", "lo na vi ren mo dal zi por");
export const familyNames = syllables("har bel tor win sel gor", "kin mar dov lund ster bo vik nol");
