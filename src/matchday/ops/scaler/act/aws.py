"""An AWS Auto Scaling group: its desired capacity, within the group's own bounds."""

from typing import Any

from matchday.backends.errors import client_of
from matchday.ops.scaler.act.port import ActError, Count
from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.settings import Machines


class OnAws:
    """One group. Credentials and region are found as boto3 finds them."""

    def __init__(self, settings: Machines, endpoint: str | None = None) -> None:
        """``endpoint``: another than AWS's own. ScalerError without the client."""
        with client_of("AWS", ScalerError, extra="cloud"):
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        self._group = settings.group
        self._errors = (BotoCoreError, ClientError)
        quick = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2, "mode": "standard"})
        try:
            self._client = boto3.client(
                "autoscaling", region_name=settings.region or None, endpoint_url=endpoint, config=quick
            )
        except BotoCoreError as error:
            raise ScalerError(f"AWS: {error}; see the setting machines.region") from error

    def count(self, target: str) -> Count:
        """See ``Actuator.count``."""
        group = self._described(target)
        ready = sum(one["LifecycleState"] == "InService" and one["HealthStatus"] == "Healthy"
                    for one in group["Instances"])  # fmt: skip
        return Count(group["DesiredCapacity"], ready)

    def scale(self, target: str, asked: int, wanted: int) -> None:
        """See ``Actuator.scale``. Refused outside the group's bounds before AWS refuses it."""
        group = self._described(target)
        there, least, most = group["DesiredCapacity"], group["MinSize"], group["MaxSize"]
        if there != asked:
            raise ActError(f"{self._group} wants {there} where it wanted {asked}: that was somebody else")
        if not least <= wanted <= most:
            raise ActError(f"{wanted} is outside the bounds of {self._group}, {least} to {most}: change the group, "
                           "or machines.floor and machines.ceiling")  # fmt: skip
        suspended = {one["ProcessName"] for one in group.get("SuspendedProcesses", ())}
        needed = "Launch" if wanted > there else "Terminate"
        if needed in suspended:
            raise ActError(f"{needed} is suspended in {self._group}: resume it, or nothing comes of {wanted}")
        try:
            self._client.set_desired_capacity(
                AutoScalingGroupName=self._group, DesiredCapacity=wanted, HonorCooldown=False
            )
        except self._errors as error:
            raise ActError(f"{self._group}: {error}") from error

    def _described(self, target: str) -> Any:
        try:
            found = self._client.describe_auto_scaling_groups(AutoScalingGroupNames=[self._group])
        except self._errors as error:
            raise ActError(f"{target}: AWS does not answer: {error}") from error
        groups = found["AutoScalingGroups"]
        if not groups:
            raise ActError(f"AWS knows no Auto Scaling group {self._group!r}; see the setting machines.group")
        return groups[0]
