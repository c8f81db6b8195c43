"""The web admin: what an owner sees and does in a browser, rendered on the server; everything works without script."""
