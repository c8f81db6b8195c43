"""Who is calling and who takes part: the authenticator, names, people, and waits that end with their token."""
