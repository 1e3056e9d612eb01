/**
 * How views follow the state: a view runs again when something that it has read changes, once a
 * frame however much has changed. So the order in which views are made means nothing.
 */
import { computed, effect, type ReadonlySignal, type Signal } from "@preact/signals-core";

export { batch, computed, signal, untracked } from "@preact/signals-core";

/** Runs the views that are due and, at a picture's time `now`, what is to be drawn; null: no picture. */
type Flush = (now: number | null) => void;
type Schedule = (flush: Flush) => void;

/** A frame that does not come by itself, as in a hidden window, is not waited for longer. */
const LONGEST_MS = 200;

let frame = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Before the browser's next picture; in a hidden window views alone, at least a few times a second. */
const onceAFrame: Schedule = (flush) => {
  frame ||= requestAnimationFrame((now) => {
    frame = 0;
    clearTimeout(timer);
    timer = undefined;
    flush(now);
  });
  if (due.size === 0) return;
  timer ??= setTimeout(() => {
    timer = undefined;
    flush(null);
  }, LONGEST_MS);
};

let schedule = onceAFrame;
let updating = false;
const due = new Set<() => void>();
const drawings = new Set<(now: number) => void>();

/** When views run after a change; a test runs them at once. */
export function scheduleViews(how: Schedule): void {
  schedule = how;
}

/** Draws with the browser's next picture, in the same frame as the views that ask for it. */
export function paint(draw: (now: number) => void): void {
  drawings.add(draw);
  if (!updating) schedule(flush);
}

/** Tells those who follow a counter of changes; the caller does not follow it. */
export function touch(counter: Signal<number>): void {
  counter.value = counter.peek() + 1;
}

/** Follows a counter of changes. */
export function heed(counter: Signal<number>): number {
  return counter.value;
}

/** As `computed`; while a new list holds the same, the one before stays, and nobody is told. */
export function steady<T>(compute: () => readonly T[]): ReadonlySignal<readonly T[]> {
  let last: readonly T[] = [];
  return computed(() => {
    const next = compute();
    if (next.length !== last.length || next.some((one, i) => one !== last[i])) last = next;
    return last;
  });
}

/** Runs `update` now, and again after a change of what it has read. The result ends that. */
export function follow(update: () => void): () => void {
  let stop = (): void => undefined;
  const run = (): void => {
    stop();
    let first = true;
    let failure: { error: unknown } | null = null;
    stop = effect(() => {
      if (!first) {
        later(run);
        return;
      }
      first = false;
      try {
        update();
      } catch (error) {
        // Caught here, or the view would follow nothing any more.
        failure = { error };
      }
    });
    // Assigned within the effect, which the compiler cannot know.
    const failed = failure as { error: unknown } | null;
    if (failed) throw failed.error;
  };
  run();
  return () => {
    due.delete(run);
    stop();
  };
}

function later(run: () => void): void {
  due.add(run);
  if (!updating) schedule(flush);
}

const flush: Flush = (now) => {
  const errors: unknown[] = [];
  updating = true;
  attempt(due, (view) => view(), errors);
  updating = false;
  if (now !== null) attempt(drawings, (draw) => draw(now), errors);
  if (due.size > 0 || drawings.size > 0) schedule(flush);
  if (errors.length > 0) throw errors[0];
};

/** One that fails keeps none of the others from its turn. */
function attempt<T>(all: Set<T>, run: (one: T) => void, errors: unknown[]): void {
  const now = [...all];
  all.clear();
  for (const one of now) {
    try {
      run(one);
    } catch (error) {
      errors.push(error);
    }
  }
}
