/** The arithmetic of a strip of tokens: where a token lies, and how many share a column. */

/** The token under a place on a strip, clamped to those there are; -1 for none. */
export function indexAt(x: number, width: number, length: number): number {
  if (length === 0 || !(width > 0)) return -1;
  return Math.min(length - 1, Math.max(0, Math.floor((x / width) * length)));
}

/** The middle of a token's place on a strip, as a share of its width. */
export function placeOf(index: number, length: number): number {
  return length === 0 ? 0 : (index + 0.5) / length;
}

/**
 * The columns of a strip: one for each token where there is room, else the strongest of those that
 * share one. `values` may be shorter than `length`: what is missing is 0.
 */
export function columnsOf(values: ArrayLike<number>, length: number, most: number): Float32Array {
  const columns = new Float32Array(Math.max(0, Math.min(length, most)));
  const known = Math.min(length, values.length);
  for (let i = 0; i < known; i += 1) {
    const column = Math.floor((i * columns.length) / length);
    columns[column] = Math.max(columns[column] ?? 0, values[i] ?? 0);
  }
  return columns;
}

/** The least room on the strip of a text that grows. */
const LEAST_ROOM = 64;

/**
 * Tokens that a growing text's strip has room for: doubled when it is full, so that ticks do not
 * move with every token, and never more than may come (`most`).
 */
export function roomFor(tokens: number, most: number): number {
  const room = Math.max(LEAST_ROOM, 2 ** Math.ceil(Math.log2(tokens + 1)));
  return Math.max(tokens, Math.min(room, most));
}

/** The nearest token before (direction -1) or after one at which a feature fired; else that one. */
export function nextFiring(at: readonly number[], index: number, direction: number): number {
  if (direction > 0) return at[firstFrom(at, index + 1)] ?? index;
  return at[firstFrom(at, index) - 1] ?? index;
}

/** The place in ascending numbers of the first one that is at least `least`. */
export function firstFrom(ascending: readonly number[], least: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
