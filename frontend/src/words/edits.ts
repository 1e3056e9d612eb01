/** What edits do, in words. */
import { featureKey } from "../state/feature";
import { editedKey } from "../state/edits";
import { AS_IS, LEAST_DOSES, WITH } from "../state/reach";
import type { Store } from "../state/store";
import type { Edit } from "../wire/types";
import { figure, REACH, SAY } from ".";
import { adviceOn, sayProblem } from "./status";

/** “France” silenced, “Japan” in place of “France”; a feature without a label by its number. */
export function sayEdit(store: Store, edit: Edit): string {
  const { source, feature, swap_with: other, scale, set, add = 0 } = edit;
  const nameOf = (id: number): string => {
    const label = store.labelOf(featureKey(source, id));
    return label === null ? SAY.feature(id) : SAY.quoted(label);
  };
  const name = nameOf(feature);
  if (other !== undefined) return REACH.inPlaceOf(nameOf(other), name);
  if (scale === 0) return REACH.silenced(name);
  if (scale === -1) return REACH.minus(name);
  if (scale !== undefined) return REACH.times(name, figure(scale));
  if (set !== undefined) return REACH.set(name, figure(set));
  return REACH.added(name, figure(add, { signDisplay: "always" }));
}

/** A branch's name; that of the edited one of a twin goes on with its edits. */
export function branchWords(store: Store, branch: number): string {
  const { session, playhead } = store;
  const name = session.run?.branches[branch]?.name ?? String(branch + 1);
  if (name === AS_IS) return REACH.asIs;
  const edits = session.branchLog(branch)?.editsAt(playhead.token?.position ?? Infinity) ?? [];
  return name === WITH
    ? REACH.with(edits.map((edit) => sayEdit(store, edit)).join(", ")).trim()
    : name;
}

/** What the run on show gives doses of; empty if it is no dose series of one feature. */
export function sayDoses(store: Store): string {
  const branches = store.session.run?.branches ?? [];
  const edits = branches.flatMap(({ edits }) => edits);
  const [first] = edits;
  const doses = edits.filter((one) => one.scale !== undefined && first && editedKey(one) === editedKey(first)); // prettier-ignore
  if (!first || doses.length !== branches.length - 1 || branches.length < LEAST_DOSES) return "";
  const label = store.labelOf(editedKey(first));
  return REACH.dosesOf(label === null ? SAY.feature(first.feature) : SAY.quoted(label));
}

/** Why an edit was not taken; empty if none was refused. */
export function sayRefused(store: Store): string {
  const { refused } = store.reach;
  if (refused === null) return "";
  const { problem, edit } = refused;
  const which = edit === null ? "" : ` (${sayEdit(store, edit)})`;
  const why = adviceOn(problem.code) ?? sayProblem({ ...problem, field: null });
  return `${REACH.refused}${which}: ${why}`;
}
