/** In tests, views run at each change and not once a frame. */
import { scheduleViews } from "../src/state/signals";

scheduleViews((flush) => {
  flush(performance.now());
});
