type Numbers = Float64Array | Float32Array | Uint32Array | Uint8Array;

/** The array itself if it has room for `size` numbers, else a copy that has, doubled at least. */
export function grown<T extends Numbers>(array: T, size: number): T {
  if (size <= array.length) return array;
  const larger = new (array.constructor as new (length: number) => T)(
    Math.max(size, 2 * array.length),
  );
  larger.set(array);
  return larger;
}
