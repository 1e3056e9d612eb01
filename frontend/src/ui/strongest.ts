/** The five strongest features of the newest token, or of the one looked at: for the back row. */
import { newestToken, type Ranked, strongest } from "../session/query";
import type { Store } from "../session/store";
import { byId, setText, short } from "./dom";
import { FeatureList, type Row } from "./feature-list";

const LIVE = 5;
/** A token looked at shows more; the list scrolls. */
const LOOKED_AT = 24;

export class StrongestView {
  private readonly title = byId("strongest-title");
  private readonly list: FeatureList;

  constructor(private readonly store: Store) {
    this.list = new FeatureList(byId("strongest-list"), store);
    store.subscribe(() => {
      this.update();
    });
  }

  private update(): void {
    const { session, token: lookedAt } = this.store;
    const token = lookedAt ?? newestToken(session);
    if (!token) {
      setText(this.title, "Strongest features");
      this.list.update([]);
      return;
    }
    const shown = {
      ...token,
      active: token.active.filter((a) => this.store.passes(a.feature)),
    };
    const ranked = strongest(session, shown, lookedAt ? LOOKED_AT : LIVE);
    setText(
      this.title,
      `Strongest at “${token.text.trim() || (token.text.includes("\n") ? "↵" : "␣")}”`,
    );
    this.list.update(ranked.map(rowOf));
  }
}

export function rowOf({ feature, echoes, activation, strength }: Ranked): Row {
  return {
    feature,
    echoes,
    share: strength,
    figure: short(activation),
    title: `${feature.source} #${feature.id}: activation ${short(activation)}, ${short(feature.peak)} seen at most`,
  };
}
