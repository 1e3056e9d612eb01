/** Pinned features: they stay listed, with their activation at the token on show. */
import { follow } from "../state/signals";
import type { FeatureKey } from "../state/feature";
import { type Store, tokenOf } from "../state/store";
import { byId, short } from "./dom";
import { FeatureList, type Row } from "./feature-list";
import { loadPins, savePins } from "./settings";
import { percent } from "./token-facts";

export class PinnedView {
  private readonly section = byId("pinned");
  private readonly list: FeatureList;
  private place = "";
  private saved: ReadonlySet<FeatureKey> = new Set();

  constructor(private readonly store: Store) {
    this.list = new FeatureList(byId("pinned-list"), store);
    follow(() => {
      this.keep();
      this.update();
    });
  }

  /** Saves this room's pins, or loads them when the room has changed. */
  private keep(): void {
    const { store } = this;
    const place = store.presence?.room ?? store.origin;
    if (place !== this.place) {
      this.place = place;
      store.pinned = new Set(loadPins(place));
      this.saved = store.pinned;
    } else if (store.pinned !== this.saved) {
      this.saved = store.pinned;
      savePins(place, [...store.pinned]);
    }
  }

  private update(): void {
    const { store } = this;
    const { session } = store;
    const token = tokenOf(store);
    const rows: Row[] = [...store.pinned].flatMap((key) => {
      const feature = session.feature(key);
      if (!feature) return [];
      const activation = token?.activationOf(feature) ?? 0;
      const share = session.strengthOf(feature, activation);
      return [
        {
          feature,
          echoes: [],
          share,
          figure: activation > 0 ? short(activation) : "–",
          second: activation > 0 ? percent(share) : "",
          title: `${feature.source} #${feature.id}: pinned, highest here ${short(feature.peak)}`,
        },
      ];
    });
    this.section.hidden = rows.length === 0;
    // The band grows by these rows, so that the strongest keep theirs.
    byId("band").style.setProperty("--pins", String(rows.length));
    this.list.update(rows);
  }
}
