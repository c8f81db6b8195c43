"""Sign-up: the rule for new owners, which the operator sets with `SIGNUP`."""

from store.people.emails import lowered
from web.config import SignUp


def may_sign_up(policy: SignUp, email: str) -> bool:
    """Whether somebody with this verified email may.

    A domain means itself and none below it; only the case of ASCII letters is ignored (`store.people.emails`). It is
    what follows the only `@` of the email: with two of them, mail programs disagree on whose domain counts.
    """
    match policy:
        case "closed":
            return False
        case "open":
            return True
        case _:
            local, _, domain = email.partition("@")
            return bool(local) and "@" not in domain and lowered(domain) in policy
