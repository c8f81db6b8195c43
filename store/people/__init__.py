"""Who may do what: owners, participants, grants, tokens, invites, sign-in and the audit trail."""
