import { encoderArchitecture, openEncoder } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import { writeRecord } from "../../weights/adapter/record.ts";
import { Part } from "../../weights/prepared/part.ts";
import { writeAdapter } from "../checkpoint/adapter.ts";
import { isHuggingFace } from "../checkpoint/wider-checkpoint.ts";
import { hasTensor, textModelOf } from "../graphs/encoder-model.ts";
import { LoraWeights } from "../graphs/lora-weights.ts";
import { TracedWeights } from "../graphs/traced-weights.ts";
import type { TextHeadSettings } from "../heads/settings.ts";
import type { LoraOptions, TrainOptions } from "../options.ts";
import { weightsOf } from "../step/passes.ts";
import { sentenceSettingsOf } from "./encoder-reading.ts";
import { newTensors, withClasses } from "./encoder-subject.ts";
import { fillRandomly } from "./initial.ts";
import { startFromAdapter } from "./lora-start.ts";
import { frozenForm, openLayers, savedTensors } from "./lora-subject.ts";
import type { Base, Subject } from "./subject.ts";

/** The modules of a classifier that PEFT trains in full. */
const HEAD = /(classifier|score)(\.|$)/;

/** Opens an encoder with LoRA layers; a classifier's head is trained in full, as in PEFT. @throws UserError */
export async function encoderLoraSubject(
  lora: LoraOptions,
  { name, hub = name, checkpoint: base, prepared }: Base,
  options: TrainOptions,
  head: TextHeadSettings,
): Promise<Subject> {
  refuse(lora, options, name);
  if (!isHuggingFace(base)) throw new UserError(`lora: ${name} is an encoder in a GGUF; expected safetensors`, 2);
  const labels = head.kind === "classes" ? head.labels : undefined;
  const checkpoint = labels ? withClasses(base, labels) : base;
  const architecture = await encoderArchitecture(base);
  const names = architecture.tensors(base);
  const has = await hasTensor(base);
  const isNew = labels ? await newTensors(base, labels) : () => false;
  const part = (tensor: string, shape?: readonly number[]) => new Part(base, names, tensor, shape);
  const { pooling } = sentenceSettingsOf(base);
  const traced = new TracedWeights(checkpoint.config, (tensor) => isNew(tensor) || has(tensor));
  const whole = {
    ...textModelOf(architecture.open(traced), head.kind, pooling),
    ...{ weights: traced, trained: () => true },
  };
  const inHead = (tensor: string) => architecture.modules(tensor.replace(/\.\w+$/, "")).some((m) => HEAD.test(m));
  const isSaved = (tensor: string) => labels !== undefined && (isNew(tensor) || inHead(tensor));
  const saved = weightsOf(whole).flatMap(({ sizes }) => Object.keys(sizes).filter(isSaved));
  const { weights: frozen } = await openEncoder(checkpoint, prepared, frozenForm(options.quant, base));
  const layout = { modules: architecture.modules, row: (_: string, row: number) => row };
  const weights = new LoraWeights(frozen, lora, undefined, layout, { head: [...new Set(saved)] });
  const model = { ...textModelOf(architecture.open(weights), head.kind, pooling), weights };
  const { trainee, store, factors } = openLayers(model, lora, options, frozen, part, isNew);
  fillRandomly(store, model.stack.layers, options.seed, isNew);
  return {
    ...{ trainee, store, whole },
    startFrom: (folder) => startFromAdapter(folder, name, lora, layout, factors, savedTensors(weights, store)),
    async write(folder) {
      const task = labels ? "SEQ_CLS" : "FEATURE_EXTRACTION";
      await writeAdapter(folder, {
        ...{ base: hub, task, lora, names, layout, factors },
        saved: savedTensors(weights, store),
      });
      await writeRecord(folder, labels && { prompt: "raw", labels: [...labels] });
    },
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}

/** @throws UserError for options that only decoders support */
function refuse({ lora_dropout, modules_to_save }: LoraOptions, { freezeMask }: TrainOptions, name: string): void {
  if (lora_dropout > 0)
    throw new UserError(`lora.lora_dropout: ${name} is an encoder, which is trained without dropout; expected 0`, 2);
  if (modules_to_save !== undefined)
    throw new UserError(`lora.modules_to_save: ${name} is an encoder, whose new head is always trained; omit this`, 2);
  if (freezeMask !== undefined)
    throw new UserError(`freezeMask: LoRA layers of an encoder do not support masks; omit this`, 2);
}
