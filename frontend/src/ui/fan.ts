/** The beat of a text: the likeliest next tokens fan out above it, and one of them falls into it. */
import type { Log } from "../state/log";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { h } from "./dom";
import { percent, visible } from "./tokens";

/** A beat shorter than this, in milliseconds, is too short to be seen. */
export const LEAST_BEAT_MS = 250;
/** Share of a beat after which the next candidates fan out, and the longest such time. */
const FALL = 0.45;
const LONGEST_FALL_MS = 600;

/** More texts than this are rows, which have no room for fans. */
const MOST_TEXTS = 2;

/** The fan of one branch's text. */
export class Fan {
  /** What the fan is about: the token that is to come. */
  private log: Log | null = null;
  private at = -1;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly branch: number,
    private readonly list: HTMLElement,
  ) {
    follow(this.update);
  }

  private readonly update = (): void => {
    const { session, playhead } = this.store;
    const { branch } = this;
    const log = session.branchLog(branch);
    const { beat, token, playing } = playhead;
    const at = Math.min(playhead.at, session.tokensOf(branch).length - 1);
    const drawn = branch < session.width && session.width <= MOST_TEXTS;
    const on = drawn && beat >= LEAST_BEAT_MS && (token === null || playing);
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
    const goesOn = store.playhead.generatesLive && log?.ended === null;
    const more = goesOn || at + 1 < (log?.tokens.length ?? 0);
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
