import type { z } from "zod";
import { flagFromText, numberFromText } from "../../savings/option-schemas.ts";
import { suggest, UserError } from "../../util/errors.ts";
import { checkedNamed, optionTypes, readNamed } from "../../util/named-options.ts";
import type { TrainOptions } from "../options.ts";
import { exitHeads } from "./exit-heads/exit-heads.ts";
import { exits } from "./exits/exits.ts";
import { first } from "./first/first.ts";
import { grpo } from "./grpo/grpo.ts";
import { guard } from "./guard/guard.ts";
import { maskedDiffusion } from "./masked-diffusion/masked-diffusion.ts";
import type { ChosenMethod, Method } from "./method.ts";
import { moe } from "./moe/moe.ts";
import { noise } from "./noise/noise.ts";
import { pairs } from "./pairs/pairs.ts";
import { dpo } from "./preferences/dpo.ts";
import { kto } from "./preferences/kto.ts";
import { orpo } from "./preferences/orpo.ts";
import { simpo } from "./preferences/simpo.ts";
import { projector } from "./projector/projector.ts";
import { bridge } from "./regions/bridge.ts";
import { localiser } from "./regions/localiser.ts";
import { sft } from "./sft/sft.ts";
import { sparse } from "./sparse/sparse.ts";
import { ul2r } from "./ul2r/ul2r.ts";

/** All training methods, one per line. */
export const methods: readonly Method[] = [
  bridge,
  dpo,
  exitHeads,
  exits,
  first,
  grpo,
  guard,
  kto,
  localiser,
  maskedDiffusion,
  moe,
  noise,
  orpo,
  pairs,
  projector,
  sft,
  simpo,
  sparse,
  ul2r,
];

/** @throws UserError if there is no method of that name */
export function methodNamed(name: string): Method {
  const known = methods.find((method) => method.name === name);
  if (known) return known;
  const names = methods.map((method) => method.name);
  throw new UserError(
    `no training method is called "${name}" (known methods: ${names.join(", ")})${suggest(name, names)}`,
    2,
  );
}

/** The method named in a run's options; undefined for plain training. @throws UserError */
export const chosenMethod = ({ method }: Pick<TrainOptions, "method">): ChosenMethod | undefined =>
  method === undefined ? undefined : parseMethod(method);

/** Reads `name` or `name:key=value,key=value`, or an object with a name and options. @throws UserError */
export function parseMethod(option: NonNullable<TrainOptions["method"]>): ChosenMethod {
  const { name, values } = typeof option === "string" ? readText(option) : fieldsOf(option);
  const method = methodNamed(name);
  return { method, options: checkedNamed(name, method.options, values) };
}

function readText(text: string) {
  const { name, values } = readNamed(text, methodNamed);
  return { name, values: fromText(methodNamed(name).options, values) };
}

const fieldsOf = ({ name, ...values }: { readonly name: string }) => ({ name, values });

/** Converts options' texts to numbers and flags where their types require it. */
export function fromText(options: z.ZodType, values: Readonly<Record<string, string>>): Record<string, unknown> {
  const types = optionTypes(options);
  const read = (key: string, text: string) => {
    const type = types.get(key);
    if (type === "boolean") return flagFromText(text);
    return type === "number" || type === "integer" ? numberFromText(text) : text;
  };
  return Object.fromEntries(Object.entries(values).map(([key, text]) => [key, read(key, text)]));
}
