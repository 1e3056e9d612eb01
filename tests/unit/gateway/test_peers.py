"""Presence of gateways: one whose count stays unchanged for several looks is taken for dead."""

from __future__ import annotations

from axon_gateway.replication.peers import Peers


def looked(peers: Peers, *looks: dict[str, int]) -> Peers:
    for counts in looks:
        peers.update(counts)
    return peers


def test_a_gateway_that_counts_up_is_alive() -> None:
    peers = looked(Peers("me"), *({"me": i, "b": i} for i in range(1, 20)))
    assert peers.alive == {"b"}
    assert not peers.dead


def test_a_gateway_that_stops_counting_is_dead_after_four_looks() -> None:
    peers = looked(Peers("me"), {"b": 7})
    for _ in range(3):
        looked(peers, {"b": 7})
        assert not peers.is_dead("b")
    looked(peers, {"b": 7})
    assert peers.is_dead("b")
    assert peers.dead == {"b"}
    # If it counts again, it is alive again.
    looked(peers, {"b": 8})
    assert peers.alive == {"b"}


def test_an_outage_of_redis_makes_no_gateway_dead() -> None:
    """The first look after an outage of any length finds all counts unchanged."""
    peers = looked(Peers("me"), {"me": 1, "b": 7})
    looked(peers, {"me": 2, "b": 7})
    assert not peers.is_dead("b")
    # Redis came back empty, and this gateway was the first to count.
    looked(peers, {"me": 1})
    looked(peers, {"me": 2})
    assert not peers.is_dead("b")


def test_a_gateway_that_was_never_seen_is_dead_after_four_looks() -> None:
    peers = Peers("me")
    assert not peers.is_dead("gone")
    looked(peers, *({"me": i} for i in range(3)))
    assert not peers.is_dead("gone")
    looked(peers, {"me": 4})
    assert peers.is_dead("gone")


def test_a_gateway_never_takes_itself_for_dead() -> None:
    peers = looked(Peers("me"), *({"me": 1} for _ in range(10)))
    assert not peers.is_dead("me")
    assert peers.alive == set()


def test_gateways_that_are_gone_are_forgotten_unless_somebody_asks_about_them() -> None:
    """A gateway has a new name after each start."""
    peers = Peers("me")
    for look in range(1000):
        looked(peers, {"me": look, f"start-{look // 10}": look})
        peers.is_dead("home of a room")
    assert peers.is_dead("home of a room")
    assert len(peers._since) <= 15
