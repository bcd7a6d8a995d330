import { ModelFault } from "../weights/model-fault.ts";

/** A model computed invalid numbers: its files may be damaged. */
export class NotFinite extends ModelFault {}

/** Returns the numbers unchanged. @throws NotFinite if one of them is NaN; `what` names them */
export function finite<T extends ArrayLike<number>>(numbers: T, what: string): T {
  for (let i = 0; i < numbers.length; i++)
    if (Number.isNaN(numbers[i])) throw new NotFinite(`the model computed NaN for ${what}`);
  return numbers;
}
