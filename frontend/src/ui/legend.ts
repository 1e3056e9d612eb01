/** One line on the stage: what height, light and rings mean in the picture as it is drawn now. */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { STAGE } from "../words";
import { byId, setText } from "./dom";
import { isPhone } from "./map";

export function showLegend(store: Store): void {
  const line = byId("legend");
  byId("strongest-title").title = STAGE.ranked;
  follow(() => {
    const { height, flat, light, ring, chosen, edited } = STAGE.legend;
    const isFlat = store.map !== null && (store.flat ?? isPhone());
    const storeys = store.sourceIds().filter((id) => store.shows(id)).length;
    const parts = [
      ...(isFlat ? [flat] : storeys > 1 ? [height] : []),
      light,
      ...(store.strongest.length > 0 ? [ring] : []),
      ...(store.wanted === null ? [] : [chosen]),
      ...(store.editsInForce.length > 0 ? [edited] : []),
    ];
    setText(line, parts.join(" · "));
  });
}
