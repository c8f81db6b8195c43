"""Who may become an owner by signing in: what the operator decided with `SIGNUP`."""

from web.config import SignUp


def may_sign_up(policy: SignUp, email: str) -> bool:
    """Whether somebody with this verified email may. A domain means itself and none below it, in any letter case."""
    match policy:
        case "closed":
            return False
        case "open":
            return True
        case _:
            return email.rpartition("@")[2].lower() in policy
