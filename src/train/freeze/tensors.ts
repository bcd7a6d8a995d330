import { isOfKind } from "../../models/registry.ts";
import { labelsOf } from "../graphs/encoder-model.ts";
import { oldDrawing } from "../methods/noise/subject.ts";
import { trainOptions } from "../options.ts";
import type { ParameterStore } from "../step/parameters.ts";
import { encoderSubject } from "../subject/encoder-subject.ts";
import type { AnySubject } from "../subject/own-subject.ts";
import { type Base, oldSubject } from "../subject/subject.ts";
import type { ModelTensor } from "./mask-file.ts";

/** Opens a model for training, with its own head. @throws UserError if not all of it can be trained */
export async function openWhole({ name, checkpoint }: Base): Promise<AnySubject> {
  const options = trainOptions.parse({ model: name, data: ["none"] });
  if (isOfKind("image generator", checkpoint)) return oldDrawing(checkpoint, options);
  if (!isOfKind("encoder", checkpoint)) return oldSubject(options, checkpoint);
  const labels = await labelsOf(checkpoint);
  return encoderSubject(options, checkpoint, labels.length > 0 ? { kind: "classes", labels } : { kind: "embedding" });
}

/** The tensors of an opened model. */
export const tensorsIn = (store: ParameterStore): readonly ModelTensor[] =>
  store.parameters.map((p) => ({ name: p.name, shape: p.shape, values: () => store.valuesOf(p) }));
