import { sameDim } from "../dim.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import { sizeInBytes, type Tensor } from "../tensor.ts";

const writeOp: Op<null> = {
  name: "writeCache",
  operands: ["cache", "update", "first"],
  infer([cache, update]) {
    const fits =
      cache!.shape.length === 4 && [0, 1, 3].every((axis) => sameDim(cache!.shape[axis]!, update!.shape[axis]!));
    if (!fits)
      throw new ShapeError(
        "writeCache",
        "update",
        showType(update!),
        `${showType(cache!)} except for the third dimension`,
      );
    return [cache!];
  },
  onnx: (emit, { inputs, outputs }) => emit.node("TensorScatter", inputs, outputs, { axis: { int: 2 } }),
  cost: ([, update]) => ({ read: sizeInBytes(update!), written: sizeInBytes(update!) }),
  reference([cache, update, first]) {
    const [batch, heads, capacity, size] = cache!.shape as [number, number, number, number];
    const tokens = update!.shape[2]!;
    const data = cache!.data.slice();
    for (let row = 0; row < batch * heads; row++) {
      const at = (row * capacity + first!.data[Math.floor(row / heads)]!) * size;
      data.set(update!.data.subarray(row * tokens * size, (row + 1) * tokens * size), at);
    }
    return [{ shape: cache!.shape, data }];
  },
};

/**
 * cache [batch, heads, capacity, d] after writing `update` [batch, heads, tokens, d] from position `first` (i64 [batch]) on.
 * If input and output are bound to one buffer, it is written in place.
 */
export const writeCache = (cache: Tensor, update: Tensor, first: Tensor): Tensor =>
  apply1(writeOp, [cache, update, first], null);
