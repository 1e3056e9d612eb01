"""Which gateways live: a look that finds a count unchanged, several times in a row, says no."""

from __future__ import annotations

from axon_gateway.rooms.peers import Peers


def looked(peers: Peers, *looks: dict[str, int]) -> Peers:
    for counts in looks:
        peers.saw(counts)
    return peers


def test_a_gateway_that_counts_up_lives() -> None:
    peers = looked(Peers("me"), *({"me": i, "b": i} for i in range(1, 20)))
    assert peers.alive == {"b"}
    assert not peers.buried


def test_a_gateway_that_stands_still_is_dead_after_four_looks() -> None:
    peers = looked(Peers("me"), {"b": 7})
    for _ in range(3):
        looked(peers, {"b": 7})
        assert not peers.dead("b")
    looked(peers, {"b": 7})
    assert peers.dead("b")
    assert peers.buried == {"b"}
    # It was only away for long.
    looked(peers, {"b": 8})
    assert peers.alive == {"b"}


def test_however_long_nobody_could_look_nobody_is_dead() -> None:
    """Redis was gone for an hour: the first look after that finds all counts as they were."""
    peers = looked(Peers("me"), {"me": 1, "b": 7})
    looked(peers, {"me": 2, "b": 7})
    assert not peers.dead("b")
    # It came back empty, and this gateway was the first to count.
    looked(peers, {"me": 1})
    looked(peers, {"me": 2})
    assert not peers.dead("b")


def test_a_gateway_never_seen_is_dead_after_as_many_looks() -> None:
    peers = Peers("me")
    assert not peers.dead("gone")
    looked(peers, *({"me": i} for i in range(3)))
    assert not peers.dead("gone")
    looked(peers, {"me": 4})
    assert peers.dead("gone")


def test_nobody_buries_themselves() -> None:
    peers = looked(Peers("me"), *({"me": 1} for _ in range(10)))
    assert not peers.dead("me")
    assert peers.alive == set()
