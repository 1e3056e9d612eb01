/** What edits do, in words. */
import { featureKey } from "../state/feature";
import type { Store } from "../state/store";
import type { Edit } from "../wire/types";
import { sayProblem } from "./status";
import { effectOf, ADVICE, REACH, SAY } from "./en";

/** “France” silenced, “Japan” in place of “France”; a feature without a label by its number. */
export function sayEdit(store: Store, edit: Edit): string {
  const { source, feature, swap_with: other } = edit;
  const name = (id: number): string => {
    const label = store.labelOf(featureKey(source, id));
    return label === null ? SAY.feature(id) : `“${label}”`;
  };
  if (other !== undefined) return `${name(other)} in place of ${name(feature)}`;
  return `${name(feature)} ${effectOf(edit)}`;
}

/** A branch's name; that of the edited one of a twin goes on with its edits. */
export function branchWords(store: Store, branch: number): string {
  const { session, playhead } = store;
  const name = session.run?.branches[branch]?.name ?? String(branch + 1);
  const edits = session.branchLog(branch)?.editsAt(playhead.token?.position ?? Infinity) ?? [];
  return name === "with"
    ? ["with", edits.map((edit) => sayEdit(store, edit)).join(", ")].join(" ")
    : name;
}

/** Why an edit was not taken; empty if none was refused. */
export function sayRefused(store: Store): string {
  const { refused } = store.reach;
  if (refused === null) return "";
  const { problem, edit } = refused;
  const which = edit === null ? "" : ` (${sayEdit(store, edit)})`;
  const why = ADVICE[problem.code] ?? sayProblem({ ...problem, field: null });
  return `${REACH.refused}${which}: ${why}`;
}
