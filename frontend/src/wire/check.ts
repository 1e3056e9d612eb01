/** Small checks that turn `unknown` JSON into typed values or say what is wrong with it. */

/** A message that does not have the form it should; `message` names the field. */
export class WireError extends Error {}

export type Json = Record<string, unknown>;

export function asObject(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new WireError(`${what} is not an object`);
  }
  return value as Json;
}

export function asArray(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new WireError(`${what} is not a list`);
  return value;
}

export function asString(value: unknown, what: string): string {
  if (typeof value !== "string") throw new WireError(`${what} is not text`);
  return value;
}

export function asNumber(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new WireError(`${what} is not a number`);
  }
  return value;
}

export function asBoolean(value: unknown, what: string): boolean {
  if (typeof value !== "boolean") throw new WireError(`${what} is not true or false`);
  return value;
}

/** Absent and null both mean "unknown" on the wire. */
export function optional<T>(
  value: unknown,
  what: string,
  check: (value: unknown, what: string) => T,
): T | null {
  return value === undefined || value === null ? null : check(value, what);
}

export function asRecord<T>(
  value: unknown,
  what: string,
  check: (value: unknown, what: string) => T,
): Record<string, T> {
  const entries = Object.entries(asObject(value, what));
  return Object.fromEntries(entries.map(([key, item]) => [key, check(item, `${what}.${key}`)]));
}
