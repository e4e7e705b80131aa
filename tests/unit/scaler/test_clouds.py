"""Groups of machines: an AWS Auto Scaling group on moto, a Google one on a server that is made up."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.compute_v1.services.instance_group_managers.transports import InstanceGroupManagersRestTransport
from google.cloud.compute_v1.services.region_instance_group_managers.transports import (
    RegionInstanceGroupManagersRestTransport,
)
from moto import mock_aws

from matchday.ops.scaler.act.aws import OnAws
from matchday.ops.scaler.act.google import OnGoogle
from matchday.ops.scaler.act.port import ActError, Count
from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.settings import Machines
from tests.unit.scaler.made_up import served

AWS = Machines(ceiling=20, where="aws", group="matchday", region="eu-west-1")
GOOGLE = Machines(ceiling=20, where="google", group="matchday", project="p", zone="europe-west1-b")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a group of 2 to 10 machines, of which 3 are wanted."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("autoscaling", region_name="eu-west-1")
        client.create_launch_configuration(
            LaunchConfigurationName="machine", ImageId="ami-12345678", InstanceType="c7i.xlarge"
        )
        client.create_auto_scaling_group(
            AutoScalingGroupName="matchday", LaunchConfigurationName="machine", MinSize=2, MaxSize=10,
            DesiredCapacity=3, AvailabilityZones=["eu-west-1a"],
        )  # fmt: skip
        yield client


def wanted(client: Any) -> int:
    found: int = client.describe_auto_scaling_groups()["AutoScalingGroups"][0]["DesiredCapacity"]
    return found


def test_an_auto_scaling_group_changes_its_size(aws: Any) -> None:
    place = OnAws(AWS)
    assert place.count("machines") == Count(3, 3)
    place.scale("machines", 3, 6)
    assert (wanted(aws), place.count("machines")) == (6, Count(6, 6))
    place.scale("machines", 6, 5)
    assert wanted(aws) == 5


@pytest.mark.parametrize("count", [1, 11])
def test_outside_the_groups_own_bounds_it_is_refused_before_aws_does(aws: Any, count: int) -> None:
    """Moto would take it; AWS does not."""
    with pytest.raises(ActError, match=f"{count} is outside the bounds of matchday, 2 to 10"):
        OnAws(AWS).scale("machines", 3, count)
    assert wanted(aws) == 3


def test_a_group_that_somebody_else_changed_is_decided_anew(aws: Any) -> None:
    aws.set_desired_capacity(AutoScalingGroupName="matchday", DesiredCapacity=8)
    with pytest.raises(ActError, match="wants 8 where it wanted 3"):
        OnAws(AWS).scale("machines", 3, 4)
    assert wanted(aws) == 8


def test_a_group_in_which_launching_is_suspended_is_said(aws: Any) -> None:
    aws.suspend_processes(AutoScalingGroupName="matchday", ScalingProcesses=["Launch"])
    with pytest.raises(ActError, match="Launch is suspended in matchday"):
        OnAws(AWS).scale("machines", 3, 4)
    OnAws(AWS).scale("machines", 3, 2)


def test_a_group_that_is_not_there_is_named(aws: Any) -> None:
    other = Machines(ceiling=20, where="aws", group="other", region="eu-west-1")
    with pytest.raises(ActError, match="AWS knows no Auto Scaling group 'other'"):
        OnAws(other).count("machines")


def test_aws_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with pytest.raises(ActError, match="AWS does not answer"):
        OnAws(AWS, "http://127.0.0.1:1").count("machines")


class Google:
    """As much of Compute Engine as is asked for."""

    def __init__(self) -> None:
        self.size, self.autoscaler, self.fails = 3, "", (0, "")
        self.asked: list[tuple[str, str]] = []

    def answer(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        parts = urlsplit(path)
        self.asked.append((method, parts.path))
        if self.fails[0]:
            return self.fails[0], {"error": {"code": self.fails[0], "message": self.fails[1]}}
        if parts.path.endswith("/resize"):
            self.size = int(parse_qs(parts.query)["size"][0])
            return 200, {"name": "operation-1", "status": "RUNNING"}
        if parts.path.endswith("/listManagedInstances"):
            one = {"instanceStatus": "RUNNING", "currentAction": "NONE"}
            return 200, {"managedInstances": [one] * (self.size - 1) + [{**one, "currentAction": "CREATING"}]}
        return 200, {"name": "matchday", "targetSize": self.size, "status": {"autoscaler": self.autoscaler}}


@contextmanager
def google(settings: Machines = GOOGLE) -> Iterator[tuple[Google, OnGoogle]]:
    group = Google()
    kind = InstanceGroupManagersRestTransport if settings.zone else RegionInstanceGroupManagersRestTransport
    with served(group.answer) as address:
        nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
        transport = kind(host=urlsplit(address).netloc, credentials=nobody, url_scheme="http")
        yield group, OnGoogle(settings, transport)


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (GOOGLE, "zones/europe-west1-b"),
        (
            Machines(ceiling=9, group="matchday", project="p", region="europe-west1"),
            "regions/europe-west1",
        ),
    ],
)
def test_a_managed_instance_group_changes_its_size(settings: Machines, where: str) -> None:
    with google(settings) as (group, place):
        assert place.count("machines") == Count(3, 2)
        place.scale("machines", 3, 6)
        assert group.size == 6
        assert group.asked[-1] == ("POST", f"/compute/v1/projects/p/{where}/instanceGroupManagers/matchday/resize")


def test_a_group_of_googles_that_is_changed_by_others_is_left_alone() -> None:
    with google() as (group, place):
        group.size = 8
        with pytest.raises(ActError, match="wants 8 where it wanted 3"):
            place.scale("machines", 3, 4)
        group.size, group.autoscaler = 3, "https://compute/autoscalers/a"
        with pytest.raises(ActError, match="has an autoscaler of Google's"):
            place.scale("machines", 3, 4)
        assert group.size in (3, 8)
        assert not any(path.endswith("/resize") for _, path in group.asked)


def test_what_google_refuses_is_said() -> None:
    with google() as (group, place):
        group.fails = 403, "no right"
        with pytest.raises(ActError, match=r"Google does not answer: 403 .*no right"):
            place.count("machines")


@pytest.mark.parametrize("place", [{"zone": "", "region": ""}, {"zone": "z", "region": "r"}, {"project": ""}])
def test_a_google_group_must_be_named_whole(place: dict[str, str]) -> None:
    told = {"zone": "z", "region": "", "project": "p"} | place
    with pytest.raises(ScalerError, match=r"needs machines\.project, and either"):
        OnGoogle(Machines(ceiling=1, where="google", group="g", **told))  # type: ignore[arg-type]
