"""A Google managed instance group, of a zone or a region: its target size."""

from typing import Any, Final

from matchday.backends.errors import client_of
from matchday.ops.scaler.act.port import ActError, Count
from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.settings import Machines

_TIMEOUT_S: Final = 10.0
PAGE: Final = 500


class OnGoogle:
    """One group. Credentials are found as Google's client finds them."""

    def __init__(self, settings: Machines, transport: Any = None) -> None:
        """``transport``: a client's own, in place of Google's address and credentials. ScalerError without the client,
        or without credentials."""
        with client_of("Google", ScalerError, extra="cloud"):
            from google.api_core.exceptions import GoogleAPIError
            from google.auth.exceptions import GoogleAuthError
            from google.cloud import compute_v1
        if bool(settings.region) == bool(settings.zone) or not settings.project:
            raise ScalerError("a Google group needs machines.project, and either machines.zone or machines.region")
        self._errors = (GoogleAPIError, GoogleAuthError)
        self._where = {"project": settings.project, "instance_group_manager": settings.group}
        self._where |= {"zone": settings.zone} if settings.zone else {"region": settings.region}
        kind = compute_v1.InstanceGroupManagersClient if settings.zone else compute_v1.RegionInstanceGroupManagersClient
        try:
            self._client = kind(transport=transport)
        except self._errors as error:
            raise ScalerError(f"Google: {error}; say `gcloud auth application-default login`") from error

    def count(self, target: str) -> Count:
        """See ``Actuator.count``: ready are those that run and are not being changed."""
        there = self._described(target).target_size
        try:
            request = {**self._where, "max_results": PAGE}
            found = self._client.list_managed_instances(request=request, timeout=_TIMEOUT_S)
            ready = sum(one.instance_status == "RUNNING" and one.current_action == "NONE" for one in found)
        except self._errors as error:
            raise ActError(f"{target}: Google does not answer: {error}") from error
        return Count(there, ready)

    def scale(self, target: str, asked: int, wanted: int) -> None:
        """See ``Actuator.scale``. Returns when Google has taken it; machines come later."""
        group = self._described(target)
        if group.target_size != asked:
            raise ActError(f"{group.name} wants {group.target_size} where it wanted {asked}: somebody else changed it; "
                           "decided anew")  # fmt: skip
        if group.status.autoscaler:
            raise ActError(f"{group.name} has an autoscaler of Google's, which would undo it: delete or stop that one")
        try:
            self._client.resize(request={**self._where, "size": wanted}, timeout=_TIMEOUT_S)
        except self._errors as error:
            raise ActError(f"{group.name}: {error}") from error

    def _described(self, target: str) -> Any:
        try:
            return self._client.get(request=self._where, timeout=_TIMEOUT_S)
        except self._errors as error:
            raise ActError(f"{target}: Google does not answer: {error}") from error
