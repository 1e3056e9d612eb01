/** What a picture was made from, in words, so that it can be cited and made again. */
import type { Store } from "../state/store";
import { ORIGIN } from ".";
import { sayEdit } from "./edits";

export function sayOrigin(store: Store): string {
  const { session, playhead } = store;
  const { run } = session;
  if (run === null) return ORIGIN.unknown;
  const { model, params } = run;
  const sources = store.sourceIds().filter((id) => store.shows(id));
  const edits = store.editsInForce.map((edit) => sayEdit(store, edit));
  const { seed } = params;
  const list = sources.join(", ");
  return [
    ORIGIN.model(model),
    sources.length === 0
      ? ORIGIN.noSources
      : ORIGIN[sources.length === 1 ? "source" : "sources"](list),
    typeof seed === "string" || typeof seed === "number"
      ? ORIGIN.seed(String(seed))
      : ORIGIN.noSeed,
    edits.length === 0 ? ORIGIN.noEdits : ORIGIN.edits(edits.join("; ")),
    ORIGIN.token(playhead.at + 1, session.tokens.length),
  ].join(" ");
}
