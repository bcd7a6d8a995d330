/** Unpacked weights: w = fround(scale · (code − zero) + min); a group of consecutive weights shares scale and min. */
export interface Groups {
  /** One code per weight. */
  readonly codes: Uint8Array<ArrayBuffer>;
  /** One scale per group. */
  readonly scale: Float32Array<ArrayBuffer>;
  /** One minimum per group; empty for types without minima. */
  readonly min: Float32Array<ArrayBuffer>;
}

/** The block layout of a storage type. */
export interface BlockForm {
  /** The number of weights per group; a block of the file holds one or more whole groups. */
  readonly group: 16 | 32;
  /** Codes are below 2^bits. */
  readonly bits: 2 | 3 | 4 | 5 | 6 | 8;
  /** The code for 0, in types without a minimum. */
  readonly zero: number;
  readonly hasMin: boolean;
  /** Fills `to` from whole blocks. Codes and bytes viewed as words are little-endian, like the file. */
  unpack(bytes: Uint8Array, to: Groups): void;
}

export function emptyGroups({ group, hasMin }: BlockForm, count: number): Groups {
  const groups = count / group;
  return {
    codes: new Uint8Array(count),
    scale: new Float32Array(groups),
    min: new Float32Array(hasMin ? groups : 0),
  };
}

/** `bytes` as 16-bit words; copied only if their offset in the buffer is odd. */
export function words16(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(...aligned(bytes, 2));
}

/** Like `words16`, for 32 bits. */
export function words32(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(...aligned(bytes, 4));
}

function aligned(bytes: Uint8Array, size: number): [ArrayBufferLike, number, number] {
  const at = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return [at.buffer, at.byteOffset, at.length / size];
}
