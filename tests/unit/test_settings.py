"""Settings that are lists, from a file and from variables."""

from pathlib import Path

import pytest

from matchday.config import SettingsError, load


def test_a_list_is_separated_by_commas_in_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "matchday.toml"
    file.write_text('[doors]\norigins = ["https://a.example"]\ntrusted_proxies = ["192.0.2.1"]\n')
    assert load(file, {}).doors.origins == ("https://a.example",)
    found = load(file, {"MATCHDAY_DOORS_TRUSTED_PROXIES": "10.0.0.0/8, ::1,"}).doors
    assert (found.origins, found.trusted_proxies) == (("https://a.example",), ("10.0.0.0/8", "::1"))
    assert load(file, {"MATCHDAY_DOORS_TRUSTED_PROXIES": ""}).doors.trusted_proxies == ()


def test_what_is_no_network_stops_the_start_and_is_named() -> None:
    with pytest.raises(SettingsError, match=r"10\.0\.0\.1/8"):
        load(None, {"MATCHDAY_DOORS_TRUSTED_PROXIES": "10.0.0.1/8"})


def test_a_variable_can_name_the_file_that_holds_its_setting(tmp_path: Path) -> None:
    address, key = tmp_path / "address", tmp_path / "key"
    address.write_text("host=db password=a_b\n")
    key.write_bytes(bytes(32))
    found = load(
        None,
        {
            "MATCHDAY_POSTGRES_ADDRESS_FILE": str(address),
            "MATCHDAY_DOORS_SECRET_FILE": str(key),  # a setting of that name: it is the file's name, not its text
        },
    )
    assert found.postgres.address == "host=db password=a_b"
    assert (found.doors.secret_file, found.doors.secret) == (str(key), "")


@pytest.mark.parametrize("held", [None, b"\xff\xfe", b"x" * 10_001])
def test_a_file_that_holds_no_setting_stops_the_start_and_is_named(tmp_path: Path, held: bytes | None) -> None:
    file = tmp_path / "address"
    if held is not None:
        file.write_bytes(held)
    with pytest.raises(SettingsError, match=f"MATCHDAY_POSTGRES_ADDRESS_FILE: '?{file}"):
        load(None, {"MATCHDAY_POSTGRES_ADDRESS_FILE": str(file)})


def test_a_file_of_no_setting_is_an_unknown_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nothing_file"):
        load(None, {"MATCHDAY_POSTGRES_NOTHING_FILE": str(tmp_path / "none")})


def test_a_gate_without_its_number_does_not_start() -> None:
    """Its pod's ordinal comes as a label, which clusters before Kubernetes 1.28 do not set."""
    for ordinal in ("", "3"):
        with pytest.raises(SettingsError):
            load(None, {"MATCHDAY_BETS_WRITER": ordinal, "MATCHDAY_BETS_WRITERS": "3"})
    assert load(None, {"MATCHDAY_BETS_WRITER": "2", "MATCHDAY_BETS_WRITERS": "3"}).bets.writer == 2


@pytest.mark.parametrize(("written", "place"), [
    ('[doors]\nhost = "127.0.0.1\\u0000"', "$.doors.host"),
    ('[doors]\nsecret_file = "k\\u0000ey"', "$.doors.secret_file"),
    ('[doors]\nsecret = "0123456789abcdef\\u0000"', "$.doors.secret"),
    ('[doors]\norigins = ["https://a.example", "\\u0000"]', "$.doors.origins[1]"),
    ('[ops]\nhost = "\\u0000"', "$.ops.host"),
    ('[postgres]\naddress = "host=\\u0000"', "$.postgres.address"),
    ('[kafka]\nbrokers = ["kafka:9092\\u0000"]', "$.kafka.brokers[0]"),
    ('[kafka.client]\n"sasl.username" = "\\u0000"', "$.kafka.client.sasl.username"),
    ('[kafka.client]\n"a\\u0000" = "b"', "$.kafka.client.a\\0"),
])  # fmt: skip
def test_a_nul_character_is_named_by_its_setting_and_not_shown(written: str, place: str, tmp_path: Path) -> None:
    """The operating system takes none: a path or a host with one ended a process with a traceback."""
    file = tmp_path / "matchday.toml"
    file.write_text(written)
    with pytest.raises(SettingsError) as raised:
        load(file, {})
    assert str(raised.value).endswith(
        f"a NUL character, which no path, host or other text may have; take it out - at `{place}`"
    )
    assert "\0" not in str(raised.value)
    assert "0123456789abcdef" not in str(raised.value)


def test_a_nul_character_in_a_file_that_holds_a_setting_is_named(tmp_path: Path) -> None:
    file = tmp_path / "address"
    file.write_bytes(b"host=db\0")
    with pytest.raises(SettingsError, match=r"a NUL character.* - at `\$\.postgres\.address`"):
        load(None, {"MATCHDAY_POSTGRES_ADDRESS_FILE": str(file)})
