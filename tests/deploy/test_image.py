"""The container file and what it installs: parts of the one lock, by a user who may do nothing."""

import re
import tomllib

import pytest

from tests.deploy.objects import DEPLOY, ROOT

FILE = (DEPLOY / "Containerfile").read_text()
STAGES = list(re.split(r"(?m)^FROM ", FILE)[1:])


def pinned(lock: str) -> dict[str, frozenset[str]]:
    """Requirement and marker -> the hashes of its files."""
    found: dict[str, frozenset[str]] = {}
    for block in re.split(r"(?m)^(?=\w)", lock):
        if block.strip():
            requirement, *hashes = (line.strip().rstrip("\\").strip() for line in block.splitlines())
            found[requirement] = frozenset(hashes)
    return found


@pytest.mark.parametrize("part", ["requirements.lock", "build.lock"])
def test_what_the_image_installs_is_what_was_tested(part: str) -> None:
    whole = pinned((ROOT / "requirements.lock").read_text())
    by_release = {requirement.partition(" ;")[0]: hashes for requirement, hashes in whole.items()}
    for requirement, hashes in pinned((DEPLOY / part).read_text()).items():
        assert hashes
        assert all(one.startswith("--hash=sha256:") for one in hashes)
        assert by_release[requirement.partition(" ;")[0]] == hashes, f"{requirement}: say `make lock`"


def test_the_image_has_everything_that_a_cluster_needs_and_no_tools() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[=<>\[ ;]", one)[0] for one in pinned((DEPLOY / "requirements.lock").read_text())}
    wanted = [*project["dependencies"], *project["optional-dependencies"]["cluster"]]
    assert {re.split(r"[=<>\[ ;]", one)[0] for one in wanted} <= names
    assert not names & {"pytest", "mypy", "playwright", "hatchling"}
    build = {one.partition("==")[0] for one in pinned((DEPLOY / "build.lock").read_text())}
    assert "hatchling" in build


def test_every_install_is_by_hashes_or_of_what_was_built_here() -> None:
    installs = re.findall(r"(?m)^RUN .* pip .*(?:install|wheel) .*$", FILE)
    assert len(installs) == 4
    for install in installs:
        by_hash = "--require-hashes" in install and "--only-binary :all:" in install
        assert by_hash or ("--no-index" in install and "--no-deps" in install)


def test_the_image_comes_from_one_public_name_and_runs_as_nobody() -> None:
    assert re.search(r"(?m)^ARG PYTHON_IMAGE=python:3\.13-slim-bookworm$", FILE)
    assert [stage.split()[0] for stage in STAGES] == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]
    assert not re.search(r"https?://|(?m:^ADD )|curl|wget|apt", FILE)
    last = STAGES[-1]
    assert re.search(r"(?m)^USER 10001:10001$", last)
    assert "RUN " not in last, "what is built is copied"
    assert re.search(r'(?m)^ENTRYPOINT \["matchday"\]$', last)


def test_what_is_copied_is_let_through() -> None:
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text().split()
    copied = {name for line in re.findall(r"(?m)^COPY (?!--from)(.*)$", FILE) for name in line.split()[:-1]}
    assert {f"!{name}" for name in copied} == {line for line in ignored if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)
