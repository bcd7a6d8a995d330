/** Gives the value of a key, which is made by the first call. */
export type Memo = <T>(key: string, make: () => T) => T;

export function newMemo(): Memo {
  const values = new Map<string, unknown>();
  return <T>(key: string, make: () => T) => {
    if (!values.has(key)) values.set(key, make());
    return values.get(key) as T;
  };
}
