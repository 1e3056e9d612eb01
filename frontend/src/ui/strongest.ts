/** The five strongest features of the newest token, or more of the one looked at. */
import { newestToken, type Ranked, strongest } from "../session/query";
import type { Store } from "../session/store";
import { shownText } from "./chips";
import { byId, setText, short } from "./dom";
import { FeatureList, type Row } from "./feature-list";
import { explained } from "./terms";
import { percent, TokenFacts } from "./token-facts";

const LIVE = 5;
/** A token looked at shows more; the list scrolls. */
const LOOKED_AT = 24;

export class StrongestView {
  private readonly title = byId("strongest-title");
  private readonly list: FeatureList;
  private readonly facts = new TokenFacts();

  constructor(private readonly store: Store) {
    this.list = new FeatureList(byId("strongest-list"), store);
    byId("row-terms").append(explained("feature"), " · ", explained("activation"));
    store.subscribe(() => {
      this.update();
    });
  }

  private update(): void {
    const { session, token: lookedAt, playback } = this.store;
    const token = lookedAt ?? newestToken(session);
    const studied = lookedAt !== null && !playback.playing;
    this.facts.show(studied ? lookedAt : null);
    if (!token) {
      setText(this.title, "Strongest");
      this.list.update([]);
      return;
    }
    const shown = {
      ...token,
      active: token.active.filter((a) => this.store.passes(a.feature)),
    };
    const ranked = strongest(session, shown, studied ? LOOKED_AT : LIVE);
    setText(this.title, `Strongest at “${shownText(token)}”`);
    // While tokens come, a row that stays keeps its place, so that it can be read.
    this.list.update(
      ranked.map((entry) => rowOf(entry, studied)),
      playback.playing || this.store.followsLive,
    );
  }
}

function rowOf({ feature, echoes, activation, strength }: Ranked, studied: boolean): Row {
  return {
    feature,
    echoes,
    share: strength,
    figure: short(activation),
    // Otherwise the name needs the room: it is read from the back row.
    ...(studied ? { second: percent(strength) } : {}),
    title: `${feature.source} #${feature.id}: activation ${short(activation)}, highest here ${short(feature.peak)}`,
  };
}
