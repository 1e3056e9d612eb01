/** The words of the field that the page uses, each explained in a line. */
import { h } from "./dom";

const MEANINGS = {
  feature:
    "A feature is a direction in the model's state that a sparse autoencoder found. It fires where the text has what it stands for.",
  activation: "How strongly a feature fires at a token, in the autoencoder's own units.",
  share: "The activation as a share of this feature's highest known activation.",
  source:
    "A source is one sparse autoencoder: it splits the state of one layer into named features.",
  L0: "How many features of a source are active at this token, shown or not.",
  missed: "Share of the layer's state that the autoencoder does not reproduce; 0% is perfect.",
  density: "Share of the tokens of a large text at which the feature fires.",
  explainer:
    "Who wrote the label, usually a language model that read texts where the feature fires.",
  score: "How well the label predicts where the feature fires; 1 is best.",
  peak: "Its highest activation here, and the highest known.",
  probability:
    "The probability that the model itself gave this token, before temperature and the like.",
  promotes:
    "Tokens that the feature makes more likely to come next, by its weights alone. One unit of activation adds the number to their logit.",
  suppresses: "Tokens that the feature makes less likely to come next, by its weights alone.",
  alike:
    "Features of the same source whose decoder vectors point nearly the same way: 1 is the same direction.",
  together:
    "Features that fired at the same tokens of this text. The bar says how much more often than chance.",
} as const;

export type Term = keyof typeof MEANINGS;

export function meaningOf(term: Term): string {
  return MEANINGS[term];
}

/** A word that explains itself under the pointer or the focus. */
export function explained(term: Term, shown: string = term): HTMLElement {
  return h("span", { class: "term", tabindex: "0", "data-tip": MEANINGS[term] }, shown);
}
