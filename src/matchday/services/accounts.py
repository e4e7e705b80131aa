"""Accounts: who a fan is, and the limits he sets himself.

Owns identity, roles and tokens. Hears sign-ins and limit changes from the doors; says ``OpenAccount``, ``Transfer`` and
``SetLimit`` to the ledger. Signs tokens that any gate can verify without asking anybody. Never holds a balance.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from matchday.config import Settings
from matchday.model.ledger import Answer, GrantFreeBet, LimitName, Moment, OpenAccount, SetLimit, Transfer
from matchday.model.role import Role, SignedIn
from matchday.ports import Clock, Ledger, LedgerUnavailable

_SALT = "matchday.token.1"
_TICKET_SALT = "matchday.ticket.1"
"""Another, so that a ticket is no token and a token no ticket."""
TOKENS_KEPT: Final = 20_000
"""Tokens that are known again without reckoning their signatures; beyond it all are reckoned anew."""


class Guest(msgspec.Struct, frozen=True):
    """A new play-money account and the token that signs its fan in."""

    account: str
    token: str
    expires_ms: int
    currency: str
    balance: int
    """Minor units: the grant."""


class Tokens:
    """Signs and verifies tokens. A fan's is his account; any other role is signed beside the name."""

    def __init__(self, clock: Clock, settings: Settings, secret: bytes) -> None:
        self._clock = clock
        self._token_s, self._ticket_s = settings.doors.token_s_max, settings.doors.ticket_s_max
        self._good: dict[str, tuple[SignedIn, int]] = {}
        """Tokens whose signature was good -> whose each is, and when it was signed, in seconds since 1970."""

        class Signer(TimestampSigner):
            """Takes its time from the platform's clock."""

            def get_timestamp(self) -> int:
                return clock.now_ms() // 1000

        self._signer = URLSafeTimedSerializer(secret, salt=_SALT, signer=Signer)
        self._tickets = URLSafeTimedSerializer(secret, salt=_TICKET_SALT, signer=Signer)

    def sign(self, account: str, role: Role = Role.FAN) -> tuple[str, int]:
        """A token for an account, and until when it is surely good (milliseconds since 1970): it counts in whole
        seconds, so that it may last one longer."""
        signed = account if role == Role.FAN else [role.value, account]
        return str(self._signer.dumps(signed)), self._clock.now_ms() + self._token_s * 1000

    def identify(self, token: str) -> SignedIn | None:
        """Who a token speaks for; None for one that is forged, damaged or expired."""
        held = self._good.get(token)
        if held is not None and 0 <= self._clock.now_ms() // 1000 - held[1] <= self._token_s:
            return held[0]
        if not token.isascii():  # none that was signed here; a lone surrogate would be an error, not a refusal
            return None
        try:
            signed, signed_at = self._signer.loads(token, max_age=self._token_s, return_timestamp=True)
        except BadData:
            return None
        match signed:
            case str(account):
                who, role = account, Role.FAN
            case [Role.TRADER.value, str(name)]:
                who, role = name, Role.TRADER
            case _:
                return None
        signed_s = int(signed_at.timestamp())
        found = SignedIn(who, role, (signed_s + self._token_s + 1) * 1000)
        if len(self._good) >= TOKENS_KEPT:
            self._good.clear()
        self._good[token] = found, signed_s
        return found

    def verify(self, token: str) -> SignedIn | None:
        """Whose a fan's token is; None for one that is no fan's, forged, damaged or expired."""
        signed_in = self.identify(token)
        return signed_in if signed_in is not None and signed_in.role == Role.FAN else None

    def ticket(self, token: str) -> tuple[str, int] | None:
        """A ticket for the stream of a token's fan, and until when it is surely good (milliseconds since 1970); None
        for what is no fan's token. It may stand in an address, where others can come to read it: it ends soon and opens
        nothing but a stream, which ends as one by the token does."""
        fan = self.verify(token)
        if fan is None:
            return None
        until_ms = min(self._clock.now_ms() + self._ticket_s * 1000, fan.until_ms)
        return str(self._tickets.dumps([fan.account, fan.until_ms])), until_ms

    def verify_ticket(self, ticket: str) -> SignedIn | None:
        """Whose a ticket is, and until when its token is good; None for one that is none, forged, damaged or expired,
        or whose token is."""
        if not ticket.isascii():
            return None
        try:
            signed = self._tickets.loads(ticket, max_age=self._ticket_s)
        except BadData:
            return None
        match signed:
            case [str(account), int(until_ms)] if self._clock.now_ms() < until_ms:
                return SignedIn(account, Role.FAN, until_ms)
            case _:
                return None


class Accounts:
    """Guests, tokens and limits."""

    def __init__(self, clock: Clock, ledger: Ledger, settings: Settings, secret: bytes) -> None:
        self._clock = clock
        self._ledger = ledger
        self._settings = settings.accounts
        tokens = Tokens(clock, settings, secret)
        self.sign, self.identify, self.verify = tokens.sign, tokens.identify, tokens.verify
        self.ticket, self.verify_ticket = tokens.ticket, tokens.verify_ticket

    def open_guest(self, done: Callable[[Guest | Moment], None]) -> None:
        """Open an account with a grant of play money, both in one commit. The ids derive from the account's own, which
        is new: a caller that gets no answer loses nothing by asking again."""
        account, now, settings = self._clock.new_id(), self._clock.now_ms(), self._settings
        opened = OpenAccount(f"open:{account}", account, settings.currency, now, settings.stake_per_day)
        grant = Transfer(f"grant:{account}", account, settings.grant, settings.currency, "grant", now)

        def answered(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            if isinstance(outcome, LedgerUnavailable):
                done(Moment.UNAVAILABLE)
                return
            refused, balance = [answer.refusal for answer in outcome if answer.refusal is not None], outcome[1].balance
            assert not refused, refused  # an id of our own that is new
            assert balance is not None
            token, expires_ms = self.sign(account)
            done(Guest(account, token, expires_ms, settings.currency, balance))

        self._ledger.commit([opened, grant], answered)

    def set_limit(
        self, account: str, id_: str, limit: LimitName, amount: int | None, done: Callable[[Answer | Moment], None]
    ) -> None:
        """A limit of the fan's own in minor units (None: none): less counts at once, more after a day. ``id_`` is the
        caller's."""
        command = SetLimit(id_, account, amount, self._clock.now_ms(), limit)

        def answered(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            done(Moment.UNAVAILABLE if isinstance(outcome, LedgerUnavailable) else outcome[0])

        self._ledger.commit([command], answered)

    def give_free_bet(
        self, account: str, id_: str, amount: int, currency: str, until_ms: int,
        done: Callable[[Answer | Moment], None],
    ) -> None:  # fmt: skip
        """Give a fan a free bet of the house's, in minor units, to be used before ``until_ms``. ``id_`` is the caller's
        and the free bet's name; given twice, it is one."""
        command = GrantFreeBet(f"give:{id_}", account, id_, amount, currency, until_ms, self._clock.now_ms())

        def answered(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            done(Moment.UNAVAILABLE if isinstance(outcome, LedgerUnavailable) else outcome[0])

        self._ledger.commit([command], answered)
