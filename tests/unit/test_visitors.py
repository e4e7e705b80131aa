"""Where a request really comes from: proxies are believed only where they are ours."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.edge.visitors import limit_key, may_connect, networks, real_address

OURS = networks(["10.0.0.0/8", "2001:db8::/32", "127.0.0.1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.2.0.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db9::7]:4711"], "2001:db9::7"),
        ("2001:db8::1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("?", ["198.51.100.1"], "?"),
    ],
)
def test_the_first_address_that_is_not_ours_counts(peer: str, forwarded: list[str], address: str) -> None:
    assert real_address(peer, forwarded, OURS) == address


@given(st.lists(st.text(max_size=60)))
def test_nobody_is_believed_unless_he_is_trusted(forwarded: list[str]) -> None:
    assert real_address("203.0.113.9", forwarded, OURS) == "203.0.113.9"
    assert real_address("127.0.0.1", forwarded, ()) == "127.0.0.1"


@given(st.lists(st.text(st.sampled_from("0123456789abcdef.:,[] %/"), max_size=60)))
def test_any_text_of_a_proxy_of_ours_gives_an_address(forwarded: list[str]) -> None:
    found = real_address("10.0.0.1", forwarded, OURS)
    assert found == real_address(found, [], OURS)
    limit_key(found)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("::1", "::/64"), ("?", "?"),
        ("::ffff:192.0.2.1", "192.0.2.1"), ("a:b", "a:b"),
    ],
)  # fmt: skip
def test_one_visitor_is_one_address_or_one_64(address: str, key: str) -> None:
    assert limit_key(address) == key


@pytest.mark.parametrize(
    ("origins", "hosts", "may"),
    [
        ([], ["fans.example"], True),
        (["https://fans.example"], ["FANS.example"], True),
        (["http://fans.example:8000"], ["fans.example:8000"], True),
        (["https://fans.example"], ["fans.example:8000"], False),
        (["https://FRIENDS.example"], ["fans.example"], True),
        (["https://elsewhere.example"], ["fans.example"], False),
        (["https://fans.example", "https://elsewhere.example"], ["fans.example"], False),
        (["null"], ["null"], False),
        (["file://fans.example"], ["fans.example"], False),
        (["https://fans.example"], ["fans.example", "fans.example"], False),
        (["https://fans.example"], [], False),
    ],
)
def test_pages_of_the_same_host_and_of_friends_may_connect(origins: Any, hosts: Any, may: bool) -> None:
    assert may_connect(origins, hosts, {"https://friends.example"}) == may


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        networks(["10.0.0.1/8"])
