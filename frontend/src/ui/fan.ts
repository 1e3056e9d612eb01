/** The beat of a text: the likeliest next tokens fan out above it, and one of them falls into it. */
import type { Log } from "../state/log";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { byId, h } from "./dom";
import { percent, visible } from "./tokens";

/** A beat shorter than this, in milliseconds, is too short to be seen. */
export const LEAST_BEAT_MS = 250;
/** Share of a beat after which the next candidates fan out, and the longest such time. */
const FALL = 0.45;
const LONGEST_FALL_MS = 600;

export class Fan {
  private readonly list = byId("fan");
  /** What the fan is about: the token that is to come. */
  private log: Log | null = null;
  private at = -1;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly store: Store) {
    follow(this.update);
  }

  private readonly update = (): void => {
    const { session, playhead } = this.store;
    const { log } = session;
    const { at, beat, token, playing } = playhead;
    const on = beat >= LEAST_BEAT_MS && (token === null || playing) && session.width === 1;
    if (log === this.log && on && at === this.at) return;
    const falls = log === this.log && at === this.at + 1 && this.list.childElementCount > 0;
    this.log = log;
    this.at = on ? at : -1;
    clearTimeout(this.timer);
    if (!on) this.show();
    else if (falls) {
      this.drop();
      this.timer = setTimeout(() => this.show(), Math.min(LONGEST_FALL_MS, FALL * beat));
    } else this.show();
  };

  /** Marks the candidate that came; the others go. */
  private drop(): void {
    const id = this.log?.tokens[this.at]?.details.token_id;
    for (const item of this.list.querySelectorAll("li")) {
      item.className = item.dataset.id === String(id) ? "came" : "gone";
    }
  }

  /** Fans out the candidates for the token after the one on show, if there is or will be one. */
  private show(): void {
    const { log, at, store } = this;
    const more = at + 1 < store.playhead.length || store.playhead.generatesLive;
    const likeliest = (more ? log?.tokens[at]?.details.alternatives : null) ?? [];
    this.list.replaceChildren(
      ...likeliest.map(({ token, token_id: id, logprob }, place) => {
        const share = percent(Math.exp(logprob));
        const item = h(
          "li",
          { "data-id": String(id) },
          h("b", {}, token.trim() || visible(token)),
          ` ${share}`,
        );
        item.style.setProperty("--place", String(place));
        item.style.setProperty("--share", Math.exp(logprob).toFixed(3));
        return item;
      }),
    );
    this.list.hidden = likeliest.length === 0;
  }
}
