"""Signing in: whose a request is, by its token, and whether he may ask for it and so often."""

from typing import Protocol

from matchday.edge.placing import Placing
from matchday.edge.problems import Problem
from matchday.model.role import Role, SignedIn


class Identities(Protocol):
    """Who tokens speak for."""

    def identify(self, token: str) -> SignedIn | None:
        """Who a token speaks for."""


def bearer(authorization: str) -> str:
    """The token of an ``Authorization`` header; "" where it has none, or one of another scheme."""
    scheme, _, token = authorization.partition(" ")
    return token if scheme.lower() == "bearer" else ""


def signed_in(authorization: str, role: Role, accounts: Identities, placing: Placing) -> str:
    """The account, or a trader's name, of an ``Authorization`` header; a problem where it is none of that role's, or
    one that has asked too often."""
    token = bearer(authorization)
    found = accounts.identify(token) if token else None
    if found is None:
        source = "POST /api/guest" if role == Role.FAN else "`matchday token`"
        raise Problem("not_signed_in", f"send Authorization: Bearer with a token of {source}")
    placing.limited(found.account, found.role)
    if found.role != role:
        raise Problem("not_allowed", f"this is for a {role}'s token; yours is a {found.role}'s")
    return found.account
