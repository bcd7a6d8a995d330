/** Caches the results of `of` by text. */
export function onceEach<T>(of: (text: string) => T): (text: string) => T {
  const values = new Map<string, T>();
  return (text) => {
    const value = values.get(text) ?? of(text);
    values.set(text, value);
    return value;
  };
}

/** Returns the value for a key; the first call with the key computes it. */
export type Memo = <T>(key: string, make: () => T) => T;

export function newMemo(): Memo {
  const values = new Map<string, unknown>();
  return <T>(key: string, make: () => T) => {
    if (!values.has(key)) values.set(key, make());
    return values.get(key) as T;
  };
}
