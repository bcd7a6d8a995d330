/** Named drawings, each with the code points in its file names; the first 40 are the default. */
export const drawings: readonly (readonly [name: string, file: string])[] = [
  ...([
    ["cat", "1f408"],
    ["dog", "1f415"],
    ["horse", "1f40e"],
    ["cow", "1f404"],
    ["pig", "1f416"],
  ] as const),
  ...([
    ["rabbit", "1f407"],
    ["bear", "1f43b"],
    ["frog", "1f438"],
    ["lion", "1f981"],
    ["elephant", "1f418"],
  ] as const),
  ...([
    ["monkey", "1f412"],
    ["duck", "1f986"],
    ["owl", "1f989"],
    ["bee", "1f41d"],
    ["snail", "1f40c"],
  ] as const),
  ...([
    ["turtle", "1f422"],
    ["crab", "1f980"],
    ["whale", "1f40b"],
    ["apple", "1f34e"],
    ["banana", "1f34c"],
  ] as const),
  ...([
    ["lemon", "1f34b"],
    ["carrot", "1f955"],
    ["tomato", "1f345"],
    ["mushroom", "1f344"],
  ] as const),
  ...([
    ["pizza", "1f355"],
    ["cake", "1f370"],
    ["car", "1f697"],
    ["bus", "1f68c"],
    ["train", "1f686"],
  ] as const),
  ...([
    ["bicycle", "1f6b2"],
    ["rocket", "1f680"],
    ["boat", "26f5"],
    ["house", "1f3e0"],
    ["tree", "1f332"],
  ] as const),
  ...([
    ["flower", "1f337"],
    ["star", "2b50"],
    ["moon", "1f319"],
    ["umbrella", "2602-fe0f"],
  ] as const),
  ...([
    ["key", "1f511"],
    ["clock", "23f0"],
  ] as const),

  ...([
    ["fox", "1f98a"],
    ["tiger", "1f42f"],
    ["chicken", "1f414"],
    ["spider", "1f577-fe0f"],
  ] as const),
  ...([
    ["dolphin", "1f42c"],
    ["octopus", "1f419"],
    ["cherry", "1f352"],
    ["strawberry", "1f353"],
  ] as const),
  ...([
    ["pineapple", "1f34d"],
    ["cheese", "1f9c0"],
    ["cookie", "1f36a"],
    ["airplane", "2708-fe0f"],
  ] as const),
  ...([
    ["anchor", "2693"],
    ["cactus", "1f335"],
    ["rose", "1f339"],
    ["sunflower", "1f33b"],
  ] as const),
  ...([
    ["sun", "2600-fe0f"],
    ["cloud", "2601-fe0f"],
    ["lock", "1f512"],
    ["bell", "1f514"],
  ] as const),
  ...([
    ["book", "1f4d6"],
    ["pencil", "270f-fe0f"],
    ["hammer", "1f528"],
    ["guitar", "1f3b8"],
  ] as const),
  ...([
    ["drum", "1f941"],
    ["trumpet", "1f3ba"],
    ["ball", "26bd"],
    ["balloon", "1f388"],
  ] as const),
  ...([
    ["gift", "1f381"],
    ["crown", "1f451"],
    ["hat", "1f3a9"],
    ["shoe", "1f45e"],
  ] as const),
  ...([
    ["ring", "1f48d"],
    ["heart", "2764-fe0f"],
    ["cup", "2615"],
    ["penguin", "1f427"],
  ] as const),
  ...([
    ["snake", "1f40d"],
    ["truck", "1f69a"],
    ["ghost", "1f47b"],
    ["robot", "1f916"],
  ] as const),
];

/** Name endings whose plural is irregular or the same as the singular. */
const irregular: readonly (readonly [ending: RegExp, plural: string])[] = [
  [/(sheep|fish|deer|shrimp|bison|trout)$/, "$1"],
  [/(kni|lea|wol|loa|shel|scar)fe?$/, "$1ves"],
  [/(?<!hu|ger)man$/, "men"],
  [/mouse$/, "mice"],
  [/goose$/, "geese"],
  [/tooth$/, "teeth"],
  [/foot$/, "feet"],
];

/** The plural of a drawing's name, as in "two cherries". */
export function plural(name: string): string {
  for (const [ending, other] of irregular) if (ending.test(name)) return name.replace(ending, other);
  if (/[^aeiou]y$/.test(name)) return `${name.slice(0, -1)}ies`;
  return /(s|sh|ch|x|to)$/.test(name) ? `${name}es` : `${name}s`;
}
