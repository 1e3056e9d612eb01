"""Labels in memory: overrides come first, then files and exports, then single answers."""

from __future__ import annotations

from axon_gateway.labels import search
from axon_gateway.labels.memory import Memory
from axon_gateway.labels.records import FeatureRecord
from axon_gateway.labels.store import Entry
from axon_gateway.labels.table import LabelTable

SOURCE = "model/0-res"


async def test_a_search_finds_the_labels_that_frames_carry() -> None:
    memory = Memory({(SOURCE, 1): "cats, by hand"}, most=10**6)
    files = {1: "cats", 2: "cats of a file"}
    memory.hold(SOURCE, LabelTable({i: FeatureRecord(label) for i, label in files.items()}), 60.0)
    for index in (1, 2, 3):
        memory.answer(SOURCE, index, Entry(FeatureRecord("cats, as an answer"), 0.0))
    shown = {index: memory.label(SOURCE, index) for index in (1, 2, 3)}
    assert shown == {1: "cats, by hand", 2: "cats of a file", 3: "cats, as an answer"}
    found = search.best([(SOURCE, await memory.tables(SOURCE))], "cats", 9)
    assert {match.index: match.label for match in found} == shown
