/** The activations on the page as JSON lines: a header, then one line per token. */
import type { Session } from "./session";
import type { Feature } from "./feature";
import type { Token } from "./log";

/**
 * Line 1: `{"type":"activations","version":1,"model","sources","params","prompt","filters"}`.
 * Each further line: `{"type":"token","index","position","token","origin","logprob",
 * "source_features":[{"source","layer","features":[{"id","label","activation"}]}]}`, the strongest
 * feature of a source first. `passes` selects the features; `filters` says by which filters.
 */
export function activationLines(
  session: Session,
  passes: (feature: Feature) => boolean,
  filters: readonly string[],
): string {
  const { run, tokens } = session;
  const head = {
    type: "activations",
    version: 1,
    model: run?.model ?? null,
    sources: run?.sources ?? [],
    params: run?.params ?? {},
    prompt: run?.prompt ?? null,
    filters,
  };
  const lines = [head, ...tokens.map((token) => tokenLine(token, passes))];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

function tokenLine(token: Token, passes: (feature: Feature) => boolean): object {
  const bySource = new Map<string, { source: string; layer: number; features: object[] }>();
  for (const { feature, activation } of token.active) {
    if (!passes(feature)) continue;
    const { source, layer, id, label } = feature;
    const group = bySource.get(source) ?? { source, layer, features: [] };
    group.features.push({ id, label, activation: rounded(activation) });
    bySource.set(source, group);
  }
  return {
    type: "token",
    index: token.index,
    position: token.position,
    token: token.text,
    origin: token.generated ? "generated" : "prompt",
    logprob: token.logprob,
    source_features: [...bySource.values()],
  };
}

/** Logs keep 32 bits of an activation: more digits than these would be made up. */
function rounded(activation: number): number {
  return Number(activation.toPrecision(7));
}
