/**
 * How views follow the state: a view runs again when something that it has read changes, once a
 * frame however much has changed. So the order in which views are made means nothing.
 */
import { effect, type Signal } from "@preact/signals-core";

export { batch, computed, signal, untracked } from "@preact/signals-core";

type Schedule = (flush: () => void) => void;

/** A frame that does not come by itself, as in a hidden window, is not waited for longer. */
const LONGEST_MS = 200;

/** Before the browser's next picture, and in a hidden window at least a few times a second. */
export const onceAFrame: Schedule = (flush) => {
  const done = (): void => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    flush();
  };
  const frame = requestAnimationFrame(done);
  const timer = setTimeout(done, LONGEST_MS);
};

let schedule = onceAFrame;
const due = new Set<() => void>();

/** When views run after a change; a test runs them at once. */
export function scheduleViews(how: Schedule): void {
  schedule = how;
}

/** Tells those who follow a counter of changes; the caller does not follow it. */
export function touch(counter: Signal<number>): void {
  counter.value = counter.peek() + 1;
}

/** Follows a counter of changes. */
export function heed(counter: Signal<number>): number {
  return counter.value;
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
  if (due.size === 1) schedule(flush);
}

/** One view that fails keeps none of the others from updating. */
function flush(): void {
  const views = [...due];
  due.clear();
  const errors: unknown[] = [];
  for (const view of views) {
    try {
      view();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
