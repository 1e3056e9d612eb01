/** Which features fire together with one, counted as tokens come and never over all of the text. */
import type { Feature, Token } from "./state";

export class Company {
  /** Number of tokens of the run at which the other fired as well. */
  readonly together = new Map<Feature, number>();
  private counted = 0;

  constructor(
    readonly feature: Feature,
    readonly run: number,
  ) {}

  /** Counts the tokens that came since. */
  follow(tokens: readonly Token[]): void {
    const { at } = this.feature.firings;
    for (; this.counted < at.length; this.counted += 1) {
      for (const { feature } of tokens[at[this.counted] ?? -1]?.active ?? []) {
        if (feature === this.feature) continue;
        this.together.set(feature, (this.together.get(feature) ?? 0) + 1);
      }
    }
  }
}
