/** The five strongest features of the newest token, or more of the one looked at. */
import { follow } from "../state/signals";
import { type Ranked, strongest } from "../state/query";
import { type Store, tokenOf } from "../state/store";
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
    follow(() => {
      this.update();
    });
  }

  private update(): void {
    const { session, playhead } = this.store;
    const token = tokenOf(this.store);
    const lookedAt = playhead.token;
    const studied = lookedAt !== null && !playhead.playing;
    this.facts.show(studied ? lookedAt : null);
    if (!token) {
      setText(this.title, "Strongest");
      this.list.update([]);
      return;
    }
    const active = token.active.filter(({ feature }) => this.store.passes(feature));
    const ranked = strongest(session, active, studied ? LOOKED_AT : LIVE);
    setText(this.title, `Strongest at “${shownText(token)}”`);
    // While tokens come, a row that stays keeps its place, so that it can be read.
    this.list.update(
      ranked.map((entry) => rowOf(entry, studied)),
      playhead.playing || playhead.followsLive,
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
