/** In tests, views run at each change and not once a frame. */
import { scheduleViews } from "../src/state/signals";

export function atOnce(): void {
  scheduleViews((flush) => {
    flush(performance.now());
  });
}

atOnce();
