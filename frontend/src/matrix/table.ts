/** Which features fire at which tokens of the text on show: the rows of the matrix. */
import type { Feature } from "../state/feature";
import type { Session } from "../state/session";
import type { Order } from "../state/view";
import { firstFrom } from "../ui/strip";

export interface Row {
  readonly feature: Feature;
  /** The tokens at which it fires, by index and in order, and its activation at each. */
  readonly at: number[];
  readonly activation: number[];
  /** Its largest activation in this text. */
  most: number;
}

export class Table {
  /** By feature number, in the order of their first firing. */
  private readonly rows = new Map<number, Row>();
  private session: Session | null = null;
  private runs = 0;
  private counted = 0;

  /** Takes in the tokens that came since; another text begins anew. */
  follow(session: Session): void {
    if (session !== this.session || session.runs !== this.runs) {
      this.rows.clear();
      this.counted = 0;
      [this.session, this.runs] = [session, session.runs];
    }
    for (; this.counted < session.tokens.length; this.counted += 1) {
      session.tokens[this.counted]?.eachActive((feature, activation) => {
        this.add(feature, this.counted, activation);
      });
    }
  }

  /** The rows of features that pass, in this order. `sources` gives the order of the layers. */
  select(order: Order, sources: readonly string[], passes: (feature: Feature) => boolean): Row[] {
    const rows = [...this.rows.values()].filter(({ feature }) => passes(feature));
    if (order === "first") return rows;
    const { session } = this;
    const rank = ({ feature, most }: Row): number =>
      order === "layer"
        ? sources.indexOf(feature.source)
        : -(session?.strengthOf(feature, most) ?? 0);
    const ranked = rows.map((row) => ({ row, rank: rank(row) }));
    ranked.sort((a, b) => a.rank - b.rank);
    return ranked.map(({ row }) => row);
  }

  private add(feature: Feature, token: number, activation: number): void {
    let row = this.rows.get(feature.index);
    if (!row) this.rows.set(feature.index, (row = { feature, at: [], activation: [], most: 0 }));
    row.at.push(token);
    row.activation.push(activation);
    row.most = Math.max(row.most, activation);
  }
}

/** The activation of a row's feature at a token; 0 if it does not fire there. */
export function activationAt(row: Row, token: number): number {
  const place = firstFrom(row.at, token);
  return row.at[place] === token ? (row.activation[place] ?? 0) : 0;
}
