import type { KindName } from "../../engine/kinds/index.ts";
import type { ListedModel, ListedSaving } from "./api.ts";

/** A recipe in a list. Its text is the value that a form sends or a person types. */
export interface RecipeChoice {
  readonly text: string;
  readonly summary?: string;
}

/** A model that answers chats, and the recipes that fit it. */
export interface ModelChoice {
  readonly id: string;
  readonly savings: readonly RecipeChoice[];
  /** The model's registered recipes, and its pairs and plans; a request names each as its model. */
  readonly named: readonly RecipeChoice[];
  /** The recipe that is compared with dense until the visitor chooses. */
  readonly preferred: string;
}

/** Savings that pay off on the shipped models with default options, best first: see docs/savings. */
const PAYING = ["lookup", "int8-prefill"];

const answersChats: Readonly<Record<KindName, boolean>> = {
  decoder: true,
  "diffusion language model": true,
  "encoder with a decoder": true,
  encoder: false,
  "encoder of images and texts": false,
  "image encoder": false,
  "image generator": false,
};

/** The models to choose from, each with its recipes. */
export function modelChoices(models: readonly ListedModel[], savings: readonly ListedSaving[]): ModelChoice[] {
  const registered = new Set(models.flatMap(({ recipes }) => recipes));
  const alone = models.filter((model) => chats(model) && !registered.has(model.id));
  return alone.map(({ id, parent, recipes }) => {
    const taken = savings.filter((saving) => saving.models.includes(parent ?? id));
    const named = models.filter((model) => recipes.includes(model.id) || isPartOf(id, model)).map(namedChoice);
    const choices = taken.map(({ name, summary }) => ({ text: name, summary }));
    const paying = PAYING.find((name) => choices.some(({ text }) => text === name));
    return { id, savings: choices, named, preferred: paying ?? [...named, ...choices][0]?.text ?? "dense" };
  });
}

const chats = ({ kind, servers }: ListedModel): boolean =>
  servers !== undefined || (kind !== undefined && answersChats[kind]);

const isPartOf = (id: string, { pair, plan }: ListedModel): boolean =>
  [pair?.swift, pair?.super, plan?.executor].includes(id);

const namedChoice = ({ id, recipe }: ListedModel): RecipeChoice => ({
  text: id,
  ...(recipe.length > 0 && { summary: recipe.join(" ") }),
});

/** The request fields that name the model and its recipe: `dense`, a listed name, or savings separated by spaces. */
export function namingOf(model: string, recipe: string, models: readonly ListedModel[]): object {
  if (models.some(({ id }) => id === recipe)) return { model: recipe };
  return { model, savings: recipe === "dense" ? [] : recipe.split(/\s+/) };
}
