"""`python -m axon_inference label TEXT`: labels for the features of the SAEs that are served.

`contexts` finds where features fire in a text, `wording` chooses words for it and scores them on
text that did not choose them, `asking` has a language model write explanations instead, and
`writing` makes the files that the gateway reads (`AXON_LABELS`).
"""
