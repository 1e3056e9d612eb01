/** The words of the field that the page uses, each explained in a line. */
import { h } from "./dom";

const MEANINGS = {
  feature:
    "A feature is a direction in the model's state that a sparse autoencoder found; it fires where what it stands for is there.",
  activation: "How strongly a feature fires at a token, in the autoencoder's own units.",
  share: "The activation as a share of the strongest this feature has been seen to fire.",
  source:
    "A source is one sparse autoencoder: it splits the state of one layer into named features.",
  L0: "How many features of a source are active at this token, shown or not.",
  missed: "Share of the layer's state that the autoencoder does not reproduce; 0% is perfect.",
  density: "Share of all tokens, in much text, at which the feature fires.",
  explainer: "Who or what wrote the label, mostly a language model that read where it fires.",
  score: "How well the label tells where the feature fires; 1 is best.",
  peak: "The strongest it has fired here, and as far as is known.",
  probability:
    "How likely the model itself held this token to be, before temperature and the like.",
  promotes:
    "Tokens that become likelier next where the feature fires, by its weights alone: the number is added to their logit.",
  suppresses: "Tokens that become less likely next where the feature fires, by its weights alone.",
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
