/** The facts about one token beside its features. */
import type { Token } from "../state/log";
import { byId, h, short } from "./dom";
import { explained, type Term } from "./terms";

export interface Fact {
  name: string;
  value: string;
  /** The term that explains the name, if it needs one. */
  term?: Term;
}

export function factsOf({ position, logprob, generated, details }: Token): Fact[] {
  const facts: Fact[] = [{ name: "position", value: String(position) }];
  if (details.token_id !== undefined) facts.push({ name: "id", value: String(details.token_id) });
  if (logprob !== null) {
    const value = `${percent(Math.exp(logprob))} (log ${short(logprob)})`;
    facts.push({ name: "probability", value, term: "probability" });
  } else if (!generated) facts.push({ name: "from the", value: "prompt" });
  const { l0 = {}, reconstruction_error: missed = {} } = details;
  if (Object.keys(l0).length > 0) {
    facts.push({ name: "L0", value: bySource(l0, String), term: "L0" });
  }
  if (Object.keys(missed).length > 0) {
    facts.push({ name: "missed", value: bySource(missed, percent), term: "missed" });
  }
  return facts;
}

/** `31`, or with up to four sources `31 · 12 · 9`, in their order; with more, only the range. */
function bySource(figures: Record<string, number>, say: (figure: number) => string): string {
  const all = Object.values(figures);
  if (all.length <= 4) return all.map(say).join(" · ");
  return `${say(Math.min(...all))} to ${say(Math.max(...all))}`;
}

/** The line above the features of a token looked at. */
export class TokenFacts {
  private readonly line = byId("token-facts");
  private token: Token | null = null;

  show(token: Token | null): void {
    if (token === this.token) return;
    this.token = token;
    this.line.hidden = token === null;
    this.line.replaceChildren(
      ...(token ? factsOf(token) : []).map(({ name, value, term }) =>
        h("span", {}, term ? explained(term, name) : name, " ", h("b", {}, value)),
      ),
    );
  }
}

export function percent(share: number): string {
  if (share > 0 && share < 0.01) return "under 1%";
  return `${Math.round(100 * share)}%`;
}
