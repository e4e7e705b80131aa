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
