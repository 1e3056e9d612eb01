/** Keeps the page's address in step with what is on show, so that a view can be shared. */
import { EVERYTHING, readView, type View, withoutRun, withView } from "../session/address";
import type { Store } from "../session/store";

/** Browsers refuse an address that changes too often. */
const WRITE_MS = 300;

export class AddressBar {
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** What the address asked for and the room does not have yet. */
  private sources: readonly string[] | null;
  private feature: string | null;
  private keepsRun = true;

  constructor(private readonly store: Store) {
    const view = readView(new URLSearchParams(location.search));
    this.sources = view.sources;
    this.feature = view.feature;
    store.filter(view.filters);
    store.set({ linkFloor: view.links });
    store.subscribe(() => {
      this.fulfil();
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        this.write();
      }, WRITE_MS);
    });
  }

  /** A run was started: the one in the address is dropped from it. */
  forgetRun(): void {
    this.keepsRun = false;
  }

  /** The view on show, with what the address asked for and is not there yet. */
  get view(): View {
    const { store } = this;
    const ids = store.sourceIds();
    const shown = ids.filter((id) => store.shows(id));
    return {
      ...EVERYTHING,
      filters: store.filters,
      sources: this.sources ?? (shown.length === ids.length ? null : shown),
      feature: store.wanted ?? this.feature,
      links: store.linkFloor,
    };
  }

  /** Chooses what the address asked for as soon as it is there. */
  private fulfil(): void {
    const { store } = this;
    const ids = store.sourceIds();
    if (this.sources !== null && ids.length > 0 && store.backend.state !== "loading") {
      const hidden = ids.filter((id) => !this.sources?.includes(id));
      this.sources = null;
      // If they are another model's sources, all of this one's are shown rather than none.
      if (hidden.length < ids.length) store.set({ hidden: new Set(hidden) });
    }
    if (store.wanted !== null) this.feature = null;
    else if (this.feature !== null && store.session.feature(this.feature)) {
      store.choose(this.feature);
    }
  }

  private write(): void {
    const now = new URLSearchParams(location.search);
    const query = this.keepsRun ? now : withoutRun(now);
    const next = new URL(withView(query, this.view) || location.pathname, location.href);
    if (next.search !== location.search) {
      history.replaceState(null, "", location.pathname + next.search);
    }
  }
}
