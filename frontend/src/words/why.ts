/** Why a token came, in words. Each figure said here was measured. */
import type { Answer } from "../state/why";
import { STRONG, strongestFor } from "../state/why";
import type { Coverage } from "../wire/types";
import { figure, WHY } from ".";

/** How the candidates were chosen, and how far that choice can be trusted. */
export function sayCoverage({ active, tried, agreement }: Coverage): string {
  if (active === 0) return WHY.noneActive;
  if (tried >= active) return WHY.allTried(active);
  const chosen = WHY.someTried(tried, active);
  if (agreement === null) return chosen;
  const { pearson, top_5: share } = agreement;
  // As correlations are printed: without the 0 before the point.
  const r = decimals(pearson).replace(/^(−?)0/u, "$1");
  return `${chosen} ${WHY.agreement(r, Math.round(5 * share))}`;
}

/** That nothing speaks for a token, if nothing does; else empty. */
export function sayWeak({ state, effects }: Answer): string {
  if (state !== "done") return "";
  const strongest = strongestFor(effects);
  if (strongest === undefined) return WHY.nothingSpeaks;
  if (strongest.logprob <= -STRONG) return "";
  const change = Math.abs(strongest.logprob);
  return WHY.weak(change < 0.005 ? WHY.lessThan(decimals(0.01)) : decimals(change));
}

/** A figure with two decimals. */
export function decimals(value: number, digits = 2): string {
  return figure(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A signed figure with a real minus; none for what is shown as 0. */
export function signed(value: number, digits = 2): string {
  return figure(value, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay: "exceptZero",
  });
}
