"""What clients send: JSON, checked here for form; the inference service checks ranges.

Whatever is wrong with a message by itself (not JSON, wrong type, a number no field can hold) is
refused here with the name of the field. What depends on the model (the longest prompt, which
sources exist) is refused by the inference service; `backends.statuses` translates that.
"""

from axon_gateway.requests.commands import (
    Edit,
    Enter,
    Generate,
    Open,
    Ping,
    Share,
    Stop,
    View,
    edit,
    enter,
    generate,
    parse,
    question,
)
from axon_gateway.requests.edits import InMaxima
from axon_gateway.requests.explain import CancelExplain, Explain
from axon_gateway.requests.hall import WORD, CloseQuestion, LeaveLine, Option, Question, Vote
from axon_gateway.requests.hall import question as hall_question

__all__ = [
    "WORD",
    "CancelExplain",
    "CloseQuestion",
    "Edit",
    "Enter",
    "Explain",
    "Generate",
    "InMaxima",
    "LeaveLine",
    "Open",
    "Option",
    "Ping",
    "Question",
    "Share",
    "Stop",
    "View",
    "Vote",
    "edit",
    "enter",
    "generate",
    "hall_question",
    "parse",
    "question",
]
