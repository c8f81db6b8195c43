"""People and rights: owners, participants, grants, tokens, invites, sign-in and the audit trail."""
