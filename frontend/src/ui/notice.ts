/** One line over the graph: a recording plays, or there is no graph to show. */
import type { Store } from "../session/store";
import { byId, setText } from "./dom";

export const NO_GRAPH =
  "This browser shows no WebGL, so there is no graph. Text and features work without it.";

export const GRAPH_LOST =
  "The browser has taken the graph's WebGL away. It mostly comes back by itself; if not, reload the page. Text and features go on.";

export class Notice {
  private readonly element = byId("notice");
  /** Said in place of everything else while set. */
  standing: string | null = null;

  constructor(private readonly store: Store) {
    store.subscribe(() => {
      this.update();
    });
  }

  private update(): void {
    const text =
      this.standing ?? (this.store.origin === "recording" ? "Recording of an earlier run" : "");
    this.element.hidden = text === "";
    setText(this.element, text);
  }
}
