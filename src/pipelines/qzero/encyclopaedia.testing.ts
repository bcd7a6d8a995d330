import { seededRandom, shuffle } from "../../util/random.ts";
import type { CategorisedDocument } from "./documents.ts";

/** A document of the synthetic encyclopaedia. */
export interface Article extends Omit<CategorisedDocument, "score"> {
  readonly text: string;
  readonly topic: number;
}

/** A text and its label's index. */
export interface LabelledText {
  readonly text: string;
  readonly label: number;
}

/** Articles of 20 topics, and texts that name only their entities. */
export interface Encyclopaedia {
  readonly labels: readonly string[];
  readonly articles: readonly Article[];
  readonly texts: readonly LabelledText[];
  /** Texts of praise and texts of blame in equal numbers; they also name entities. */
  readonly opinions: readonly LabelledText[];
}

/** Each topic has a label, a name prefix that an encoder of word pieces may recognise, and nouns for its categories. */
export const topics: readonly (readonly [label: string, beginning: string, nouns: string])[] = [
  ["medicine", "medico", "diseases hospitals drugs surgeons patients vaccines"],
  ["music", "melo", "songs albums composers orchestras singers operas"],
  ["football", "foot", "footballers goalkeepers stadiums midfielders leagues championships"],
  ["politics", "politi", "elections senators parties ministers parliaments governments"],
  ["finance", "banki", "banks investors bonds currencies stocks loans"],
  ["astronomy", "astro", "galaxies planets telescopes stars comets nebulae"],
  ["cooking", "culin", "recipes chefs soups desserts sauces dishes"],
  ["religion", "theo", "churches bishops saints monasteries temples priests"],
  ["aviation", "aero", "aircraft airlines pilots airports helicopters runways"],
  ["law", "juri", "courts judges lawyers statutes lawsuits verdicts"],
  ["zoology", "zoo", "mammals birds reptiles insects amphibians predators"],
  ["botany", "flori", "plants flowers trees shrubs orchids seeds"],
  ["chemistry", "chemo", "acids elements compounds molecules catalysts solvents"],
  ["painting", "picto", "painters portraits canvases frescoes murals landscapes"],
  ["geology", "geo", "rocks minerals volcanoes earthquakes fossils sediments"],
  ["military", "milita", "soldiers battalions wars generals weapons regiments"],
  ["cinema", "cine", "films directors actors actresses screenwriters documentaries"],
  ["literature", "libri", "novels poets authors poems writers essays"],
  ["computing", "compu", "software programmers algorithms processors databases computers"],
  ["sailing", "nauti", "yachts ships sailors harbours boats regattas"],
];

/** Words without a topic, used in articles and texts. */
export const noise = (
  "yesterday announced new during several important said people later early known many first again often together " +
  "today followed around between early large small report week year made near long another early came went still"
).split(" ");

/** Words of praise and of blame, and label words for them. */
const opinionWords = [
  "wonderful delightful excellent superb brilliant".split(" "),
  "awful terrible dreadful horrible disappointing".split(" "),
];
export const opinionLabels = { positive: "good", negative: "bad" };

/** Categories that do not describe a topic. */
const editorial = [
  "Living people",
  "1974 births",
  "Articles with short description",
  "All stub articles",
  "Wikipedia articles needing clarification",
  "Use dmy dates from May 2019",
];

const shapes = [
  (noun: string, place: string) => `${noun} of ${place}`,
  (noun: string) => `${noun} by country`,
  (noun: string, place: string) => `${noun} in ${place}`,
  (noun: string) => `Lists of ${noun.toLowerCase()}`,
  (noun: string) => noun,
];

const [ARTICLES, TEXTS, LINKS] = [50, 10, 30];
/** The numbers of categories, in every ten, that belong to another topic, and to no topic. */
const [STRAY, EDITORIAL] = [1, 2];

/**
 * 20 topics of 50 articles with 2 to 6 categories, determined by the seed. An article names its own entity, and 30
 * times another entity of its topic; a text names two entities among words without a topic. Only categories contain
 * words related to labels. Of every ten entities, `telling` have names that begin with their topic's prefix: no word
 * vector knows them, but an encoder that reads word pieces may.
 */
export function encyclopaedia(seed: number, telling: number): Encyclopaedia {
  const random = seededRandom(seed);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  const chance = (ofTen: number): boolean => random() * 10 < ofTen;
  const syllable = () => pick([..."bdfgklmnprstvz"]) + pick([..."aeiou"]) + pick(["", "", "n", "r", "x", "l"]);
  const madeUp = (syllables: number): string => Array.from({ length: syllables }, syllable).join("");
  const name = (beginning: string): string => (chance(telling) ? beginning + madeUp(1) : madeUp(4));
  const words = (count: number): string[] => Array.from({ length: count }, () => pick(noise));

  const nounsOf = (topic: number): string => capital(pick(topics[topic]![2].split(" ")));
  const categoryOf = (topic: number): string => {
    if (chance(EDITORIAL)) return pick(editorial);
    const about = chance(STRAY) ? Math.floor(random() * topics.length) : topic;
    return pick(shapes)(nounsOf(about), capital(madeUp(2)));
  };
  const categoriesOf = (topic: number): string[] =>
    Array.from({ length: 2 + Math.floor(random() * 5) }, () => categoryOf(topic));

  const entities = topics.map(([, beginning]) => Array.from({ length: ARTICLES }, () => name(beginning)));
  const vocabulary = topics.map(() => Array.from({ length: 12 }, () => madeUp(3)));
  const textWith = (named: readonly string[], others: readonly string[]): string =>
    shuffle([...named, ...others], random).join(" ");

  const articles = entities.flatMap((names, topic) =>
    names.map((entity, i): Article => {
      const linked = Array.from({ length: LINKS }, () => pick(names));
      const own = Array.from({ length: 8 }, () => pick(vocabulary[topic]!));
      return {
        ...{ id: `${topic}-${i}`, title: entity, topic },
        text: textWith([entity, ...linked], [...own, ...words(20)]),
        categories: categoriesOf(topic),
      };
    }),
  );
  const about = (more: (label: number) => readonly string[]) =>
    entities.flatMap((names, topic) =>
      Array.from({ length: TEXTS }, (_, i) => {
        const named = [pick(names), pick(names)];
        return { topic, side: i % 2, text: textWith(named, [...words(8), ...more(i % 2)]) };
      }),
    );
  const texts = about(() => []).map(({ text, topic }): LabelledText => ({ text, label: topic }));
  const opinions = about((side) => [pick(opinionWords[side]!), pick(opinionWords[side]!)]);
  return {
    ...{ labels: topics.map(([label]) => label), articles, texts },
    opinions: opinions.map(({ text, side }) => ({ text, label: side })),
  };
}

const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1);

/** The same articles with shuffled categories. */
export function shuffled(articles: readonly Article[], seed: number): Article[] {
  const categories = shuffle(
    articles.map((article) => article.categories),
    seededRandom(seed),
  );
  return articles.map((article, i) => ({ ...article, categories: categories[i]! }));
}

/**
 * The same articles, each with the categories of the article `by` places earlier; each topic's 50 articles are
 * consecutive.
 */
export const rotated = (articles: readonly Article[], by: number): Article[] =>
  articles.map((article, i) => ({ ...article, categories: articles.at(i - by)!.categories }));
