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

/** Turns a value into what it should be; `what` names it where it is not. */
export type Check<T> = (value: unknown, what: string) => T;

/** Absent and null both mean "unknown" on the wire: `otherwise` takes their place. */
export function or<T, U>(check: Check<T>, otherwise: U): Check<T | U> {
  return (value, what) => (value === undefined || value === null ? otherwise : check(value, what));
}

/** One of these texts. */
export function oneOf<T extends string>(...texts: readonly T[]): Check<T> {
  return (value, what) => {
    const found = texts.find((text) => text === value);
    if (found === undefined) throw new WireError(`${what} is ${String(value)}`);
    return found;
  };
}

export function listOf<T>(check: Check<T>): Check<T[]> {
  return (value, what) => asArray(value, what).map((item) => check(item, what));
}

export function recordOf<T>(check: Check<T>): Check<Record<string, T>> {
  return (value, what) => {
    const entries = Object.entries(asObject(value, what));
    return Object.fromEntries(entries.map(([key, item]) => [key, check(item, `${what}.${key}`)]));
  };
}

type Fields = Readonly<Record<string, Check<unknown>>>;
type Maybe<F extends Fields> = {
  [K in keyof F]: undefined extends ReturnType<F[K]> ? K : never;
}[keyof F];
/** The object that a table of fields describes; those that may be undefined may be absent. */
type Described<F extends Fields> = { [K in Exclude<keyof F, Maybe<F>>]: ReturnType<F[K]> } & {
  [K in Maybe<F>]?: Exclude<ReturnType<F[K]>, undefined>;
} extends infer T
  ? { [K in keyof T]: T[K] }
  : never;

/** An object with these fields, named on the wire as here; others are left out. */
export function objectOf<F extends Fields>(fields: F): Check<Described<F>> {
  const checks = Object.entries(fields);
  return (value, what) => {
    const given = asObject(value, what);
    const found: Json = {};
    for (const [name, check] of checks) {
      const field = check(given[name], `${what}.${name}`);
      if (field !== undefined) found[name] = field;
    }
    return found as Described<F>;
  };
}
