"""Identity: the authenticator, names, people, and waits that end with their token."""
