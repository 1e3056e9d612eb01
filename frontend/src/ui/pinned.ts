/** Pinned features: they stay listed, with their activation at the token on show. */
import { activationAt, newestToken } from "../session/query";
import type { FeatureKey } from "../session/state";
import type { Store } from "../session/store";
import { byId, short } from "./dom";
import { FeatureList, type Row } from "./feature-list";
import { percent } from "./token-facts";

/** The key under which a room's pins are kept, as long as the tab is open. */
function placeOf(store: Store): string {
  return `axon.pinned.${store.session.room?.room ?? store.origin}`;
}

export class PinnedView {
  private readonly section = byId("pinned");
  private readonly list: FeatureList;
  private place = "";
  private saved: ReadonlySet<FeatureKey> = new Set();

  constructor(private readonly store: Store) {
    this.list = new FeatureList(byId("pinned-list"), store);
    store.subscribe(() => {
      this.keep();
      this.update();
    });
  }

  /** Saves this room's pins, or loads them when the room has changed. */
  private keep(): void {
    const { store } = this;
    const place = placeOf(store);
    if (place !== this.place) {
      this.place = place;
      store.pinned = load(place);
      this.saved = store.pinned;
    } else if (store.pinned !== this.saved) {
      this.saved = store.pinned;
      sessionStorage.setItem(place, JSON.stringify([...store.pinned]));
    }
  }

  private update(): void {
    const { store } = this;
    const { session } = store;
    const token = store.token ?? newestToken(session);
    const rows: Row[] = [...store.pinned].flatMap((key) => {
      const feature = session.feature(key);
      if (!feature) return [];
      const activation = activationAt(token, feature);
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

function load(place: string): ReadonlySet<FeatureKey> {
  try {
    const saved: unknown = JSON.parse(sessionStorage.getItem(place) ?? "[]");
    return new Set(Array.isArray(saved) ? saved.filter((key) => typeof key === "string") : []);
  } catch {
    return new Set();
  }
}
