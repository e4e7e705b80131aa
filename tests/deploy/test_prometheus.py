"""What is collected and watched: rules over figures that there are, each alert with its page of the runbook."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from matchday.app.metric_list import BY_NAME, Kind
from matchday.ops.record.words import SELECTOR
from tests.deploy.objects import DEPLOY, ROOT

FOLDER = DEPLOY / "prometheus"
GROUPS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
RUNBOOK = (ROOT / "docs" / "telemetry.md").read_text()
PROMTOOL = shutil.which("promtool")


def series() -> set[str]:
    """Every name that a figure of the list has in Prometheus."""
    found = {"up"}
    for metric in BY_NAME.values():
        ends = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        found |= {metric.name + end for end in ends}
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_goes_by_figures_and_labels_that_there_are(rule: dict[str, Any]) -> None:
    names = set(re.findall(r"\b((?:matchday|process)[a-z0-9_:]*)\b(?!\")", rule["expr"])) - {"matchday"}
    assert names or rule["expr"] in ("vector(1)", 'up{job="matchday"} == 0')
    assert names <= series() | RECORDED
    for name, labels in re.findall(r"\b(matchday_\w+)\{([^}]*)\}", rule["expr"]):
        metric = BY_NAME[re.sub(r"_(bucket|sum|count)$", "", name) if name not in BY_NAME else name]
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', labels):
            assert set(values.split("|")) <= set(metric.labels[label]), (name, label)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_is_how_grave_and_what_to_do(alert: dict[str, Any]) -> None:
    assert re.fullmatch(r"Matchday[A-Z]\w+", alert["alert"])
    assert alert["labels"]["severity"] in ("page", "ticket", "none")
    assert alert["annotations"]["runbook"] == f"docs/telemetry.md#{alert['alert'].lower()}"
    section = RUNBOOK.partition(f"### {alert['alert']}\n\n")[2].partition("\n### ")[0]
    assert section.startswith(alert["annotations"]["summary"])
    after = f", after {alert['for']}" if "for" in alert else ""
    assert f"*({alert['labels']['severity']}{after})*" in section
    assert len(section.partition(")*")[2].strip()) > 40, "what to do"


def test_every_section_of_the_runbook_has_its_alert() -> None:
    assert re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE) == [alert["alert"] for alert in ALERTS]


@pytest.mark.parametrize("file", ["prometheus.yaml", "kubernetes.yaml"])
def test_the_job_is_called_what_rules_and_exports_go_by(file: str) -> None:
    config = yaml.safe_load((FOLDER / file).read_text())
    (job,) = config["scrape_configs"]
    assert f'job="{job["job_name"]}"' == SELECTOR
    assert (FOLDER / config["rule_files"][0]).is_file()
    assert config["global"]["scrape_interval"] == "15s"


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "deploy/prometheus/rules.yaml"),
        ("check", "config", "deploy/prometheus/prometheus.yaml"),
        ("test", "rules", "tests/deploy/rules_test.yaml"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_promtool_takes_it(words: tuple[str, ...]) -> None:
    if PROMTOOL is None:
        if os.environ.get("CI"):
            pytest.fail("promtool is missing, and CI needs it")
        pytest.skip("NOT TESTED: promtool is missing (apt-get install prometheus)")
    done = subprocess.run([PROMTOOL, *words], cwd=Path(ROOT), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
