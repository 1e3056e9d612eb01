/** What a picture was made from, in words, so that it can be cited and made again. */
import type { Store } from "../state/store";
import { sayEdit } from "./edits";
import { ORIGIN } from "./research";

export function sayOrigin(store: Store): string {
  const { session, playhead } = store;
  const { run } = session;
  if (run === null) return ORIGIN.unknown;
  const { model, params } = run;
  const sources = store.sourceIds().filter((id) => store.shows(id));
  const edits = store.editsInForce.map((edit) => sayEdit(store, edit));
  const seed =
    typeof params.seed === "string" || typeof params.seed === "number" ? params.seed : null;
  return [
    ORIGIN.model(model),
    ORIGIN.sources(sources),
    ORIGIN.seed(seed === null ? null : String(seed)),
    ORIGIN.edits(edits),
    ORIGIN.token(playhead.at + 1, session.tokens.length),
  ].join(" ");
}
